"""Whether a posted value is a new revision of its call, one that stands already, or none at all.

Owns the reading of repeats. Must never settle money: shared/domain/call_books.py does.
"""

from collections.abc import Collection
from decimal import Decimal

from services.data.rules.nouns import Post
from shared.domain.call_books import Posted
from shared.domain.calls import Call
from shared.domain.plan import Plan
from shared.domain.reasons import Reason
from shared.domain.settlement import Sides, post_refusal, value_without_post


def judge_post(
    plan: Plan, call: Call, *, sides: Sides, post: Post, earlier: Collection[Decimal], now_ms: int
) -> Posted | Decimal | Reason:
    """The new revision, or the value of the one that stands, or why there is none.

    Shape: earlier are the values of all revisions so far. A repeat is a repeat however late it comes.
    Source: data.md, conversions.
    """
    value = post.value
    if value is None and plan.criteria:
        value = value_without_post(call, sides)
    if value is not None and value in earlier:
        return value
    refused = post_refusal(plan, call, sides=sides, now_ms=now_ms)
    if refused is not None:
        return refused
    if value is None:
        return Reason.VALUE_INVALID
    return Posted(value=value, posted=post.value, at_ms=now_ms)
