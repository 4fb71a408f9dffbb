"""The yardstick: an aiohttp `web.Application` that answers a fixed body; nothing else.

Owns its process. Must never import anything of ours.
"""

import asyncio
import socket
import sys

import uvloop
from aiohttp import web


async def serve(descriptor: int, body_bytes: int) -> None:
    """Answer on an inherited listening socket until the process is ended."""
    body = b'{"hello":"' + b"x" * (body_bytes - 12) + b'"}'

    async def hello(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.router.add_get("/rtbs.json", hello)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.SockSite(runner, socket.socket(fileno=descriptor)).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
