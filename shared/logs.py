"""Ordinary log lines: structlog JSON, or text for people, one way out for our own lines and for libraries'.

Owns the configuration of structlog and of the standard library's logging. Must never write a line that has
not passed redaction.
"""

import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec
import structlog

from shared.redaction import clean, exception_shape

_KEPT = frozenset({"time", "level", "event", "service", "error", "frames"})
_ENCODER = msgspec.json.Encoder(enc_hook=lambda value: clean("", value))
_QUIET = ("aiohttp.access", "aiohttp.server", "asyncio")

Event = structlog.typing.EventDict


def configure_logs(
    service: str, *, level: str = "info", as_text: bool = False, stream: TextIO | None = None
) -> None:
    """Send every line of this process, libraries' included, through redaction to one stream."""
    steps = (_stamp(service), _tell_exception, redact)
    shared: list[Any] = [structlog.stdlib.add_log_level, *map(_step, steps)]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, _to_handler],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _step(_write_text if as_text else _write_json),
            ],
            keep_exc_info=False,
            keep_stack_info=False,
        )
    )
    logging.raiseExceptions = False  # a line that cannot be written is not told with its values elsewhere
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def get_logger() -> structlog.stdlib.BoundLogger:
    """A logger for ordinary lines: `log.warning("redis_away", attempt=3)`."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger("ringpost")
    return logger


def redact(event: Event) -> Event:
    """The same event without tokens, secrets and full numbers."""
    for name, value in event.items():
        if name.startswith("_") or name in {"time", "level", "service", "frames"}:
            continue
        event[name] = clean("" if name == "event" else name, value)
    return event


def _step(work: Callable[[Event], Any]) -> Callable[..., Any]:
    """structlog hands every step its logger and method too, which no step here needs."""
    return lambda *call: work(call[-1])


def _stamp(service: str) -> Callable[[Event], Event]:
    def stamp(event: Event) -> Event:
        event["time"] = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        event["service"] = service
        return event

    return stamp


def _tell_exception(event: Event) -> Event:
    told = event.pop("exc_info", None)
    record = event.get("_record")
    if told is None and record is not None:
        told, record.exc_info, record.exc_text = record.exc_info, None, None
    if told is True:
        told = sys.exc_info()
    error = told[1] if isinstance(told, tuple) else told
    if isinstance(error, BaseException):
        event.update(exception_shape(error))
    return event


_to_handler = structlog.stdlib.ProcessorFormatter.wrap_for_formatter


def _write_json(event: Event) -> str:
    first = {name: event[name] for name in ("time", "level", "event", "service") if name in event}
    return _ENCODER.encode({**first, **event}).decode()


def _write_text(event: Event) -> str:
    said = " ".join(f"{name}={value}" for name, value in event.items() if name not in _KEPT)
    head = f"{event['time'][11:23]} {event['service']:<8} {event['level']:<7}"
    line = f"{head} {event['event']} {said}".rstrip()
    if "error" in event:
        line += f" error={event['error']}"
    return "\n    ".join([line, *event.get("frames", ())])
