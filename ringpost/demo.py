"""The demo account that a new local cluster starts with.

Owns when it is loaded. Must never change an account that is there already.
"""

import asyncio
from collections.abc import Callable, Mapping

from deploy.local.cluster_file import POSTGRES_DSN
from deploy.local.demo import has_companies
from deploy.local.paths import DEMO_ACCOUNT


def load_demo(environment: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Load the demo account into a database without any company."""
    if asyncio.run(has_companies(environment[POSTGRES_DSN])):
        return
    from ringpost.commands.apply import apply_file  # noqa: PLC0415 - only a first start pays for it

    say("loading the demo account")
    apply_file(DEMO_ACCOUNT, environment)


def demo_tokens(environment: Mapping[str, str]) -> dict[str, str]:
    """The tokens of the demo's keys by name; empty when its account is not there."""
    return {}
