"""The scripts that write a company's hot copy, against a model in Python."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from shared.domain.caps import Fill, mirror_text
from shared.stores import redis_keys
from shared.stores.hot_company import SCRIPTS, Cold, HotCompany
from tests.support.account_store import AccountStore, opened

SHARD, COMPANY = 3, 67
EPOCHS = ("ours", "another", "none")

Hash = dict[str, str]


class Model:
    """What Redis should hold: hashes by name."""

    def __init__(self, epoch: str, rebuild: str) -> None:
        head = {name: value for name, value in (("epoch", epoch), ("rebuild", rebuild)) if value}
        self.hashes: dict[str, Hash] = {
            "head": head,
            "fills": {},
            "b0": {},
            "b1": {},
        }

    def turn(self, rebuild: str, turn: int) -> bool:
        """Whether the writer's turn is let in."""
        head = self.hashes["head"]
        warm = head.get("rebuild") == rebuild if rebuild else head.get("epoch") == "ours"
        if not warm or int(head.get(f"s:{COMPANY}", 0)) > turn:
            return False
        head[f"s:{COMPANY}"] = str(turn)
        return True

    def write(self, what: str, values: dict[int, int], version: int) -> None:
        head = self.hashes["head"]
        if what == "version":
            head[f"v:{COMPANY}"] = str(max(version, int(head.get(f"v:{COMPANY}", 0))))
        elif what == "generations":
            self._set("head", {f"g:{each}": str(value or "") for each, value in values.items()})
        elif what == "callers":
            for each, value in values.items():
                self._set(f"b{each % 2}", {str(each // 2): f"{value}" if value else ""})
        elif what == "fills":
            fills = self.hashes["fills"]
            for each, rev in values.items():
                if int(fills.get(f"b{each}", "0").split()[-1]) < rev:
                    fills[f"b{each}"] = mirror_text(Fill(hard_n=each, rev=rev))
        else:
            self.hashes["b0"] = self.hashes["b1"] = {}

    def _set(self, name: str, fields: Hash) -> None:
        merged = {**self.hashes[name], **fields}
        self.hashes[name] = {field: value for field, value in merged.items() if value}


KEYS = {
    "head": redis_keys.head(SHARD),
    "fills": redis_keys.fills(SHARD),
    "b0": redis_keys.bucket(SHARD, COMPANY, buckets=2, number=0),
    "b1": redis_keys.bucket(SHARD, COMPANY, buckets=2, number=1),
}
writings = st.tuples(
    st.sampled_from(["version", "generations", "callers", "fills", "clear"]),
    st.dictionaries(st.integers(0, 5), st.integers(0, 9), max_size=4),
    st.integers(1, 9),
    st.integers(1, 6),
)


@pytest.fixture
async def store(postgres_dsn: str, fresh_redis: str) -> AsyncIterator[AccountStore]:
    async with opened(postgres_dsn, fresh_redis, SCRIPTS) as each:
        yield each


async def put(store: AccountStore, model: Model) -> None:
    await store.redis.command(SHARD, "DEL", *KEYS.values())
    for name, fields in model.hashes.items():
        flat = [ours(store, part) for pair in fields.items() for part in pair]
        if flat:
            await store.redis.command(SHARD, "HSET", KEYS[name], *flat)


def ours(store: AccountStore, text: str) -> str:
    return store.redis.run_id_of(SHARD) if text == "ours" else text


async def run(hot: HotCompany, what: str, values: dict[int, int]) -> None:
    match what:
        case "version":
            await hot.set_version()
        case "generations":
            await hot.set_generations(values)
        case "callers":
            await hot.set_callers(
                {f"+{each}": f"{value}" if value else "" for each, value in values.items()}, buckets=2
            )
        case "fills":
            await hot.set_fills(
                {f"b{each}": mirror_text(Fill(hard_n=each, rev=rev)) for each, rev in values.items()}
            )
        case _:
            await hot.clear_buckets(2)


def says_nothing(what: str, values: dict[int, Any]) -> bool:
    """Whether there is nothing to send, so that not even the turn is taken."""
    return not values and what in {"generations", "callers", "fills"}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    epoch=st.sampled_from(["ours", "ours", "another", ""]),
    rebuild=st.sampled_from(["", "token"]),
    writer=st.sampled_from(["", "", "token", "old token"]),
    steps=st.lists(writings, max_size=8),
)
async def test_the_scripts_do_what_the_model_does(
    store: AccountStore,
    epoch: str,
    rebuild: str,
    writer: str,
    steps: list[tuple[str, dict[int, int], int, int]],
) -> None:
    model = Model(epoch, rebuild)
    await put(store, model)
    hot = HotCompany(
        redis=store.redis,
        company_id=COMPANY,
        shard=SHARD,
        version=0,
        list_buckets=2,
        turn=0,
        run_id=store.redis.run_id_of(SHARD),
        rebuild=writer,
    )
    for what, values, version, turn in steps:
        if says_nothing(what, values):
            continue
        let_in = model.turn(writer, turn)
        if let_in:
            model.write(what, values, version)
        try:
            await run(replace(hot, version=version, turn=turn), what, values)
        except Cold:
            assert not let_in
        else:
            assert let_in
        for name, key in KEYS.items():
            expected = {field: ours(store, value) for field, value in model.hashes[name].items()}
            assert await store.hash(SHARD, key) == expected, (what, name)
