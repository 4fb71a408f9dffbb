"""Free ports of the loopback interface.

Owns how one is picked. Must never keep a port: whoever asked binds it at once.
"""

import random
import socket

from shared.errors import OperatorError

_BELOW_EPHEMERAL = range(20_000, 32_000)  # the kernel gives none of these to outgoing connections
_TRIES = 200


def free_port(preferred: int = 0) -> int:
    """A port that nobody listens on: the preferred one if it is free."""
    if preferred and is_free(preferred):
        return preferred
    for port in random.sample(_BELOW_EPHEMERAL, _TRIES):
        if is_free(port):
            return port
    raise OperatorError("no free port was found on the loopback interface")


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a listener could be opened there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
