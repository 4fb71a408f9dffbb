"""Which endpoint a path belongs to.

Owns routes and the path table. Must never read a body, a header or a query.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from urllib.parse import unquote

from msgspec import Struct

from shared.domain.http import Fault, HttpAnswer, HttpRequest
from shared.domain.reasons import Reason
from shared.errors import BadRequest
from shared.metrics import request_meter
from shared.tallies import RequestMeter

Endpoint = Callable[[HttpRequest], Awaitable[HttpAnswer]]
StreamEndpoint = Callable[[HttpRequest, AsyncIterator[bytes]], Awaitable[HttpAnswer]]

NO_PARAMS: Mapping[str, str] = MappingProxyType({})
_PARAM = re.compile(r"\{([a-z_]+)\}")


class Route(Struct, frozen=True, kw_only=True):
    """One endpoint: `Route(methods=("GET",), template="/rtbs/{uuid}.json", endpoint=handlers.show)`.

    Shape: a `{param}` is a part of one path segment, handed over percent-decoded. With `stream` (uploads) the
    body comes in pieces instead of whole; `body_limit_bytes` replaces the server's; `write_fault` replaces
    the JSON error body where a protocol wants another one.
    """

    methods: tuple[str, ...]
    template: str
    endpoint: Endpoint | None = None
    name: str = ""
    stream: StreamEndpoint | None = None
    body_limit_bytes: int = 0
    write_fault: Callable[[Fault], HttpAnswer] | None = None


class Entry:
    """A route under one method, with its counters."""

    __slots__ = ("endpoint", "limit", "meter", "route", "template")

    def __init__(self, route: Route, method: str) -> None:
        assert (route.endpoint is None) != (route.stream is None), f"{route.template}: one kind of endpoint"
        self.route = route
        self.template = route.template
        self.endpoint = route.endpoint
        self.limit = route.body_limit_bytes
        self.meter: RequestMeter = request_meter(route=route.template, method=method)


class PathTable:
    """Static paths by dict, templates by the number of their segments and then in the order given."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.entries: list[Entry] = []
        self._static: dict[str, dict[str, Entry]] = {}
        self._templates: dict[int, list[tuple[re.Pattern[str], dict[str, Entry]]]] = {}
        by_template: dict[str, dict[str, Entry]] = {}
        for route in routes:
            methods = by_template.setdefault(route.template, {})
            for method in route.methods:
                assert method not in methods, f"{method} {route.template} stands twice"
                methods[method] = Entry(route, method)
                self.entries.append(methods[method])
        for template, methods in by_template.items():
            self._place(template, methods)

    def _place(self, template: str, methods: dict[str, Entry]) -> None:
        if "GET" in methods:
            methods.setdefault("HEAD", methods["GET"])
        if "{" not in template:
            self._static[template] = methods
            return
        texts, names = _PARAM.split(template)[::2], _PARAM.findall(template)
        pattern = re.escape(texts[0])
        for name, text in zip(names, texts[1:], strict=True):
            pattern += f"(?P<{name}>[^/]+)" + re.escape(text)
        self._templates.setdefault(template.count("/"), []).append((re.compile(pattern), methods))

    def find(self, path: str) -> tuple[dict[str, Entry], Mapping[str, str]] | None:
        """The entries of a raw path by method, and its parameters; None when nothing is there.

        Errors: BadRequest when a parameter's percent-encoding is no text.
        """
        methods = self._static.get(path)
        if methods is not None:
            return methods, NO_PARAMS
        for pattern, methods in self._templates.get(path.count("/"), ()):
            found = pattern.fullmatch(path)
            if found is not None:
                return methods, {name: _read_param(text) for name, text in found.groupdict().items()}
        return None


def _read_param(text: str) -> str:
    try:
        param = unquote(text, errors="strict")
    except UnicodeDecodeError as error:
        raise BadRequest(400, Reason.BAD_REQUEST, text="only UTF-8 is understood") from error
    if "\0" in param:
        raise BadRequest(400, Reason.BAD_REQUEST, text="NUL is not accepted")
    return param
