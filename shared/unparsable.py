"""What aiohttp's parsers raise at bytes that are no HTTP.

Owns that list. Must never be raised here.
"""

from aiohttp.http_exceptions import HttpProcessingError

PARSER_ERRORS = (HttpProcessingError, ValueError, LookupError, AssertionError, RuntimeError, TypeError)
