"""CPU seconds of a process, by the operating system's own accounting.

Owns the reading of /proc and of CPU clocks. Must never estimate.
"""

import os
import time
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its threads since its start. Units: seconds, in steps of a clock tick."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def cpu_clock_s(pid: int) -> float:
    """The same by the process's CPU clock, which has no steps: for stretches too short for ticks."""
    return time.clock_gettime(
        (~pid << 3) | 2
    )  # Linux's id of another process's clock; Python has no name for it


def pin(pid: int, core: int) -> None:
    """Keep a process, with all its threads, on one core."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})
