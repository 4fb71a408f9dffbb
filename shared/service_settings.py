"""The settings that every service has, and those that every service with postback keys has.

Owns the Structs to inherit from. Must never hold a setting that only one service reads.
"""

from typing import Annotated, Literal

from msgspec import Struct

from shared.settings import Network, Secret, Setting

# For the Structs that need them: they mean the same in each.
Pepper = Annotated[
    Secret,
    Setting(
        what="the secret under which tokens are hashed for their look-up; calls' keys and webhook secrets follow from it",
        why="a stolen table of keys is worth nothing without it; the same for every service",
    ),
]
AllowedNetworks = Annotated[
    tuple[Network, ...],
    Setting(
        what="networks that webhooks, switch commands and pings to buyers may be sent to although they are not public",
        why="anything else inside is refused, or an account could make us ask our own machines; for local receivers",
    ),
]


class ServiceSettings(Struct, frozen=True, kw_only=True):
    """Stores, limits, logs and metrics; a service's own Struct inherits it and sets its two ports."""

    postgres_dsn: Annotated[
        Secret,
        Setting(
            what="where Postgres is: postgresql://user:password@host:port/database",
            why="the truth of every entity, call and cap lives there",
        ),
    ]
    redis_url: Annotated[
        Secret,
        Setting(
            what="where Redis or Valkey is: redis[s]://user:password@host:port/0",
            why="reservations, holds and the ping shield live there",
        ),
    ]
    postgres_pooler: Annotated[
        bool,
        Setting(
            what="the DSN leads to pgbouncer in transaction mode",
            why="switches off the statement cache, which such a pooler breaks",
        ),
    ] = False
    postgres_connections: Annotated[
        int,
        Setting(what="most Postgres connections per worker process", unit="connections", least=1, most=100),
    ] = 4
    postgres_deadline_s: Annotated[
        float,
        Setting(
            what="longest time for one statement",
            why="a request must be refused while its client still waits; batches of the worker take longer",
            unit="s",
            least=0.05,
            most=600,
        ),
    ] = 0.8
    redis_checks: Annotated[
        bool,
        Setting(
            what="refuse to start on a Redis that may evict keys or that keeps no append-only file",
            why="either would lose holds and the undrained ping log; off where its set-up cannot be read",
        ),
    ] = True
    listen_host: Annotated[
        str,
        Setting(
            what="address that both listeners bind to",
            why="loopback unless somebody decides otherwise; images set 0.0.0.0",
        ),
    ] = "127.0.0.1"
    port: Annotated[
        int,
        Setting(
            what="public port",
            why="only used when no supervisor hands over a socket; 0 takes a free one",
            least=0,
            most=65535,
        ),
    ] = 0
    ops_port: Annotated[
        int,
        Setting(
            what="port of /livez /readyz /metrics /buildinfo",
            why="kept apart, so that it is never reachable from outside",
            least=0,
            most=65535,
        ),
    ] = 0
    trusted_proxies: Annotated[
        tuple[Network, ...],
        Setting(
            what="networks whose X-Forwarded-For and X-Forwarded-Proto are believed",
            why="anybody else's are ignored, or a client could choose its own address",
        ),
    ] = ()
    require_https: Annotated[
        bool,
        Setting(
            what="refuse what a trusted proxy did not receive over https, and send HSTS",
            why="keys travel in URLs; off for local runs",
        ),
    ] = False
    in_flight_limit: Annotated[
        int,
        Setting(
            what="requests in work at once per worker; above it 503 with Retry-After",
            why="an early no is cheaper than a late answer; the ops port is not counted",
            unit="requests",
            least=1,
            most=100_000,
        ),
    ] = 1024
    body_limit_bytes: Annotated[
        int,
        Setting(what="largest request body, uploads apart", unit="bytes", least=1024, most=16 * 1024 * 1024),
    ] = 65536
    query_limit_bytes: Annotated[
        int,
        Setting(what="longest query", unit="bytes", least=1024, most=65536),
    ] = 8192
    header_deadline_s: Annotated[
        float,
        Setting(
            what="time from the first byte of a request to the end of its headers",
            why="a client that drips bytes must not hold a connection for good",
            unit="s",
            least=0.05,
            most=60,
        ),
    ] = 5.0
    body_deadline_s: Annotated[
        float,
        Setting(what="time to send the body", why="as for the headers", unit="s", least=0.05, most=60),
    ] = 5.0
    keep_alive_s: Annotated[
        float,
        Setting(
            what="how long an idle connection is kept",
            why="longer than the balancer's own, so that the balancer is the one who closes",
            unit="s",
            least=0.1,
            most=7200,
        ),
    ] = 620.0
    drain_notice_s: Annotated[
        float,
        Setting(
            what="time between a failing /readyz and the closed listener at the stop",
            why="a balancer must see the one before it meets the other",
            unit="s",
            least=0,
            most=120,
        ),
    ] = 0.0
    drain_s: Annotated[
        float,
        Setting(what="time that requests in work get at the stop", unit="s", least=0.1, most=120),
    ] = 10.0
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Setting(what="least level that is written; request lines are info"),
    ] = "info"
    log_format: Annotated[
        Literal["json", "text"],
        Setting(what="json for machines, text for people", why="`make run` sets text"),
    ] = "json"
    metrics_dir: Annotated[
        str,
        Setting(
            what="folder in which the workers of one service share their metrics",
            why="needed with several workers; it keeps the counts of a dead one. Empty: this process only",
        ),
    ] = ""


class KeyedSettings(ServiceSettings, frozen=True, kw_only=True):
    """What a service that takes postback keys has besides."""

    pepper: Pepper
    keys_in_memory: Annotated[
        int,
        Setting(
            what="postback keys kept in memory per worker process", unit="keys", least=100, most=10_000_000
        ),
    ] = 100_000
    plans_in_memory: Annotated[
        int,
        Setting(
            what="campaign plans kept in memory per worker process", unit="plans", least=10, most=1_000_000
        ),
    ] = 10_000
