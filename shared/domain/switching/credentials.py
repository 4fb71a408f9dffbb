"""Switch credentials: who a switch is, and the secret that it shares with us.

Owns what a credential is and how a call names it. Must never show a secret.
"""

from typing import Literal

from msgspec import Struct

from shared.domain.tokens import Hidden

SwitchKind = Literal["generic", "twilio"]


class Credential(Struct, frozen=True, kw_only=True):
    """One switch of one company.

    Shape: account_id is Twilio's AccountSid, a generic switch's name; secret is Twilio's auth token. command_url is where
    commands to live calls go: a generic switch's own address ("" = it takes none), or the API of a Twilio look-alike ("" =
    the configured one).
    """

    id: int
    company_id: int
    kind: SwitchKind
    account_id: str
    secret: Hidden
    command_url: str = ""

    @property
    def provider(self) -> str:
        """The credential as its calls name it: `generic/12`."""
        return f"{self.kind}/{self.id}"
