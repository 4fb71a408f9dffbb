"""Whether a partner wants JSON or XML.

Owns the path's ending and the `Accept` header. Must never look at a body.
"""

from shared.domain.http import HttpRequest

_XML_TYPES = frozenset({"application/xml", "text/xml"})
_JSON_TYPES = frozenset({"application/json", "text/json", "application/*", "*/*"})


def wants_xml(request: HttpRequest) -> bool:
    """Whether the answer is to be XML: the path's ending says so, else `Accept`; JSON when in doubt."""
    if request.path.endswith(".json"):
        return False
    return request.path.endswith(".xml") or _prefers_xml(request.headers.get("Accept", ""))


def _prefers_xml(accept: str) -> bool:
    if "xml" not in accept:
        return False
    weights = {True: 0.0, False: 0.0}
    for choice in accept.lower().split(","):
        kind, *options = (part.strip() for part in choice.split(";"))
        if kind in _XML_TYPES or kind in _JSON_TYPES:
            is_xml = kind in _XML_TYPES
            weights[is_xml] = max(weights[is_xml], _weight(options))
    return weights[True] > weights[False]


def _weight(options: list[str]) -> float:
    for option in options:
        if option.startswith("q="):
            try:
                return float(option[2:])
            except ValueError:
                return 0.0
    return 1.0
