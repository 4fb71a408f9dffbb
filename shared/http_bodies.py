"""Reading a request's body: whole or in pieces, within its limit and its deadline.

Owns the limits of a body. Must never decompress, and never keep more than the limit.
"""

from collections.abc import AsyncGenerator

from aiohttp.http import RawRequestMessage

from shared.domain.reasons import Reason
from shared.errors import BadRequest
from shared.http_connection import Asked, Connection
from shared.http_faults import too_large

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def insist_on_plain(message: RawRequestMessage) -> None:
    """A compressed body could grow without end. Errors: BadRequest 415."""
    if message.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise BadRequest(415, Reason.BAD_REQUEST, text="a compressed body is not accepted")


async def read_body(connection: Connection, asked: Asked, *, limit: int) -> bytes:
    """The whole body.

    Errors: BadRequest 413 above the limit, 408 when it comes too slowly, 400 when it is cut or malformed.
    """
    payload = asked[1]
    if payload.is_eof():
        body = payload.read_nowait()
        if len(body) > limit:
            raise too_large()
        return body
    return b"".join([piece async for piece in read_pieces(connection, asked, limit=limit)])


async def read_pieces(
    connection: Connection, asked: Asked, *, limit: int, upload: bool = False
) -> AsyncGenerator[bytes, None]:
    """The body as it comes; an upload has its deadline between pieces. Errors: as read_body."""
    message, payload = asked
    if int(message.headers.get("Content-Length", "0")) > limit:
        raise too_large()
    if "Expect" in message.headers and not payload.is_eof():
        _invite(connection, message.headers["Expect"])
    keeper = connection.keeper
    last_renewal = keeper.tick + keeper.limits.upload_ticks
    size = 0
    connection.expect_body()
    try:
        while piece := await payload.readany():
            size += len(piece)
            if size > limit:
                raise too_large()
            if upload and keeper.tick <= last_renewal:
                connection.expect_body()
            yield piece
    finally:
        connection.end_body()


def _invite(connection: Connection, expectation: str) -> None:
    if expectation.lower() != "100-continue":
        raise BadRequest(417, Reason.BAD_REQUEST, text="this expectation cannot be met")
    connection.send(_CONTINUE)
