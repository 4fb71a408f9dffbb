"""The calls service's own settings.

Owns what only this service reads. Must never be read outside app.py.
"""

from typing import Annotated
from urllib.parse import urlsplit

from shared.domain.phone import read_e164
from shared.domain.web_address import is_web_address
from shared.errors import SettingsError
from shared.service_settings import AllowedNetworks, KeyedSettings
from shared.settings import Secret, Setting


class CallsServiceSettings(KeyedSettings, frozen=True, kw_only=True):
    """Calls and their switches."""

    port: Annotated[int, Setting(what="public port", why="see listen_host", least=0, most=65535)] = 8004
    ops_port: Annotated[
        int,
        Setting(what="port of health and metrics", why="never reachable from outside", least=0, most=65535),
    ] = 9004
    switch_encryption_key: Annotated[
        Secret,
        Setting(
            what="the secret under which the secrets of switches are sealed; as for the commands that make them",
            why="requests of switches are signed with theirs, so this service must be able to open them",
        ),
    ]
    public_url: Annotated[
        str,
        Setting(
            what="this service's address as Twilio calls it, without a path",
            why="Twilio signs the address that it calls, and is told where to ask next",
        ),
    ] = "http://127.0.0.1:8004"
    twilio_api_url: Annotated[
        str,
        Setting(
            what="where commands to live Twilio calls go, without a path",
            why="for tests; a credential of a look-alike names its own",
        ),
    ] = "https://api.twilio.com"
    platform_fallback_number: Annotated[
        str,
        Setting(
            what="who is dialled when Postgres is away and the number's own fallback is not known; E.164",
            why="a caller is never left in silence. Empty: the message is said",
        ),
    ] = ""
    fallback_message: Annotated[
        str, Setting(what="what a caller hears when Postgres is away and there is nobody to dial")
    ] = "We are sorry. All lines are busy. Please call again in a few minutes."
    start_webhook_wait_s: Annotated[
        float,
        Setting(
            what="how long routing waits for the replies of start webhooks, all together",
            why="their replies become tags that routing sees; 0 waits for none",
            unit="s",
            least=0,
            most=10,
        ),
    ] = 2.0
    call_idle_s: Annotated[
        int,
        Setting(
            what="time without any event after which a call is ended and its places are released",
            why="a switch that died tells no end",
            unit="s",
            least=60,
            most=172_800,
        ),
    ] = 14_400
    outbound_allowed_networks: AllowedNetworks = ()

    def __post_init__(self) -> None:
        """Errors: SettingsError with each value that has the right type, but not the right form."""
        problems = [
            f"RINGPOST_{name} must be an http(s) address without a path"
            for name, url in (("PUBLIC_URL", self.public_url), ("TWILIO_API_URL", self.twilio_api_url))
            if not is_web_address(url) or urlsplit(url)[2:] != ("", "", "")
        ]
        number = self.platform_fallback_number
        if number and (read_e164(number) != number):
            problems.append("RINGPOST_PLATFORM_FALLBACK_NUMBER must be a number in E.164")
        if problems:
            raise SettingsError(tuple(problems))
