"""The demo account that a new local cluster starts with, and its tokens for the lines that `up` prints.

Owns when it is loaded. Must never change an account that is there already, nor reveal a key of another one.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile

from deploy.local.cluster_file import KEY_ENCRYPTION_KEY, PEPPER, POSTGRES_DSN
from deploy.local.demo import has_companies
from deploy.local.demo_receiver import COMMANDS, PORT
from deploy.local.paths import DEMO_ACCOUNT
from ringpost.operator_settings import required
from ringpost.stores_of import open_postgres
from shared.stores.keys import Vault, load_keys, reveal
from shared.stores.sealing import read_sealer

_COMPANY = "Demo Media"
_ACTOR = "ringpost up"


def load_demo(environment: Mapping[str, str], say: Callable[[str], None], *, receiver_port: int) -> None:
    """Load the demo account into a database without any company, with a switch for `ringpost simulate`.

    Shape: its webhooks and its switch's commands go to the receiver's port, wherever that is here.
    """
    if asyncio.run(has_companies(required(environment, POSTGRES_DSN))):
        return
    from ringpost.commands.apply import apply_file  # noqa: PLC0415 - only a first start pays for it
    from ringpost.commands.switches import WantedSwitch, make_switch  # noqa: PLC0415 - the same

    say("loading the demo account")
    text = DEMO_ACCOUNT.read_text(encoding="utf-8").replace(f":{PORT}/", f":{receiver_port}/")
    with NamedTemporaryFile("w", suffix=DEMO_ACCOUNT.suffix, encoding="utf-8") as file:
        file.write(text)
        file.flush()
        apply_file(Path(file.name), environment)
    commands = f"http://127.0.0.1:{receiver_port}{COMMANDS}"
    make_switch(environment, WantedSwitch(company=_COMPANY, command_url=commands), actor=_ACTOR)


def demo_tokens(environment: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    """The tokens of the demo's keys by name; those that are not there, or not to be shown, are left out."""
    if environment.get("RINGPOST_KEYS_HASH_ONLY", "").lower() in {"true", "1", "yes", "on"}:
        return {}
    return asyncio.run(_revealed(environment, names))


async def _revealed(environment: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    sealer = read_sealer(required(environment, KEY_ENCRYPTION_KEY))
    vault = Vault(pepper=required(environment, PEPPER).encode(), sealer=sealer)
    async with open_postgres(environment) as postgres, postgres.transaction() as connection:
        return {
            key.name: (await reveal(connection, vault, key=key, actor=_ACTOR)).token.reveal()
            for key in await load_keys(connection, company=_COMPANY)
            if key.name in names and key.shown
        }
