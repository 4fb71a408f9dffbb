"""Whatever partners send, the answer is never our fault, and a refusal repeats nothing of it."""

import json

import pytest

from shared.domain.key_settings import PERMISSIONS
from tests.services.control.lists.asking import ask
from tests.services.control.lists.bench import Bench
from tests.services.rtb.bench import Loop
from tests.services.rtb.cases import Answer

NUMBER, FOREIGN = 400, 401  # of the companies; those below are the exemplary cases' own
KEY = f"case{NUMBER:04d}-lists-of-company"
LISTS = "campaigns/auto/caller_lists"
DENY = f"{LISTS}/suppressed_dnc"
MARK = "mark-of-the-tests"
ONE_EACH = {f"only-{permission}": permission for permission in PERMISSIONS}
NEEDS = {
    ("GET", f"{LISTS}.json"): "caller_list__index",
    ("POST", f"{LISTS}.json"): "caller_list__create",
    ("GET", f"{DENY}.json"): "caller_list__show",
    ("PUT", f"{DENY}.json"): "caller_list__update",
    ("DELETE", f"{LISTS}/no_list.json"): "caller_list__delete",
    ("GET", f"{DENY}/caller_list_numbers.json"): "caller_list_number__show",
    ("POST", f"{DENY}/caller_list_numbers.json"): "caller_list_number__create",
    ("GET", f"{DENY}/caller_list_numbers/2125550199.json"): "caller_list_number__show",
    ("DELETE", f"{DENY}/caller_list_numbers/2125550198.json"): "caller_list_number__delete",
    ("POST", f"{DENY}/caller_list_checks.json"): "caller_list_check__create",
    ("POST", f"{DENY}/caller_list_uploads.json"): "caller_list_upload__create",
    ("GET", f"{DENY}/caller_list_uploads/1.json"): "caller_list_upload__create",
}


@pytest.fixture(scope="module", autouse=True)
def ids(bench: Bench, loop: Loop) -> dict[str, str]:
    """The ids of the foreign company."""
    keys = {
        name: {
            "kind": "caller_list_management",
            "on": "company",
            "permissions": [permission],
            "token": f"case{NUMBER:04d}-{name}",
        }
        for name, permission in ONE_EACH.items()
    }
    loop.run(bench.open_company(NUMBER, **keys))
    return dict(loop.run(bench.open_company(FOREIGN)))


def refused(answer: Answer, status: int, reason: str) -> None:
    text = answer.body.decode()
    assert (answer.status, json.loads(text)["reason"]) == (status, reason), text
    assert list(json.loads(text)) == ["status", "error", "reason", "request_id"]
    assert MARK not in text
    assert KEY not in text


@pytest.mark.parametrize(
    "name",
    ["", " ", "a b", "a/b", "a" * 65, "liste_é", "列表", "a.b", "..", "a\n", MARK + "!", "%", "😀", "'; --"],
)
def test_a_list_has_no_such_name(bench: Bench, name: str) -> None:
    answer = ask(bench, "POST", path=f"{LISTS}.json", key=KEY, json={"caller_list": {"name": name}})
    refused(answer, 422, "list_name_invalid")
    answer = ask(bench, "PUT", path=f"{DENY}.json", key=KEY, json={"caller_list": {"name": name}})
    refused(answer, 422, "list_name_invalid")


@pytest.mark.parametrize("name", ["a%2Fb", "a" * 65, "%C3%A9", "a%20b", "a.b"])
def test_a_path_names_no_such_list(bench: Bench, name: str) -> None:
    refused(ask(bench, "GET", path=f"{LISTS}/{name}.json", key=KEY), 422, "list_name_invalid")
    answer = ask(
        bench,
        "POST",
        path=f"{LISTS}/{name}/caller_list_numbers.json",
        key=KEY,
        query={"number": "2125551001"},
    )
    refused(answer, 422, "list_name_invalid")


