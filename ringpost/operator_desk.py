"""What commands that change accounts and keys work with: the vault, who acts, and whether it is in force.

Owns the opening of a vault from the environment, and the exit code for what is saved but not yet in force.
Must never print a secret.
"""

import getpass
import os
from collections.abc import Mapping

from msgspec import Struct

from deploy.local.cluster_file import KEY_ENCRYPTION_KEY, PEPPER
from ringpost.operator_settings import required
from ringpost.stores_of import open_redis
from shared.errors import OperatorError, Unavailable
from shared.stores import hot_sync
from shared.stores.hot_company import Cold
from shared.stores.keys import Vault
from shared.stores.postgres import Postgres
from shared.stores.sealing import read_sealer

HASH_ONLY = "RINGPOST_KEYS_HASH_ONLY"
NOT_IN_FORCE = 3
_WORDS = {
    "": False,
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}


class Force(Struct, frozen=True, kw_only=True):
    """Whether what was saved is in force for every request that starts now; note says what to expect."""

    now: bool = True
    note: str = ""

    @property
    def exit_code(self) -> int:
        """0, or 3: saved, in force later."""
        return 0 if self.now else NOT_IN_FORCE


def open_vault(environ: Mapping[str, str]) -> Vault:
    """Errors: OperatorError when a secret is missing or too short, or hash-only is neither true nor false."""
    hash_only = _WORDS.get(environ.get(HASH_ONLY, "").lower())
    if hash_only is None:
        raise OperatorError(f"{HASH_ONLY} must be true or false")
    return Vault(
        pepper=required(environ, PEPPER).encode(),
        sealer=None if hash_only else read_sealer(required(environ, KEY_ENCRYPTION_KEY)),
    )


def operator() -> str:
    """Who acts, as the audit log names them."""
    try:
        return f"operator:{getpass.getuser()}"
    except (KeyError, OSError):
        return f"operator:{os.getuid()}"


async def put_in_force(environ: Mapping[str, str], postgres: Postgres, *, company_id: int) -> Force:
    """Bring the hot copies of a company up to date, and say when they are not.

    Shape: a cold shard serves nothing before its rebuild has read what was saved, so there it is in force
    already.
    """
    try:
        async with open_redis(environ) as redis:
            await hot_sync.apply(postgres, redis, company_id=company_id)
    except Cold:
        return Force(note="saved; the services rebuild this company's hot copies before they serve it")
    except (Unavailable, OperatorError) as error:
        why = "" if isinstance(error, Unavailable) else f" ({error.text})"
        note = f"saved, but NOT YET in force: Redis cannot be reached{why}; the worker makes it so when Redis is back"
        return Force(now=False, note=note)
    return Force()
