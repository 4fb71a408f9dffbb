"""Which path and verb of the caller lists leads to which endpoint, and the permission that each needs.

Owns that table. Must never admit anybody.
"""

from collections.abc import Iterator

from services.control.handlers.list_uploads import PERMISSION, Uploads
from services.control.handlers.lists import Deed, Lists
from services.control.wire.lists import LEVELS
from shared.domain.http import HttpAnswer, HttpRequest
from shared.http_routes import Endpoint, Route

_MOST_BYTES = 64 * 1024 * 1024


def list_routes(lists: Lists, uploads: Uploads) -> Iterator[Route]:
    """Source: control.md, caller lists."""
    one_upload = "/{name}/caller_list_uploads/{upload}.json"
    one, numbers = "/{name}.json", "/{name}/caller_list_numbers"
    table: tuple[tuple[str, str, str, Deed], ...] = (
        ("GET", ".json", "caller_list__index", lists.index),
        ("POST", ".json", "caller_list__create", lists.create),
        ("GET", one, "caller_list__show", lists.show),
        ("PUT", one, "caller_list__update", lists.rename),
        ("DELETE", one, "caller_list__delete", lists.delete),
        ("GET", f"{numbers}.json", "caller_list_number__show", lists.numbers),
        ("POST", f"{numbers}.json", "caller_list_number__create", lists.add),
        ("GET", f"{numbers}/{{number}}.json", "caller_list_number__show", lists.number),
        ("DELETE", f"{numbers}/{{number}}.json", "caller_list_number__delete", lists.remove),
        ("POST", "/{name}/caller_list_checks.json", "caller_list_check__create", lists.check),
        ("GET", one_upload, PERMISSION, uploads.show),
    )
    for noun in LEVELS:
        base = f"/api/v2/{noun}/{{entity}}/caller_lists"
        for method, path, permission, deed in table:
            endpoint = _endpoint(lists, permission, deed=deed)
            yield Route(methods=(method,), template=base + path, endpoint=endpoint)
        yield Route(
            methods=("POST",),
            template=f"{base}/{{name}}/caller_list_uploads.json",
            stream=uploads.take,
            body_limit_bytes=_MOST_BYTES,
        )


def _endpoint(lists: Lists, permission: str, *, deed: Deed) -> Endpoint:
    async def endpoint(request: HttpRequest) -> HttpAnswer:
        return await lists.answer(request, permission, deed=deed)

    return endpoint
