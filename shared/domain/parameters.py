"""What a request says, as one flat mapping of names to text, however its client chose to send it.

Owns the encodings of parameters: query, form, JSON and multipart, alone or together. Must never know what a
parameter means (but that a request may hold only one `key`), nor put what was sent into a refusal.
"""

import re
from collections.abc import Iterable
from urllib.parse import unquote

import msgspec
from msgspec import Raw, Struct

from shared.domain.http import HttpRequest
from shared.domain.multipart import read_multipart
from shared.domain.reasons import Reason
from shared.domain.request_keys import is_placeholder, read_key

Parameters = dict[str, str]

MOST_TAGS = 100
LONGEST_NAME = 64
LONGEST_VALUE = 512
_FORM_TYPES = frozenset({"", "application/x-www-form-urlencoded", "text/plain", "application/octet-stream"})
_JSON_TYPES = frozenset({"application/json", "text/json"})
_UTF8 = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii"})
_SINGLE_BYTE = ("iso-8859-", "windows-125")
_BOM = b"\xef\xbb\xbf"
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
# Both spellings of every ASCII escape but NUL's, so that a value needs unquote only for what is beyond ASCII.
_ESCAPES = {
    high + low: chr(int(high + low, 16))
    for high in "01234567"
    for low in "0123456789abcdefABCDEF"
    if high + low != "00"
}
_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode


class Unreadable(Struct, frozen=True, kw_only=True):
    """Why a request's parameters were refused; text names no value that was sent."""

    reason: Reason
    text: str


class _UnreadableError(Exception):
    def __init__(self, text: str, reason: Reason = Reason.BAD_REQUEST) -> None:
        super().__init__(text)
        self.verdict = Unreadable(reason=reason, text=text)


def read_authorized(request: HttpRequest, *, path_token: str = "") -> Parameters | Unreadable:
    """A request's parameters, with its one token under `key` wherever it was sent."""
    parameters = read_parameters(request)
    if isinstance(parameters, Unreadable):
        return parameters
    token = read_key(parameters, request.headers, path_token=path_token)
    if isinstance(token, Reason):
        return Unreadable(reason=token, text="")
    parameters["key"] = token
    return parameters


def read_parameters(request: HttpRequest) -> Parameters | Unreadable:
    """Every parameter of a request as text; the body wins over the query, the last over the first.

    Shape: names are never empty; JSON numbers stay as written, null is left out. `key` stands there once.
    Errors: bad_request for what cannot be decoded, tag_invalid for NUL and nested values, key_ambiguous for
    two keys.
    Source: rtb.md, request; keys.md, where a request may carry it.
    """
    try:
        if not request.body:
            return _read_pairs(request.query)
        return _merged(_read_pairs(request.query), _read_body(request))
    except _UnreadableError as refusal:
        return refusal.verdict


def _read_pairs(text: str) -> Parameters:
    """Names and values of a query or an urlencoded body."""
    if not text:
        return {}
    if not text.isascii() or "\0" in text:
        _check_characters(text)
    pairs = text.split("&")
    parameters: Parameters = {}
    if "%" in text or "+" in text:
        for pair in pairs:
            name, _, value = pair.partition("=")
            parameters[_unescaped(name)] = _unescaped(value)
    else:
        for pair in pairs:
            name, _, value = pair.partition("=")
            parameters[name] = value
    parameters.pop("", None)
    if len(parameters) < len(pairs) and "key" in parameters:
        parameters["key"] = _one_key(_values_of("key", pairs))
    return parameters


def _values_of(wanted: str, pairs: Iterable[str]) -> list[str]:
    split = (pair.partition("=") for pair in pairs)
    return [_unescaped(value) for name, _, value in split if _unescaped(name) == wanted]


def _unescaped(text: str) -> str:
    if "+" in text:
        text = text.replace("+", " ")
    if "%" not in text:
        return text
    head, *rest = text.split("%")
    try:
        return head + "".join([_ESCAPES[part[:2]] + part[2:] for part in rest])
    except KeyError:
        return _unescaped_fully(text)


def _unescaped_fully(text: str) -> str:
    if _BAD_ESCAPE.search(text):
        raise _UnreadableError("bad percent escape")
    try:
        plain = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise _UnreadableError("parameters must be UTF-8") from None
    if "\0" in plain:
        raise _nul()
    return plain


