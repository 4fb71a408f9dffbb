"""What an answer says of an endpoint that will end.

Owns the Deprecation (RFC 9745) and Sunset (RFC 8594) headers. Must never decide when.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from email.utils import format_datetime

from msgspec.structs import replace

from shared.domain.http import Fault, HttpAnswer

Headers = tuple[tuple[str, str], ...]


def retirement_headers(deprecated: date, sunset: date) -> Headers:
    """Since when an endpoint should not be built on, and when it ends; both begin at midnight, UTC."""
    return (
        ("Deprecation", f"@{int(_midnight(deprecated).timestamp())}"),
        ("Sunset", format_datetime(_midnight(sunset), usegmt=True)),
    )


def retiring(write_fault: Callable[[Fault], HttpAnswer], headers: Headers) -> Callable[[Fault], HttpAnswer]:
    """The server's own refusals say it too."""

    def write(fault: Fault) -> HttpAnswer:
        return with_headers(write_fault(fault), headers)

    return write


def with_headers(answer: HttpAnswer, headers: Headers) -> HttpAnswer:
    """The answer with these headers besides its own."""
    return replace(answer, headers=(*answer.headers, *headers))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)
