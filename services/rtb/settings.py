"""The rtb service's own settings.

Owns what only this service reads. Must never be read outside app.py.
"""

from typing import Annotated

from shared.service_settings import ServiceSettings
from shared.settings import Secret, Setting


class RtbServiceSettings(ServiceSettings, frozen=True, kw_only=True):
    """Pings and confirms."""

    pepper: Annotated[
        Secret,
        Setting(
            what="the secret under which tokens are hashed for their look-up",
            why="a stolen table of keys is worth nothing without it; the same for every service",
        ),
    ]
    port: Annotated[int, Setting(what="public port", why="see listen_host", least=0, most=65535)] = 8001
    ops_port: Annotated[
        int,
        Setting(what="port of health and metrics", why="never reachable from outside", least=0, most=65535),
    ] = 9001
    sip_domain: Annotated[
        str,
        Setting(
            what="the SIP domain of the switch; reservations are reachable at <uuid>@<it>",
            why="empty: callers are only told apart by the number handed out",
        ),
    ] = ""
    stream_soft_length: Annotated[
        int,
        Setting(
            what="waiting events of a shard above which traces are left out",
            why="the log waits in Redis while Postgres is away; traces are its largest part",
            unit="events",
            least=1,
            most=100_000_000,
        ),
    ] = 200_000
    stream_hard_length: Annotated[
        int,
        Setting(
            what="waiting events of a shard above which pings are answered 503",
            why="a ping that cannot be logged must not be answered; bounds Redis memory",
            unit="events",
            least=1,
            most=100_000_000,
        ),
    ] = 1_000_000
    keys_in_memory: Annotated[
        int,
        Setting(what="postback keys kept in memory per worker", unit="keys", least=100, most=10_000_000),
    ] = 100_000
    plans_in_memory: Annotated[
        int,
        Setting(what="campaign plans kept in memory per worker", unit="plans", least=10, most=1_000_000),
    ] = 10_000
    postgres_connections: Annotated[
        int,
        Setting(what="most Postgres connections per worker", unit="connections", least=1, most=100),
    ] = 4