@pytest.mark.parametrize(
    "number",
    [
        *(MARK, "212555100", "21255510011", "0125551001", "2115551001", "+1", "+", "++12125551001"),
        *("442079460003", "22125551001", "٢١٢٥٥٥١٠٠١", "2125551001x5", "9" * 500, "+999999999999"),
        *("2125551001,2125551002", "2125551001\n2125551002", "sip:me@example.com", "-2125551001e3"),
    ],
)
def test_it_is_no_number(bench: Bench, number: str) -> None:
    for path in (f"{DENY}/caller_list_numbers.json", f"{DENY}/caller_list_checks.json"):
        answer = ask(bench, "POST", path=path, key=KEY, json={"number": number})
        refused(answer, 422, "caller_number_invalid")


@pytest.mark.parametrize("number", [{}, {"number": ""}, {"number": "[caller_number]"}, {"number": None}])
def test_a_number_is_missing(bench: Bench, number: dict[str, str]) -> None:
    answer = ask(bench, "POST", path=f"{DENY}/caller_list_numbers.json", key=KEY, json=number)
    refused(answer, 422, "caller_number_missing")


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ("{", 400, "bad_request"),
        ("[1]", 400, "bad_request"),
        ('{"caller_list_number": {"number": ["2125551001"]}}', 422, "tag_invalid"),
        ('{"caller_list_number": {"number": {"a": {}}}}', 422, "tag_invalid"),
        ('{"caller_list_number": "2125551001"}', 422, "caller_number_missing"),
        ('{"number": "212555\\u0000"}', 422, "tag_invalid"),
        ('{"a":' * 5_000, 400, "bad_request"),
    ],
)
def test_a_body_cannot_be_read(bench: Bench, body: str, status: int, reason: str) -> None:
    headers = {"Content-Type": "application/json"}
    path = f"{DENY}/caller_list_numbers.json"
    refused(ask(bench, "POST", path=path, key=KEY, body=body, headers=headers), status, reason)


@pytest.mark.parametrize(
    "entity",
    ["campaigns/nowhere", "campaigns/0", "campaigns/-1", f"campaigns/{'9' * 18}", f"campaigns/{'9' * 500}"],
)
def test_there_is_no_such_entity(bench: Bench, entity: str) -> None:
    refused(ask(bench, "GET", path=f"{entity}/caller_lists.json", key=KEY), 403, "scope")


def test_entities_of_other_companies_are_out_of_reach(bench: Bench, ids: dict[str, str]) -> None:
    entities = {"campaigns": "campaign", "targets": "target", "companies": "company"}
    for noun, name in entities.items():
        refused(ask(bench, "GET", path=f"{noun}/{ids[name]}/caller_lists.json", key=KEY), 403, "scope")
    assert ask(bench, "GET", path="publishers/1/caller_lists.json", key=KEY).status == 404


@pytest.mark.parametrize("name", ONE_EACH)
def test_each_verb_needs_its_permission(bench: Bench, name: str) -> None:
    for (method, path), permission in NEEDS.items():
        answer = ask(bench, method, path=path, key=f"case{NUMBER:04d}-{name}")
        if permission == ONE_EACH[name]:
            assert answer.status != 403, answer.body
        else:
            refused(answer, 403, "permission")


def test_an_unknown_key_learns_nothing(bench: Bench) -> None:
    refused(ask(bench, "GET", path=f"{LISTS}.json", key=MARK), 401, "key_unknown")
    refused(ask(bench, "GET", path="campaigns/nowhere/caller_lists.json", key=MARK), 401, "key_unknown")


@pytest.mark.parametrize("page", ["0", "-1", "x", "9" * 40, "1e3", "٢"])
def test_what_is_no_page_is_one_all_the_same(bench: Bench, page: str) -> None:
    assert ask(bench, "GET", path=f"{LISTS}.json", key=KEY, query={"page": page}).status == 200
