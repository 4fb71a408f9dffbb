"""The few exceptions of the house: something is out of order, never a mere refusal.

Owns exception types only. Their texts may reach a log or a screen, so they must never hold a token, a secret
or a number.
"""

from shared.domain.reasons import Reason


class Unavailable(Exception):  # noqa: N818 - the state it tells of is its name
    """A dependency is away. Units: retry_after_s in seconds."""

    def __init__(self, what: str, retry_after_s: int = 1) -> None:
        super().__init__(f"{what} is unavailable")
        self.what = what
        self.retry_after_s = retry_after_s


class Overloaded(Unavailable):
    """A bounded queue is full."""


class BadRequest(Exception):  # noqa: N818 - the name of the answer it becomes
    """A request that cannot be read as HTTP: only the server raises it, before any endpoint sees it."""

    def __init__(
        self, status: int, reason: Reason, *, text: str, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(text)
        self.status = status
        self.reason = reason
        self.text = text
        self.headers = headers


class OperatorError(Exception):
    """One clear line for whoever runs a command; exit code 1."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class SettingsError(Exception):
    """Every problem of the settings at once."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems
