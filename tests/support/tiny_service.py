"""A service as small as can be, for the supervisor's tests.

GET /pid says who answers, /crash ends it at once, everything else is 200. It drains on SIGTERM as real ones.
Run as a script: `tiny_service.py [--fd N] --ops-fd M`.
"""

import argparse
import asyncio
import os
import signal
import socket
import sys

from shared.notify import tell_ready

_DRAIN_S = 5


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    path = head.split(b" ")[1]
    if path == b"/crash":
        os._exit(3)
    body = (
        str(os.getpid()).encode() if path == b"/pid" else os.environ.get("RINGPOST_METRICS_DIR", "").encode()
    )
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    await writer.drain()
    writer.close()


async def _main(descriptors: list[int]) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    servers = [
        await asyncio.start_server(_answer, sock=socket.socket(fileno=descriptor))
        for descriptor in descriptors
    ]
    if os.environ.get("TINY_NEVER_READY") is None:
        tell_ready()
    await stop.wait()
    for server in servers:
        server.close()
    running = asyncio.all_tasks() - {asyncio.current_task()}
    if running:
        await asyncio.wait(running, timeout=_DRAIN_S)


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--fd", type=int)
    options.add_argument("--ops-fd", type=int)
    chosen = options.parse_args()
    asyncio.run(_main([descriptor for descriptor in (chosen.fd, chosen.ops_fd) if descriptor is not None]))
    sys.exit(0)
