"""The one key that a request carries, and values that a partner forgot to fill in.

Owns where a token may stand. Must never look one up, nor put one into a refusal.
"""

from collections.abc import Mapping

from shared.domain.reasons import Reason

# What the documentation's own examples put where a partner's value belongs.
_UNFILLED = frozenset(
    ("", "KEY", "CALL_UUID", "CALLER_NUMBER", "REVENUE", "CALL_DURATION", "CALL_START_EPOCH")
)


def is_placeholder(value: str) -> bool:
    """Whether a value is empty, or what a partner forgot to fill in: `[caller_number]`, `CALL_UUID`."""
    return value in _UNFILLED or (value[0] == "[" and value[-1] == "]") or value.isspace()


def stated(parameters: Mapping[str, str], name: str) -> str:
    """A parameter's value; "" when it is absent or was never filled in."""
    value = parameters.get(name, "")
    return value if value and not is_placeholder(value) else ""


def read_key(
    parameters: Mapping[str, str],
    headers: Mapping[str, str],
    *,
    path_token: str = "",
    bearer_is_key: bool = True,
) -> str | Reason:
    """The one token that a request carries, wherever it stands.

    Shape: path_token is the token in the path, or under a name that one endpoint alone knows; bearer_is_key is false
    where a key stands in the query and the bearer is its secret.
    Errors: key_missing; key_ambiguous when two places hold different tokens.
    Source: keys.md, where a request may carry it.
    """
    found = ""
    bearer = read_bearer(headers) if bearer_is_key else ""
    for text in (path_token, parameters.get("key", ""), headers.get("X-Api-Key", ""), bearer):
        if not text or is_placeholder(text):
            continue
        token = text.strip()
        if found and token != found:
            return Reason.KEY_AMBIGUOUS
        found = token
    return found or Reason.KEY_MISSING


def read_bearer(headers: Mapping[str, str]) -> str:
    """The token of `Authorization: Bearer`, or an empty text; other schemes are not ours to read."""
    authorization = headers.get("Authorization")
    if authorization is None:
        return ""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
