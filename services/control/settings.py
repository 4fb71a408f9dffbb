"""The control service's own settings.

Owns what only this service reads. Must never be read outside app.py.
"""

from typing import Annotated
from urllib.parse import urlsplit

from shared.domain.web_address import is_web_address
from shared.errors import SettingsError
from shared.service_settings import AllowedNetworks, KeyedSettings
from shared.settings import Secret, Setting


class ControlServiceSettings(KeyedSettings, frozen=True, kw_only=True):
    """Live calls."""

    port: Annotated[int, Setting(what="public port", why="see listen_host", least=0, most=65535)] = 8003
    ops_port: Annotated[
        int,
        Setting(what="port of health and metrics", why="never reachable from outside", least=0, most=65535),
    ] = 9003
    switch_encryption_key: Annotated[
        Secret,
        Setting(
            what="the secret under which the secrets of switches are sealed; as for the calls service",
            why="commands to switches are signed with theirs",
        ),
    ]
    calls_url: Annotated[
        str,
        Setting(
            what="the calls service's address as Twilio calls it, without a path",
            why="a live Twilio call is told to ask there what is next",
        ),
    ] = "http://127.0.0.1:8004"
    twilio_api_url: Annotated[
        str,
        Setting(
            what="where commands to live Twilio calls go, without a path",
            why="for tests; a credential of a look-alike names its own",
        ),
    ] = "https://api.twilio.com"
    outbound_allowed_networks: AllowedNetworks = ()

    def __post_init__(self) -> None:
        """Errors: SettingsError with each value that has the right type, but not the right form."""
        problems = [
            f"RINGPOST_{name} must be an http(s) address without a path"
            for name, url in (("CALLS_URL", self.calls_url), ("TWILIO_API_URL", self.twilio_api_url))
            if not is_web_address(url) or urlsplit(url)[2:] != ("", "", "")
        ]
        if problems:
            raise SettingsError(tuple(problems))
