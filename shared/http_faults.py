"""What can be wrong with a request before it is one.

Owns the answers to malformed, too large and too slow requests. Must never look at more of a parser's error
than its kind: its text quotes what was sent.
"""

from aiohttp.http import HttpProcessingError
from aiohttp.http_exceptions import LineTooLong

from shared.domain.reasons import Reason
from shared.errors import BadRequest

PATH_BYTES = 2048


def parser_fault(error: Exception, query_bytes: int) -> BadRequest:
    """The answer to what the parser refused. Units: query_bytes is the limit that the parser was given."""
    if isinstance(error, LineTooLong):
        if error.args[1] == query_bytes + PATH_BYTES:
            return BadRequest(414, Reason.TOO_LARGE, text="the URL is too long")
        return BadRequest(431, Reason.TOO_LARGE, text="a header is too long")
    if isinstance(error, HttpProcessingError) and error.message == "Too many headers received":
        return BadRequest(431, Reason.TOO_LARGE, text="too many headers")
    return BadRequest(400, Reason.BAD_REQUEST, text="this is not a valid HTTP request")


def broken_body(_text: str) -> BadRequest:
    """The parser's own text is dropped."""
    return BadRequest(400, Reason.BAD_REQUEST, text="the body is malformed")


def cut_body() -> BadRequest:
    """The client stopped sending."""
    return BadRequest(400, Reason.BAD_REQUEST, text="the body ended early")


def too_large() -> BadRequest:
    """The body is above its limit."""
    return BadRequest(413, Reason.TOO_LARGE, text="the body is too large")


def too_slow(part: str) -> BadRequest:
    """A part of the request missed its deadline."""
    return BadRequest(408, Reason.TIMEOUT, text=f"{part} came too slowly")
