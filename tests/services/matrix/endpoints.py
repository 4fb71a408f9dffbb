"""The endpoints of the matrix: what each one is asked, and the keys that may ask it.

Owns the rows. Must never leave out a route: the test compares them with the services' own tables.
"""

import json
from collections.abc import Iterator

from msgspec import Struct

CALLER = "%2B12125551212"
NOBODY = "0192aaaa-aaaa-7aaa-8aaa-aaaaaaaaaaaa"
_PINGS = frozenset({"pings", "pings of a publisher"})
_WRITES = frozenset({"writes", "writes for the company"})
_POSTS = frozenset({"posts", "posts for the group"})
_OF_LISTS = {
    "campaigns": ("{campaign}", frozenset({"lists of the campaign", "lists of the company"})),
    "targets": ("{target}", frozenset({"lists of the buyer", "lists of the company"})),
    "companies": ("{company}", frozenset({"lists of the company"})),
}


class Row(Struct, frozen=True, kw_only=True):
    """One endpoint.

    Shape: path has `{key}` where the token stands in it, and `{campaign}`, `{target}`, `{company}`, `{group}` for ids of
    the home company; takes is `key` or the other name of its parameter. own: the keys that pass;
    quiet: its protocol has a word for a refusal, but tells no reason.
    """

    service: str
    method: str
    template: str
    path: str
    own: frozenset[str]
    takes: str = "key"
    body: bytes = b""
    by_call_key: bool = False
    names_an_entity: bool = False
    quiet: bool = False

    @property
    def name(self) -> str:
        """For the test's id."""
        return f"{self.service} {self.method} {self.template}"


def rows() -> Iterator[Row]:
    """Every endpoint that takes a key."""
    yield from _of_pings("rtb", "/rtbs", _PINGS)
    for service in ("rtb", "data"):
        yield from _of_pings(service, "/call_reservations", frozenset({"reserves"}))
    for ending in (".json", ".xml", ""):
        for method in ("PUT", "PATCH", "GET"):
            template, path = "/rtbs/{uuid}" + ending, f"/rtbs/{NOBODY}{ending}?status=confirmed"
            yield Row(service="rtb", method=method, template=template, path=path, own=_PINGS)
    yield from _of_data()
    yield from _of_calls()
    yield from _of_lists()


def _of_pings(service: str, template: str, own: frozenset[str]) -> Iterator[Row]:
    for ending in (".json", ".xml", ""):
        for method in ("GET", "POST"):
            path = f"{template}{ending}?caller_number={CALLER}"
            yield Row(service=service, method=method, template=template + ending, path=path, own=own)


def _of_data() -> Iterator[Row]:
    said = f"?caller_number={CALLER}&zip=10001&value=5"
    for method in ("GET", "POST"):
        for stem, own, by_call_key in (
            ("/data_writing", _WRITES, True),
            ("/data_reading", frozenset({"reads"}), False),
            ("/postbacks", _POSTS, False),
        ):
            for ending in ("", "/{key}") if stem == "/postbacks" else (".json", "", "/{key}"):
                template = stem + ending
                yield Row(
                    service="data",
                    method=method,
                    template=template,
                    path=template + said,
                    own=own,
                    by_call_key=by_call_key,
                    quiet=stem == "/postbacks",
                )


def _of_calls() -> Iterator[Row]:
    rejects, transfers = frozenset({"rejects"}), frozenset({"transfers"})
    for spelling in ("handler_groups", "buyer_groups"):
        for method, ending, own in (
            ("GET", "call_control/reject", rejects),
            ("POST", "call_control/reject", rejects),
            ("GET", "transfers/interface", transfers),
            ("POST", "transfers/interface", transfers),
        ):
            yield Row(
                service="control",
                method=method,
                template=f"/{spelling}/{{group}}/{ending}",
                path=f"/{spelling}/{{group}}/{ending}?caller_number={CALLER}&transfer_to=%2B18005550133",
                own=own,
                names_an_entity=True,
            )
    control, both = "/call_control/v1", frozenset({"transfers", "transfers elsewhere"})
    for method, template in (
        ("GET", f"{control}/active_calls.json"),
        ("POST", f"{control}/calls/{{uuid}}/transfer.json"),
        ("POST", f"{control}/transfers/{{uuid}}/conference_caller.json"),
        ("DELETE", f"{control}/transfers/{{uuid}}.json"),
    ):
        path = template.replace("{uuid}", NOBODY) + "?transfer_to=%2B18005550133"
        yield Row(
            service="control",
            method=method,
            template=template,
            path=path,
            own=both,
            takes="api_key",
        )


def _of_lists() -> Iterator[Row]:
    named = json.dumps({"caller_list": {"name": "accepted_new"}}).encode()
    upload = json.dumps({"caller_list_upload": {"numbers": "2125551212"}}).encode()
    numbers = "/{name}/caller_list_numbers"
    for method, ending, body in (
        ("GET", ".json", b""),
        ("POST", ".json", named),
        ("GET", "/{name}.json", b""),
        ("PUT", "/{name}.json", named),
        ("DELETE", "/{name}.json", b""),
        ("GET", f"{numbers}.json", b""),
        ("POST", f"{numbers}.json", b'{"number": "2125551212"}'),
        ("GET", f"{numbers}/{{number}}.json", b""),
        ("DELETE", f"{numbers}/{{number}}.json", b""),
        ("POST", "/{name}/caller_list_checks.json", b'{"number": "2125551212"}'),
        ("POST", "/{name}/caller_list_uploads.json", upload),
        ("GET", "/{name}/caller_list_uploads/{upload}.json", b""),
    ):
        for noun, (entity, own) in _OF_LISTS.items():
            base = f"/api/v2/{noun}/{{entity}}/caller_lists"
            path = ending.format(name="suppressed_nowhere", number="%2B12125551212", upload="1")
            yield Row(
                service="control",
                method=method,
                template=base + ending,
                path=base.replace("{entity}", entity) + path,
                own=own,
                body=body,
                names_an_entity=True,
            )


ROWS = tuple(rows())
