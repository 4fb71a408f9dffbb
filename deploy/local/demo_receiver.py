"""The receiver of the demo account's webhooks and of its switch's commands: it takes everything and says so.

Owns its port and its one line a request. Must never be reachable from outside, nor started but by `ringpost up`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from deploy.local.crews import LOOPBACK

PORT = 8090  # of the demo account's webhooks
COMMANDS = "/switch"  # where the demo's switch takes commands
ALLOWED_NETWORKS = "RINGPOST_OUTBOUND_ALLOWED_NETWORKS"
LOOPBACK_NETWORKS = "127.0.0.0/8,::1/128"
_LONGEST_BODY = 65_536


@contextmanager
def receiving(port: int, say: Callable[[str], None]) -> Iterator[None]:
    """Take requests until the block ends."""
    server = ThreadingHTTPServer((LOOPBACK, port), _handler(say))
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, name="demo receiver", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(say: Callable[[str], None]) -> type[BaseHTTPRequestHandler]:
    class Taker(BaseHTTPRequestHandler):
        """Answers 204 to whatever comes."""

        timeout = 5.0

        def take(self) -> None:
            """One request."""
            size = self.headers.get("Content-Length", "0")
            if size.isdecimal() and int(size) <= _LONGEST_BODY:
                self.rfile.read(int(size))
            what = "switch command" if self.path == COMMANDS else "webhook"
            say(f"a {what} came: {self.command} {self.path}")
            self.send_response_only(204)
            self.end_headers()

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = take  # noqa: N815 - the library's names

        def log_message(self, *_told: object) -> None:
            """Nothing: take has said it."""

    return Taker
