"""Listening sockets: inherited from a supervisor, or bound here.

Owns how a port is taken. Must never accept.
"""

import errno
import socket

from shared.errors import OperatorError


def inherited(fd: int) -> socket.socket:
    """A socket that the supervisor listens on and keeps open. Errors: OperatorError."""
    try:
        sock = socket.socket(fileno=fd)
        listening = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise OperatorError(f"file descriptor {fd} is not a socket") from error
    if not listening:
        raise OperatorError(f"file descriptor {fd} is not a listening socket")
    sock.setblocking(False)
    return sock


def bound(host: str, port: int) -> socket.socket:
    """A socket of our own. Errors: OperatorError, in one line, when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((host, port))
        sock.listen(1024)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise OperatorError(f"port {port} is taken") from error
        raise OperatorError(f"cannot listen on {host} port {port}: {error.strerror}") from error
    sock.setblocking(False)
    return sock
