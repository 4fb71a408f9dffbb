"""The rtb service's own settings.

Owns what only this service reads. Must never be read outside app.py.
"""

from typing import Annotated

from shared.pinging.settings import PingSettings
from shared.settings import Setting


class RtbServiceSettings(PingSettings, frozen=True, kw_only=True):
    """Pings and confirms."""

    port: Annotated[int, Setting(what="public port", why="see listen_host", least=0, most=65535)] = 8001
    ops_port: Annotated[
        int,
        Setting(what="port of health and metrics", why="never reachable from outside", least=0, most=65535),
    ] = 9001
