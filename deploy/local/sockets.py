"""Listening sockets that outlive the workers that answer on them.

Owns one SO_REUSEPORT socket per worker slot and port: a dead worker's queue waits for its successor, and no
worker starves another. Must never accept a connection itself.
"""

import socket
from collections.abc import Sequence

from deploy.local.ports import is_free
from shared.errors import OperatorError

_BACKLOG = 1024


class SlotSockets:
    """The public and the ops socket of one slot; a service without public port has None there."""

    def __init__(self, public: socket.socket | None, ops: socket.socket) -> None:
        self.public = public
        self.ops = ops

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What the worker inherits."""
        return tuple(each.fileno() for each in (self.public, self.ops) if each is not None)

    @property
    def arguments(self) -> tuple[str, ...]:
        """How the worker is told of them."""
        ops = ("--ops-fd", str(self.ops.fileno()))
        return ops if self.public is None else ("--fd", str(self.public.fileno()), *ops)

    def close(self) -> None:
        """Give the ports back."""
        for each in (self.public, self.ops):
            if each is not None:
                each.close()


def open_slots(name: str, host: str, *, port: int, ops_port: int, workers: int) -> tuple[SlotSockets, ...]:
    """The sockets of a service. Shape: port 0 = no public port. Errors: OperatorError on a taken port."""
    refuse_taken(name, host, ports=(port, ops_port))
    return tuple(
        SlotSockets(_listen(host, port) if port else None, _listen(host, ops_port))
        for _slot in range(workers)
    )


def refuse_taken(name: str, host: str, *, ports: Sequence[int]) -> None:
    """Errors: OperatorError when somebody listens on one of the ports; 0 is no port."""
    for port in ports:
        if port and not is_free(port, host):
            raise OperatorError(f"port {port} for {name} is taken by another process")


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise OperatorError(f"port {port} of {host} cannot be opened: {error.strerror}") from None
    return listener
