"""Account files for tests: small trees, as YAML would give them, and ways to change one thing in them.

Owns the trees. Must never be read by anything but tests.
"""

import copy
from itertools import pairwise
from typing import Any

from shared.domain.account.entities import Account
from shared.domain.account.fields import Problem
from shared.domain.account.reading import read_account
from shared.domain.account.references import check_references
from shared.domain.account.standing import NOTHING, Standing

Tree = dict[str, Any]

SMALL: Tree = {
    "company": {"name": "Acme"},
    "publishers": [{"afid": "pub_a"}, {"afid": "pub_b"}],
    "buyers": [
        {"tid": "alpha", "number": "+18005550111", "bid": {"revenue": 25}},
        {"tid": "beta", "number": "+18005550122"},
    ],
    "buyer_groups": [{"name": "East", "buyers": ["alpha", "beta"]}],
    "campaigns": [
        {
            "cid": "auto",
            "name": "Auto",
            "routing": {"buyers": [{"tid": "alpha"}], "groups": ["East"]},
            "numbers": [{"number": "+18445550100", "rtb_pool": True}],
            "conversion_criteria": [{"name": "sale", "kind": "postback"}],
            "webhooks": [{"name": "hook", "trigger": "end", "url": "https://example.test/h"}],
            "caller_lists": [{"name": "suppressed_dnc", "numbers": ["+12125550199"]}],
        },
        {"cid": "home", "name": "Home"},
    ],
    "directories": [{"name": "Desk", "entries": [{"name": "one", "number": "+18005550133"}]}],
    "postback_keys": [{"name": "ping", "kind": "rtb", "on": {"campaign": "auto"}, "publisher": "pub_a"}],
}


def a_tree(**parts: Any) -> Tree:
    """The small account, with whole parts replaced."""
    return {**copy.deepcopy(SMALL), **parts}


def changed(path: str, value: Any, tree: Tree | None = None) -> Tree:
    """The small account with one thing put at a path such as `buyers[0].caps.daily`."""
    whole = copy.deepcopy(SMALL if tree is None else tree)
    steps: list[str | int] = []
    for part in path.split("."):
        name, *places = part.replace("]", "").split("[")
        steps += [name, *map(int, places)]
    inner: Any = whole
    for step, following in pairwise(steps):
        if isinstance(inner, dict) and step not in inner:
            inner[step] = [] if isinstance(following, int) else {}
        inner = inner[step]
    if isinstance(inner, list) and steps[-1] == len(inner):
        inner.append(value)
    else:
        inner[steps[-1]] = value
    return whole


def judged(tree: object, standing: Standing = NOTHING) -> tuple[Account, list[Problem]]:
    """The account of a tree, and all its problems."""
    account, problems = read_account(tree)
    return account, sorted({*problems, *check_references(account, standing)})


def problems_of(tree: object, standing: Standing = NOTHING) -> dict[str, str]:
    """The problems of a tree by path."""
    return {problem.path: problem.text for problem in judged(tree, standing)[1]}
