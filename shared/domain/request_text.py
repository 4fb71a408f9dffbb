"""How the URL, headers and body of a request that we send take values: a webhook's of a call, a buyer's of a ping.

Owns the tokens' notation and what each place makes of a value. Must never let a value change what stands around it: not the
host, not the path's folders, not the headers' lines, not the structure of a JSON, form or XML body.

The laws (data.md, webhooks; rtb.md, downstream pings):
- `[name]` is a token; what is unknown or absent is empty; a bare JSON number or literal (`[1]`, `[null]`) is no token;
- the scheme and the host of a URL take none;
- a token inside a JSON string is escaped; one outside stays bare when it is a JSON number, else it becomes a string.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from urllib.parse import quote, unquote

import msgspec
from msgspec import Struct

from shared.domain.outgoing import Message
from shared.domain.xml_text import xml_text

Values = Mapping[str, str]
Write = Callable[[str], str]
JSON = "application/json"


# A text cut at its tokens: what stands before each, its name, what its place makes of a value; and what stands after the last.
_Text = tuple[tuple[tuple[str, str, Write], ...], str]
_TEXTS_KEPT = 2_048


class RequestText(Struct, frozen=True, kw_only=True):
    """A request as its author wrote it, tokens and all."""

    method: str
    url: str
    headers: Mapping[str, str] = {}
    body: str = ""


class Unsendable(Struct, frozen=True, kw_only=True):
    """No request can be made of it, however often it is tried. Shape: why holds no value."""

    why: str


_TOKEN = r"""\[(?!(?:true|false|null|[0-9.eE+-]+)\])([^][\s"{},:=]{1,64})\]"""  # noqa: S105 - no password
_token = re.compile(_TOKEN)
_token_first = re.compile(r"\s*" + _TOKEN).match
_string_or_token = re.compile(rf'"(?:[^"\\]|\\.)*"|{_TOKEN}', re.DOTALL)
_json_number = re.compile(r"-?(?:0|[1-9][0-9]{0,63})(?:\.[0-9]{1,64})?").fullmatch
_url = re.compile(r"(https?://)([^/?#]*)([^?#]*)(.*)", re.IGNORECASE | re.DOTALL).fullmatch
_plain_authority = re.compile(
    r"(?:[^][@\s\\]*@)?(?:[^][@:\s\\]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
).fullmatch
_controls = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_header_name = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
_OURS = frozenset(
    (
        *(
            "host",
            "content-length",
            "transfer-encoding",
            "connection",
            "keep-alive",
            "te",
            "trailer",
            "upgrade",
        ),
        *("expect", "accept-encoding", "proxy-authorization", "proxy-connection"),
        *("webhook-id", "webhook-timestamp", "webhook-signature"),
    )
)


def tokens_of(text: RequestText) -> frozenset[str]:
    """The names that a request asks values of."""
    return frozenset(
        name for part in (text.url, *text.headers.values(), text.body) for name in _token.findall(part)
    )


def fill_request(text: RequestText, values: Values) -> Message | Unsendable:
    """The request with its values, and with the type of a body that was given none."""
    url = fill_url(text.url, values)
    if isinstance(url, Unsendable):
        return url
    headers = fill_headers(text.headers, values)
    # As it was written: no value decides how values are escaped.
    given = content_type_of(text.headers)
    body = fill_body(text.body, values, content_type=given) if text.body else ""
    if body and not given:
        headers["Content-Type"] = _kind_of(text.body)
    return Message(method=text.method, url=url, headers=headers, body=body.encode())


def content_type_of(headers: Mapping[str, str]) -> str:
    """What the headers say of the body, "" when nothing."""
    return next((value for name, value in headers.items() if name.lower() == "content-type"), "")


def _kind_of(body: str) -> str:
    if is_json(body, ""):
        return JSON
    return "application/xml" if _looks_xml(body) else "text/plain; charset=utf-8"


def fill_url(template: str, values: Values) -> str | Unsendable:
    """The URL with each value percent-encoded whole."""
    parts = _url_parts(template)
    if parts is None:
        return Unsendable(why="the URL's host is not plain: it takes no tokens")
    head, path_text, rest = parts
    path = _fill(path_text, values)
    if ("." in path or "%" in path) and any(unquote(folder) in {".", ".."} for folder in path.split("/")):
        return Unsendable(why="the URL's path leads upwards")
    return head + path + _fill(rest, values)


def fill_headers(templates: Mapping[str, str], values: Values) -> dict[str, str]:
    """The headers, each on one line whatever a value holds; those that are no names, or the protocol's own, left out."""
    return {
        name: _on_one_line(_fill(_cut(template, str), values))
        for name, template in templates.items()
        if _may_be_sent(name)
    }


def fill_body(template: str, values: Values, *, content_type: str) -> str:
    """The body, values escaped as its kind asks. Shape: content_type as the headers have it, "" = not given."""
    kind = content_type.lower()
    if is_json(template, kind):
        return _fill(_cut_json(template), values)
    if "form-urlencoded" in kind:
        return _fill(_cut(template, _percent), values)
    is_xml = "xml" in kind or (not kind and _looks_xml(template))
    return _fill(_cut(template, xml_text if is_xml else str), values)


def is_json(template: str, content_type: str) -> bool:
    """Whether a body is JSON: its content type says so, or it looks like it and none says otherwise."""
    if "json" in content_type:
        return True
    looks = template.lstrip()[:1] in {"{", "["} and _token_first(template) is None
    return looks and not any(other in content_type for other in ("form-urlencoded", "xml"))


def _looks_xml(template: str) -> bool:
    return template.lstrip().startswith("<?xml")


def _fill(text: _Text, values: Values) -> str:
    pieces, tail = text
    return "".join([literal + write(values.get(name, "")) for literal, name, write in pieces]) + tail


@lru_cache(maxsize=_TEXTS_KEPT)
def _url_parts(template: str) -> tuple[str, _Text, _Text] | None:
    """What stands before the path, the path, and what follows it; None when the host is not plain."""
    parts = _url(template)
    if parts is None or _plain_authority(parts[2]) is None:
        return None
    return parts[1] + parts[2], _cut(parts[3], _percent), _cut(parts[4], _percent)


@lru_cache(maxsize=_TEXTS_KEPT)
def _cut(template: str, write: Write) -> _Text:
    return _cut_at(template, ((token, write) for token in _token.finditer(template)))


@lru_cache(maxsize=_TEXTS_KEPT)
def _cut_json(template: str) -> _Text:
    return _cut_at(template, _json_tokens(template))


def _json_tokens(template: str) -> Iterator[tuple[re.Match[str], Write]]:
    for part in _string_or_token.finditer(template):
        if part[1] is None:
            for token in _token.finditer(template, part.start(), part.end()):
                yield token, _escaped
        else:
            yield part, _bare


def _cut_at(template: str, tokens: Iterable[tuple[re.Match[str], Write]]) -> _Text:
    pieces, end = [], 0
    for token, write in tokens:
        pieces.append((template[end : token.start()], token[1], write))
        end = token.end()
    return tuple(pieces), template[end:]


@lru_cache(maxsize=_TEXTS_KEPT)
def _may_be_sent(header: str) -> bool:
    return _header_name(header) is not None and header.lower() not in _OURS


def _on_one_line(value: str) -> str:
    return (value if value.isprintable() else _controls.sub(" ", value)).strip()


def _bare(value: str) -> str:
    """A value in a JSON body, outside of a string."""
    return value if _json_number(value) else f'"{_escaped(value)}"'


def _escaped(value: str) -> str:
    """The inside of a JSON string."""
    return msgspec.json.encode(value)[1:-1].decode()


def _percent(value: str) -> str:
    return quote(value, safe="")
