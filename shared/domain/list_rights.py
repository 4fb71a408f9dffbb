"""Whether a key may do what it asks of caller lists.

Owns the order of the refusals: secret, entity, permission. Must never see a key's token.
"""

import hmac

from msgspec import Struct

from shared.domain.key_settings import CallerListManagementSettings
from shared.domain.keys import Key, Level
from shared.domain.reasons import Reason
from shared.domain.tokens import digest


class Bearer(Struct, frozen=True, kw_only=True):
    """Who asks about which entity's lists. Shape: secret "" = none was sent; entity is an id, ours or the customer's."""

    token: str
    secret: str
    level: Level
    entity: str


def fault_of_access(
    key: Key, *, level: Level, entity_id: int, permission: str, secret_fits: bool
) -> Reason | None:
    """Why a key may not do this to an entity's lists; None = it may. Shape: entity_id 0 = none of its company."""
    settings = key.settings
    assert isinstance(settings, CallerListManagementSettings)
    if not secret_fits:
        return Reason.SECRET
    if not entity_id or (key.level is not Level.COMPANY and (key.level, key.entity_id) != (level, entity_id)):
        return Reason.SCOPE
    return None if permission in settings.permissions else Reason.PERMISSION


def secret_fits(key: Key, sent: str, *, stored: bytes | None, pepper: bytes) -> bool:
    """Whether the secret that was sent is the key's; without one, whether the key does without."""
    settings = key.settings
    assert isinstance(settings, CallerListManagementSettings)
    if not sent:
        return not settings.require_secret
    return stored is not None and hmac.compare_digest(digest(pepper, sent), stored)
