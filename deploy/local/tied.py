"""Children that never outlive their parent, however it ends.

Owns how a process of ours starts another one. Must never be called from a thread that ends before the parent
does: the kernel ties a child to the thread that made it.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def tied_to_parent(end_with: signal.Signals) -> Callable[[], None]:
    """What the child runs before exec, as preexec_fn: when we die, the kernel sends it end_with."""
    parent = os.getpid()
    libc = _LIBC

    def tie() -> None:
        if libc is None:
            return
        libc.prctl(_PR_SET_PDEATHSIG, end_with)
        if os.getppid() != parent:  # it died before the tie was made
            os._exit(1)

    return tie
