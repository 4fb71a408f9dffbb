"""The desk that every request of the data service passes.

Owns what a try is given. Must never ask Redis: this service goes on without it.
"""

from msgspec import Struct

from services.data.rules.nouns import Refused
from shared.domain.calls import Call
from shared.domain.keys import Kind
from shared.stores.call_access import Access
from shared.stores.key_desk import Holder, KeyDesk
from shared.stores.keyring import Again, Denied


class Try(Struct, frozen=True, kw_only=True):
    """One try of a request. Shape: client is from whom it came; access is its own once it has its turn."""

    client: str
    access: Access


class Overtaken(Again, frozen=True, kw_only=True):
    """Somebody else changed the call meanwhile."""

    call: Call


class Desk(KeyDesk):
    """Admits requests. Errors: Unavailable when the key, a plan or the version cannot be read."""

    async def admit(self, token: str, kind: Kind, *, client: str) -> Holder | Refused | Again:
        """A key that may do this kind of thing. Cost: nothing when hot; a version read before a refusal."""
        holder = await self.holder(token, kind, client=client)
        return Refused(reason=holder.reason, key_id=holder.key_id) if isinstance(holder, Denied) else holder
