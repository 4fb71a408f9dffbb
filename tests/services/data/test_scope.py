"""Which calls the keys of the data service reach: their own, another's, another company's. Kinds: tests/services/matrix."""

from typing import Any

import pytest

from tests.services.data.bench import Bench
from tests.services.data.cases import read_account
from tests.services.rtb.bench import Loop, send
from tests.services.rtb.cases import Answer, Sent

HOME, ELSEWHERE = 401, 402  # of the companies; those below are others' own
FOREIGN: dict[str, dict[str, Any]] = {
    "writes-as-pub-b": {"kind": "call_data_writing", "on": {"publisher": "pub_b"}},
    "posts-as-gamma": {"kind": "conversion", "on": {"buyer": "gamma"}},
    "reads-as-west": {"kind": "data_sharing", "on": {"buyer_group": "West"}, "tag_keys": ["zip"]},
}
OWN = {
    "/data_writing": {"writes-as-company", "writes-as-pub-a"},
    "/data_reading": {"reads-as-east"},
    "/postbacks": {"posts-as-alpha", "posts-as-east"},
}
KEYS = sorted(set[str]().union(*OWN.values(), FOREIGN))
OUTCOMES = {200: "done", 401: "unknown", 403: "scope", 404: "not there"}


def account_of(number: int) -> dict[str, Any]:
    """`sales` with keys that are foreign to its first call."""
    account = read_account("sales", number, {})
    account["buyers"].append({"tid": "delta", "number": "+18005550144"})
    account["buyer_groups"].append({"name": "West", "buyers": ["delta"]})
    account["postback_keys"] += [
        {"name": name, "token": f"case{number:04d}-key-that-{name}", **key} for name, key in FOREIGN.items()
    ]
    return account


def token_of(name: str, number: int) -> str:
    between = "-" if name in set[str]().union(*OWN.values()) else "-key-that-"
    return f"case{number:04d}{between}{name}"


@pytest.fixture(scope="module")
def names(bench: Bench, loop: Loop) -> dict[str, str]:
    """Two calls at home, and one of another company."""
    home = loop.run(bench.open_company(account_of(HOME)))
    elsewhere = loop.run(bench.open_company(account_of(ELSEWHERE)))
    told = {"publisher": "pub_a", "buyer": "alpha", "tags": {"zip": "10001"}}
    return {
        **loop.run(bench.put(home, {"as": "own", "caller": "+12125551401", **told})),
        **loop.run(bench.put(home, {"as": "second", "caller": "+12125551402", **told})),
        **loop.run(bench.put(elsewhere, {"as": "elsewhere", "caller": "+12125551401", **told})),
    }


def ask(bench: Bench, path: str, *, key: str, call_uuid: str) -> Answer:
    target = f"{path}?key={key}&call_uuid={call_uuid}&value=5"
    return send(bench.service, Sent(method="GET", target=target, headers={}, body=b""))


def outcome(answer: Answer) -> str:
    return "not there" if "x-ringpost-match" in answer.headers else OUTCOMES[answer.status]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("path", OWN)
def test_only_the_diagonal_passes(bench: Bench, names: dict[str, str], path: str, key: str) -> None:
    foreign = {"/data_writing": "writes-", "/data_reading": "reads-", "/postbacks": "posts-"}[path]
    refused = "not there" if key.startswith(foreign) else "scope"
    wanted = "done" if key in OWN[path] else refused
    assert outcome(ask(bench, path, key=token_of(key, HOME), call_uuid=names["own"])) == wanted


@pytest.mark.parametrize("path", OWN)
def test_no_key_reaches_another_company_s_call(bench: Bench, names: dict[str, str], path: str) -> None:
    for key in OWN[path]:
        for number, call in ((HOME, "elsewhere"), (ELSEWHERE, "own")):
            assert outcome(ask(bench, path, key=token_of(key, number), call_uuid=names[call])) == "not there"


@pytest.mark.parametrize(
    ("path", "call", "wanted"),
    [
        ("/data_writing", "own", "done"),
        ("/data_writing", "second", "scope"),
        ("/data_writing", "elsewhere", "scope"),
        ("/data_reading", "own", "unknown"),
        ("/postbacks", "own", "unknown"),
    ],
)
def test_a_call_s_own_key_writes_on_that_call_alone(
    bench: Bench, names: dict[str, str], path: str, call: str, wanted: str
) -> None:
    assert outcome(ask(bench, path, key=names["own.key"], call_uuid=names[call])) == wanted
