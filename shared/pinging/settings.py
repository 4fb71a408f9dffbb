"""The settings that every service which answers pings has.

Owns the Struct to inherit from. Must never be read outside an app.py.
"""

from datetime import date
from typing import Annotated

from shared.service_settings import AllowedNetworks, KeyedSettings
from shared.settings import Setting


class PingSettings(KeyedSettings, frozen=True, kw_only=True):
    """What a service that answers pings has besides."""

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
    outbound_allowed_networks: AllowedNetworks = ()
    buyer_requests: Annotated[
        int,
        Setting(
            what="most requests under way to one buyer, per worker; a ping beyond them goes without that buyer",
            why="a buyer that answers slowly must not fill the worker with those who wait for it",
            unit="requests",
            least=1,
            most=10_000,
        ),
    ] = 128
    buyer_host_connections: Annotated[
        int,
        Setting(
            what="most connections to one host of buyers, per worker; a ping beyond them waits for one",
            why="buyers of one platform share its host; twice buyer_requests serves two that are slow",
            unit="connections",
            least=1,
            most=10_000,
        ),
    ] = 256
    buyer_connections: Annotated[
        int,
        Setting(
            what="most connections to buyers in all, per worker",
            why="each takes a file descriptor; the ones that nobody uses make room first",
            unit="connections",
            least=1,
            most=100_000,
        ),
    ] = 1_024
    buyer_idle_s: Annotated[
        float,
        Setting(
            what="how long a connection to a buyer is kept that nobody uses",
            why="a new one costs a ping its greeting; shorter than most servers close theirs",
            unit="s",
            least=0.1,
            most=600,
        ),
    ] = 30.0
    buyer_failures: Annotated[
        int,
        Setting(
            what="failures in a row after which a buyer is left alone",
            why="a buyer that is away costs every ping its whole time",
            unit="failures",
            least=1,
            most=10_000,
        ),
    ] = 10
    buyer_failures_pct: Annotated[
        int,
        Setting(
            what="share of the last ten seconds' requests, 20 at least, that failed, at which a buyer is left alone",
            why="one that answers now and then would never fail often in a row",
            unit="%",
            least=1,
            most=100,
        ),
    ] = 50
    buyer_pause_s: Annotated[
        float,
        Setting(
            what="how long a buyer is left alone before one ping tries it again",
            why="short, as a buyer that is back earns again",
            unit="s",
            least=0.1,
            most=3600,
        ),
    ] = 5.0
    call_reservations_deprecated_on: Annotated[
        date,
        Setting(
            what="the day named by the Deprecation header of /call_reservations",
            why="since then nobody should build on it; rtb keys and /rtbs do the same",
        ),
    ] = date(2026, 11, 1)
    call_reservations_sunset_on: Annotated[
        date,
        Setting(
            what="the day named by the Sunset header of /call_reservations",
            why="partners with imported keys must know how long they have; the endpoint itself goes on",
        ),
    ] = date(2028, 1, 1)
