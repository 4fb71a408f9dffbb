"""Any account: strategies for trees that are right, with few names, so that two of them differ and overlap.

Owns the strategies. Must never make a tree with a mistake in it.
"""

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from tests.support.account_trees import Tree

Draw = st.DrawFn

AFIDS = ("p1", "p2", "17")
TIDS = ("b1", "b2", "b3", "2")
GROUPS = ("East", "West")
CIDS = ("auto", "home", "boat")
NUMBERS = ("+18445550100", "+18445550101", "+18445550102", "+442079460000")
ZONES = ("America/New_York", "America/Denver", "Asia/Tokyo")
LISTS = ("suppressed", "accepted_vip", "notes")

few = st.integers(0, 3)
amounts = st.decimals(Decimal(0), Decimal(50), places=2) | st.sampled_from([Decimal("0.8125"), Decimal(7)])
caps = st.dictionaries(
    st.sampled_from(["concurrency", "hard", "hourly", "daily", "monthly"]), few, max_size=3
)


def some(names: tuple[str, ...], *, least: int = 0) -> st.SearchStrategy[list[str]]:
    """Some of these names, each once, in any order."""
    return (
        st.lists(st.sampled_from(names), unique=True, min_size=least, max_size=len(names))
        if names
        else st.just([])
    )


def maybe(draw: Draw, tree: Tree, name: str, values: st.SearchStrategy[Any]) -> None:
    """Give a field, or leave it to its default."""
    if draw(st.booleans()):
        tree[name] = draw(values)


@st.composite
def accounts(draw: Draw) -> Tree:
    """A whole account of the company Acme."""
    afids, tids = draw(some(AFIDS)), draw(some(TIDS))
    groups, cids = draw(some(GROUPS)), draw(some(CIDS))
    tree: Tree = {"company": {"name": "Acme"}}
    maybe(draw, tree["company"], "time_zone", st.sampled_from(ZONES))
    maybe(draw, tree["company"], "features", st.fixed_dictionaries({"reuse_tags": st.booleans()}))
    maybe(draw, tree["company"], "caller_lists", lists())
    named = Names(afids=afids, tids=tids, groups=groups, cids=cids)
    tree["publishers"] = [draw(publishers(afid)) for afid in afids]
    tree["buyers"] = [draw(buyers(tid, named)) for tid in tids]
    tree["buyer_groups"] = [draw(buyer_groups(name, named)) for name in groups]
    tree["campaigns"] = [draw(campaigns(cid, named)) for cid in cids]
    place_numbers(draw, tree, named)
    maybe(draw, tree, "directories", directories())
    tree["postback_keys"] = draw(keys(named, [each["name"] for each in tree.get("directories", [])]))
    return tree


class Names:
    """The names that a tree has, by what they name."""

    def __init__(self, *, afids: list[str], tids: list[str], groups: list[str], cids: list[str]) -> None:
        self.afids = tuple(afids)
        self.tids = tuple(tids)
        self.groups = tuple(groups)
        self.cids = tuple(cids)

    def rules(self) -> st.SearchStrategy[list[str]]:
        """Rules, some on the ids of what is there."""
        plain = ["caller_state in NY,NJ", "age >= 18", "zip exists", "source != lp", "name =~ ^a"]
        on_ids = [f"system_buyer_id == {tid}" for tid in self.tids]
        on_ids += [f"system_campaign_id != {cid}" for cid in self.cids]
        on_ids += [f"system_publisher_id in {','.join(self.afids)}"] if self.afids else []
        return st.lists(st.sampled_from(plain + on_ids), unique=True, max_size=3)


@st.composite
def publishers(draw: Draw, afid: str) -> Tree:
    """A publisher."""
    tree: Tree = {"afid": afid}
    maybe(draw, tree, "company_name", st.sampled_from(["A", "B"]))
    maybe(draw, tree, "paused", st.booleans())
    return tree