def _check_characters(text: str) -> None:
    """Refuse NUL, and the lone surrogates by which an HTTP parser hands over bytes that are not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _UnreadableError("parameters must be UTF-8") from None
    if "\0" in text:
        raise _nul()


def _nul() -> _UnreadableError:
    return _UnreadableError("parameters must not contain NUL", Reason.TAG_INVALID)


def _one_key(stated: Iterable[str]) -> str:
    keys = {key for key in stated if not is_placeholder(key)}
    if len(keys) > 1:
        raise _UnreadableError("two different keys in one request", Reason.KEY_AMBIGUOUS)
    return keys.pop() if keys else ""


def _merged(query: Parameters, body: Parameters) -> Parameters:
    """Query and body together: the body wins, unless it only holds the place of what the query says."""
    if "key" in query and "key" in body:
        body["key"] = _one_key((query["key"], body["key"]))
    for name, value in body.items():
        if name not in query or not is_placeholder(value):
            query[name] = value
    return query


def _read_body(request: HttpRequest) -> Parameters:
    kind, _, options = request.headers.get("Content-Type", "").partition(";")
    kind = kind.strip().lower()
    body = request.body.removeprefix(_BOM)
    _check_charset(options.lower(), body)
    if kind == "multipart/form-data":
        return _read_multipart(options, body)
    # No form begins with a bare brace: this is JSON under a form's name, a habit of real clients.
    if kind in _JSON_TYPES or kind.endswith("+json") or body.lstrip().startswith((b"{", b"[")):
        return _read_json(body)
    if kind not in _FORM_TYPES:
        raise _UnreadableError("the content type must be a form or JSON")
    try:
        return _read_pairs(body.decode().strip("\r\n"))
    except UnicodeDecodeError:
        raise _UnreadableError("parameters must be UTF-8") from None


def _check_charset(options: str, body: bytes) -> None:
    for option in options.split(";"):
        name, _, value = option.partition("=")
        charset = value.strip().strip('"')
        if name.strip() != "charset" or charset in _UTF8:
            continue
        if not (charset.startswith(_SINGLE_BYTE) and body.isascii()):
            raise _UnreadableError("the charset must be UTF-8")


def _read_json(body: bytes) -> Parameters:
    if not body.strip():
        return {}
    try:
        # msgspec stops at the interpreter's recursion limit, so a bomb of brackets ends here too.
        texts = {name: _scalar(raw) for name, raw in _decode_object(body).items() if name}
    except (ValueError, RecursionError):
        raise _UnreadableError("the body must be one JSON object") from None
    parameters = {name: text for name, text in texts.items() if text is not None}
    if b"\\u0000" in body:
        _check_characters("".join(parameters) + "".join(parameters.values()))
    return parameters


def root_scalars(body: bytes) -> Parameters:
    """The fields of a JSON object that are text, numbers or booleans, for tags; nothing of whatever is no object.

    Shape: at most 100, each of a tag's size, without NUL.
    """
    try:
        raws = _decode_object(body.removeprefix(_BOM))
        texts = {name: _scalar(raw) for name, raw in raws.items() if bytes(raw)[:1] not in {b"{", b"["}}
    except (ValueError, RecursionError):
        return {}
    told = {name: text for name, text in texts.items() if name and text is not None}
    sound = [(n, text) for n, text in told.items() if "\0" not in n + text and not fault_of_tags({n: text})]
    return dict(sound[:MOST_TAGS])


def _scalar(raw: Raw) -> str | None:
    data = bytes(raw)
    if data[:1] == b'"':
        return _decode_text(data)
    if data[:1] in {b"{", b"["}:
        raise _UnreadableError(
            "values must be text, numbers or booleans, not objects or lists", Reason.TAG_INVALID
        )
    return None if data == b"null" else data.decode()


def _read_multipart(options: str, body: bytes) -> Parameters:
    try:
        fields = read_multipart(options, body)
    except ValueError:
        raise _UnreadableError("the multipart form cannot be read") from None
    keys = [value for name, value in fields if name == "key"]
    parameters = dict(fields)
    parameters.pop("", None)
    if len(keys) > 1:
        parameters["key"] = _one_key(keys)
    _check_characters("".join(parameters) + "".join(parameters.values()))
    return parameters


def fault_of_tags(tags: Parameters) -> str:
    """What is wrong with the tags of a request; "" when nothing is. Source: rtb.md, request."""
    if len(tags) > MOST_TAGS:
        return f"at most {MOST_TAGS} tags are taken"
    for name, value in tags.items():
        if len(name) > LONGEST_NAME or len(value) > LONGEST_VALUE:
            return f"a tag's name has at most {LONGEST_NAME} characters, its value {LONGEST_VALUE}"
        if not name.isprintable():
            return "a tag's name must not hold control characters"
    return ""
