"""The worker's own settings.

Owns what only this service reads. Must never be read outside app.py.
"""

from typing import Annotated

from shared.service_settings import AllowedNetworks, Pepper, ServiceSettings
from shared.settings import Setting


class WorkerSettings(ServiceSettings, frozen=True, kw_only=True):
    """Background work."""

    ops_port: Annotated[
        int,
        Setting(what="port of health and metrics", why="never reachable from outside", least=0, most=65535),
    ] = 9006
    pepper: Pepper
    outbound_allowed_networks: AllowedNetworks = ()
    deliveries_at_once: Annotated[
        int,
        Setting(
            what="webhooks under way at once per worker process",
            why="each holds a connection for up to 15 s; so many receivers must hang before others wait",
            unit="requests",
            least=1,
            most=10_000,
        ),
    ] = 256
    deliveries_per_host: Annotated[
        int,
        Setting(
            what="of them to one host and port",
            why="a receiver that hangs takes no more than these",
            unit="requests",
            least=1,
            most=1_000,
        ),
    ] = 8
    drain_batch: Annotated[
        int,
        Setting(
            what="ping events stored in one transaction",
            why="more is quicker in all, but each transaction then holds its shards longer",
            unit="events",
            least=1,
            most=100_000,
        ),
    ] = 2_000
    pings_kept_days: Annotated[
        int,
        Setting(
            what="how long the ping log is kept",
            why="whole days are dropped",
            unit="days",
            least=1,
            most=3_650,
        ),
    ] = 60
    calls_kept_months: Annotated[
        int,
        Setting(
            what="how long calls, their tags, conversions and the postback log are kept",
            why="whole months are dropped",
            unit="months",
            least=1,
            most=240,
        ),
    ] = 13
    postgres_connections: Annotated[
        int,
        Setting(what="most Postgres connections", unit="connections", least=2, most=100),
    ] = 6
    postgres_deadline_s: Annotated[
        float,
        Setting(
            what="longest time for one statement",
            why="batches are larger than what a request asks for",
            unit="s",
            least=0.5,
            most=600,
        ),
    ] = 15.0
