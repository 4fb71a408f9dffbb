"""Telling whoever started us that we are ready: the socket protocol of systemd's notify services.

Owns the one message. Must never fail a start: without a socket in the environment nothing is sent.
"""

import os
import socket
from collections.abc import Mapping

SOCKET_VARIABLE = "NOTIFY_SOCKET"


def tell_ready(environment: Mapping[str, str] = os.environ) -> None:
    """Say once that requests are being answered."""
    address = environment.get(SOCKET_VARIABLE, "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        try:
            line.sendto(f"READY=1\nMAINPID={os.getpid()}".encode(), address.replace("@", "\0", 1))
        except OSError:
            return  # it has gone: it will not miss the message
