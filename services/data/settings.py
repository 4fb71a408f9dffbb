"""The data service's own settings.

Owns what only this service reads. Must never be read outside app.py.
"""

from typing import Annotated

from shared.pinging.settings import PingSettings
from shared.settings import Setting


class DataServiceSettings(PingSettings, frozen=True, kw_only=True):
    """Data writing, data reading, conversions."""

    port: Annotated[int, Setting(what="public port", why="see listen_host", least=0, most=65535)] = 8002
    ops_port: Annotated[
        int,
        Setting(what="port of health and metrics", why="never reachable from outside", least=0, most=65535),
    ] = 9002
    postgres_connections: Annotated[
        int,
        Setting(
            what="most Postgres connections per worker process",
            why="each request commits before its answer: more than elsewhere wait for the disk at once",
            unit="connections",
            least=1,
            most=100,
        ),
    ] = 8
    stored_tags_s: Annotated[
        int,
        Setting(
            what="how long tags that no call was found for wait for one",
            why="every ping of the caller sees them meanwhile",
            unit="s",
            least=60,
            most=2_592_000,
        ),
    ] = 86_400
