"""What the audit log is told of a step, and what processes are told to load anew."""

from typing import Any

import pytest

from shared.domain.account.standing import NOTHING, Standing, key_name
from shared.domain.account.steps import Noun, Step, compare
from shared.domain.keys import Level
from shared.stores.account.deeds import deed_of
from shared.stores.account.reloads import own_changes
from shared.stores.account.saving_ids import Ids
from shared.stores.audit import Deed
from shared.stores.config import Change
from tests.support.account_trees import SMALL, Tree, changed, judged

IDS = {
    Level.PUBLISHER: {"pub_a": 11, "pub_b": 12},
    Level.BUYER: {"alpha": 21, "beta": 22},
    Level.BUYER_GROUP: {"East": 31},
    Level.CAMPAIGN: {"auto": 41, "home": 42},
}


def steps_of(tree: Tree) -> tuple[tuple[Step, ...], Ids, dict[Any, int]]:
    """The steps that make an account from nothing, with ids as they might be given."""
    account = judged(tree)[0]
    ids = Ids(1, Standing(ids=IDS, directory_ids={"Desk": 51}))
    keys = {key_name(key): 60 + place for place, key in enumerate(account.postback_keys)}
    return compare(NOTHING, account, prune=False), ids, keys


def deeds_of(tree: Tree) -> dict[tuple[str, str], Deed]:
    steps, ids, keys = steps_of(tree)
    return {(step.noun, step.name): deed_of(step, ids, key_ids=keys) for step in steps}


def test_each_entity_is_named_by_its_id() -> None:
    found = {noun: deed.entity_id for (noun, _), deed in deeds_of(SMALL).items()}
    assert found == {
        Noun.COMPANY: 1,
        Noun.PUBLISHER: 12,
        Noun.BUYER: 22,
        Noun.BUYER_GROUP: 31,
        Noun.CAMPAIGN: 42,
        Noun.NUMBER: None,
        Noun.CRITERION: None,
        Noun.WEBHOOK: None,
        Noun.DIRECTORY: 51,
        Noun.CALLER_LIST: None,
        Noun.POSTBACK_KEY: 60,
    }


def test_what_has_its_default_is_left_out() -> None:
    deed = deeds_of(SMALL)["buyer", "beta"]
    assert deed.before is None
    assert deed.after is not None
    assert deed.after["tid"] == "beta"
    assert not {"dba", "paused", "caller_lists", "bid"} & set(deed.after)


def test_what_stands_in_another_entity_says_where() -> None:
    found = deeds_of(SMALL)
    webhook, listed = found["webhook", "hook"].after, found["caller_list", "suppressed_dnc"].after
    assert webhook is not None
    assert listed is not None
    assert webhook["in"] == ["auto"]
    assert (listed["in"], listed["numbers"]) == (["campaign", "auto"], 1)


SECRETIVE = changed(
    "buyers[0].bid",
    {
        "url": "https://b.test/?key=credential",
        "headers": {"Authorization": "credential"},
        "body": "credential",
        "post": {"url": "https://b.test/credential", "headers": {"X": "credential"}},
    },
    changed(
        "campaigns[0].webhooks[0]",
        {
            "name": "hook",
            "trigger": "end",
            "url": "https://h.test/credential",
            "headers": {"X-Key": "credential"},
            "body": "credential",
        },
        changed(
            "postback_keys[0].token",
            "credential-0123456789",
            changed("company.api_key", "credential-0123456789"),
        ),
    ),
)


def test_credentials_are_masked_wherever_they_stand() -> None:
    assert judged(SECRETIVE)[1] == []
    for deed in deeds_of(SECRETIVE).values():
        assert "credential" not in repr(deed)
    key = deeds_of(SECRETIVE)["postback_key", "ping"].after
    assert key is not None
    assert key["token"] == "***"


@pytest.mark.parametrize(
    ("noun", "scopes"),
    [
        (Noun.COMPANY, {("company", 1)}),
        (Noun.PUBLISHER, {("company", 1)}),
        (Noun.BUYER, set()),
        (Noun.BUYER_GROUP, set()),
        (Noun.CAMPAIGN, {("company", 1)}),
        (Noun.NUMBER, {("company", 1)}),
        (Noun.CRITERION, {("campaign", 41)}),
        (Noun.WEBHOOK, {("campaign", 41)}),
        (Noun.DIRECTORY, {("company", 1)}),
        (Noun.CALLER_LIST, {("campaign", 41)}),
        (Noun.POSTBACK_KEY, {("key", 60)}),
    ],
)
def test_each_noun_says_what_must_be_loaded_anew(noun: Noun, scopes: set[tuple[str, int]]) -> None:
    steps, ids, keys = steps_of(SMALL)
    found = own_changes(ids, keys, steps=[step for step in steps if step.noun is noun])
    assert {(change.scope, change.entity_id) for change in found} == scopes
    assert all(isinstance(change, Change) for change in found)


def test_rules_are_stored_with_the_ids_of_what_is_only_made_now() -> None:
    _, ids, _ = steps_of(SMALL)
    rules = ids.rules(["system_buyer_id in alpha,beta", "system_campaign_id != home", "age >= 5"])
    assert rules == ["system_buyer_id in 21,22", "system_campaign_id != 42", "age >= 5"]
    with pytest.raises(KeyError):
        ids.rules(["system_buyer_id == nobody"])