@st.composite
def buyers(draw: Draw, tid: str, named: Names) -> Tree:
    """A buyer with a static bid, or none."""
    tree: Tree = {"tid": tid, "number": draw(st.sampled_from(["+18005550111", "sip:a@b.test", "[number]"]))}
    maybe(draw, tree, "priority", st.integers(-2, 2))
    maybe(draw, tree, "weight", st.integers(1, 3))
    maybe(draw, tree, "time_zone", st.sampled_from(ZONES))
    maybe(draw, tree, "caps", caps)
    maybe(draw, tree, "tags", named.rules())
    maybe(draw, tree, "bid", st.fixed_dictionaries({"revenue": amounts}))
    maybe(draw, tree, "caller_lists", lists())
    hour = st.fixed_dictionaries({"day_of_week": st.integers(0, 6), "time_open": st.sampled_from([0, 730])})
    maybe(draw, tree, "business_hours", st.lists(hour, max_size=2))
    maybe(draw, tree, "paused", st.booleans())
    return tree


@st.composite
def buyer_groups(draw: Draw, name: str, named: Names) -> Tree:
    """A group of some of the buyers."""
    tree: Tree = {"name": name, "buyers": draw(some(named.tids))}
    maybe(draw, tree, "behavior", st.sampled_from(["separately", "simultaneously"]))
    maybe(draw, tree, "caps", caps)
    return tree


@st.composite
def campaigns(draw: Draw, cid: str, named: Names) -> Tree:
    """A campaign with what stands in it, but its numbers."""
    rows = [{"tid": tid} | ({"weight": 2} if draw(st.booleans()) else {}) for tid in draw(some(named.tids))]
    tree: Tree = {"cid": cid, "routing": {"buyers": rows, "groups": draw(some(named.groups))}}
    maybe(draw, tree, "tags", named.rules())
    maybe(draw, tree, "default_payout", amounts)
    maybe(draw, tree, "seconds", few)
    maybe(draw, tree, "caller_lists", lists())
    maybe(draw, tree, "paused", st.booleans())
    tree["conversion_criteria"] = [
        {
            "name": name,
            "kind": "timer",
            "tags": draw(named.rules()),
            "seconds": draw(few),
            "payout": draw(amounts),
        }
        for name in draw(some(("sale", "long")))
    ]
    tree["webhooks"] = [
        {"name": name, "trigger": draw(st.sampled_from(["end", "converted"])), "url": f"https://{name}.test"}
        for name in draw(some(("hook", "other")))
    ]
    return tree


def place_numbers(draw: Draw, tree: Tree, named: Names) -> None:
    """Numbers, each in one of the campaigns."""
    for number in draw(some(NUMBERS)) if tree["campaigns"] else []:
        one: Tree = {"number": number}
        maybe(draw, one, "rtb_pool", st.booleans())
        if named.afids:
            maybe(draw, one, "publisher", st.sampled_from(named.afids))
        draw(st.sampled_from(tree["campaigns"])).setdefault("numbers", []).append(one)


@st.composite
def lists(draw: Draw) -> list[Tree]:
    """Empty caller lists."""
    made: list[Tree] = [{"name": name} for name in draw(some(LISTS))]
    for each in made:
        maybe(draw, each, "expires_after_seconds", st.integers(1, 3))
    return made


@st.composite
def directories(draw: Draw) -> list[Tree]:
    """Directories with an entry or none."""
    entries = [{"name": "one", "number": draw(st.sampled_from(["+18005550133", "sip:c@d.test"]))}]
    return [
        {"name": name, "entries": entries if draw(st.booleans()) else []}
        for name in draw(some(("Desk", "Shop")))
    ]


@st.composite
def keys(draw: Draw, named: Names, desks: list[str]) -> list[Tree]:
    """Keys of several kinds on what is there."""
    made: list[Tree] = [{"name": "w", "kind": "call_data_writing", "on": "company"}]
    for cid in named.cids:
        key: Tree = {"name": "ping", "kind": "rtb", "on": {"campaign": cid}}
        maybe(draw, key, "ttl_seconds", st.integers(10, 12))
        if named.afids:
            maybe(draw, key, "publisher", st.sampled_from(named.afids))
        made.append(key)
    made += [{"name": "conv", "kind": "conversion", "on": {"buyer": tid}} for tid in named.tids]
    for name in named.groups:
        hand_over: Tree = {"name": "hand", "kind": "call_transfer", "on": {"buyer_group": name}}
        if desks:
            maybe(draw, hand_over, "directory", st.sampled_from(desks))
        made.append(hand_over)
    return [each for each in made if draw(st.booleans())]
