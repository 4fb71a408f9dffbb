"""Drill: a token and a number, sent in every way that comes to mind, are found in no log line, metric or error body."""

import asyncio
import http.client
import re
from collections.abc import Sequence
from pathlib import Path
from secrets import randbelow

import asyncpg
import pytest
from redis import Redis

from deploy.local.paths import MIGRATIONS
from shared.clock import Clock
from shared.domain import uuid7
from shared.domain.keys import Kind, make_token
from shared.stores import redis_keys
from shared.stores.migrations import migrate
from tests.support.account_stage import Stage, a_drill_account
from tests.support.engines import Engine, run_apart
from tests.support.partners import Said, send
from tests.support.processes import ServiceProcess
from tests.support.streams import event, reserved
from tests.support.waiting import eventually

DIGITS = "2125550187"
WRITTEN = re.compile(r"212\D{0,3}555\D{0,3}0187")
FAULTY = "Faulty settings"


class Canary:
    """What must not sing. Shape: tokens that are a key's and nobody's."""

    def __init__(self, stage: Stage) -> None:
        self.known = stage.tokens["Pings"]
        self.unknown = make_token(Kind.RTB, randbelow)
        self.nobodys = make_token(Kind.RTB, randbelow)  # asked for only while Postgres is away
        tokens = (self.known, self.unknown, self.nobodys, stage.tokens[FAULTY])
        self._secrets = [token[8:-8] for token in tokens]

    def sings_in(self, text: str) -> list[str]:
        """Where in a text a token's middle or the number stands, with what is around it."""
        places = [text.find(secret) for secret in self._secrets]
        places += [found.start() for found in WRITTEN.finditer(text)]
        return [text[max(0, place - 100) : place + 60] for place in places if place >= 0]


def pings(token: str) -> list[bytes]:
    """Good ones and refused ones, the token and the number wherever a partner may put them."""
    both = f"key={token}&caller_number=%2B1{DIGITS}"
    as_json = f'{{"key": "{token}", "caller_number": "+1{DIGITS}"}}'
    form, json = "application/x-www-form-urlencoded", "application/json"
    targets = [
        *(
            f"/rtbs.json?{both}",
            f"/rtbs.xml?{both}",
            f"/rtbs?{both}&caller_number=(212) 555-0187".replace(" ", "%20"),
        ),
        *(
            f"/rtbs.json?{both}x",
            f"/rtbs.json?{both}&inbound_number={DIGITS}",
            f"/rtbs.json?{both}&campaign_id={token}",
        ),
        *(
            f"/rtbs.json?{both}&key={token}x",
            f"/rtbs.json?{both}&{token}={DIGITS}",
            f"/rtbs.json?{both}%00&a=%ff",
        ),
        *(f"/rtbs.json?{both}&long={DIGITS * 60}", f"/rtbs.json?{both}&{DIGITS * 7}=1"),
        *(f"/postbacks/{token}?{both}", f"/{token}", f"/{DIGITS}?{both}", f"/rtbs/{token}.json?{both}"),
        *(f"/rtbs/{uuid7.make(1, 1, rand=bytes(8))}.json?{both}", f"/rtbs.json?{both}&{'x' * 9000}"),
    ]
    heads = [
        *(
            f"X-Api-Key: {token}",
            f"Authorization: Bearer {token}",
            f"X-Api-Key: {token}\r\nAuthorization: Bearer x",
        ),
        *(
            f"X-Request-Id: {token}",
            f"X-Request-Id: {DIGITS}",
            f"X-Request-Id: id-1{DIGITS}",
            f"traceparent: {token}",
        ),
        *(
            f"X-Forwarded-For: {DIGITS}",
            f"User-Agent: {token}",
            f"Referer: http://x/?{both}",
            f"Cookie: {both}",
        ),
        *(f"Content-Encoding: {token}", f"Expect: {token}", f"X-Long: {token * 300}"),
        "\r\n".join(f"X-{place}: {token}" for place in range(120)),
    ]
    return [
        *(request("GET", target) for target in targets),
        *(request(method, targets[0]) for method in ("DELETE", "HEAD", "OPTIONS", "PUT")),
        *(request("GET", "/rtbs.json?" + both, head) for head in heads),
        *(request("POST", "/rtbs.json", f"Content-Type: {kind}", both) for kind in (form, json, token)),
        *(request("POST", "/rtbs.json", f"Content-Type: {kind}", as_json) for kind in (form, json)),
        request("POST", "/rtbs.json", f"Content-Type: {json}", as_json.replace("}", ",,}")),
        request("POST", "/rtbs.json", f"Content-Type: {json}", as_json * 1000),
        request("POST", "/rtbs.json", f"Content-Type: {form}", both + "\0\udcff"),
    ]


def no_http(token: str) -> list[bytes]:
    """What no parser takes."""
    both = f"key={token}&caller_number=%2B1{DIGITS}"
    texts = [
        *(
            f"{token} / HTTP/1.1\r\n\r\n",
            f"GET /?{both} HTTP/9.9\r\n\r\n",
            f"GET /?{both}\r\n\r\n",
            f"{both}\r\n\r\n",
        ),
        *(
            f"GET /?{both} HTTP/1.1\r\n{token}\r\n\r\n",
            f"GET /?{both} HTTP/1.1\r\n{token} {DIGITS}: x\r\n\r\n",
        ),
        f"GET http://{token}:{DIGITS}@x/rtbs.json?{both} HTTP/1.1\r\nHost: {token}\r\n\r\n",
        f"CONNECT {token}:{DIGITS} HTTP/1.1\r\nHost: x\r\n\r\n",
        f"POST /rtbs.json?{both} HTTP/1.1\r\nHost: x\r\nContent-Length: -{DIGITS}\r\n\r\n",
        f"POST /rtbs.json?{both} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: {token}\r\n\r\n",
        f"POST /rtbs.json?{both} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{token}\r\n{both}",
    ]
    return [text.encode() for text in texts]


def request(method: str, target: str, head: str = "X: y", body: str = "") -> bytes:
    data = body.encode(errors="surrogateescape")
    text = f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(data)}\r\n{head}\r\n\r\n"
    return text.encode() + data


def metrics_of(service: ServiceProcess) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", service.ops_port, timeout=5)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


async def break_what_is_stored(stage: Stage) -> None:
    """Redis holds a caller and events that no script and no drain can read, Postgres a key of that kind."""
    connection = await asyncpg.connect(stage.dsn)
    company, shard = (await connection.fetch("SELECT id, shard FROM companies"))[0]
    settings = f'{{"ttl_seconds": "{DIGITS}", "publisher_id": "{stage.tokens["Pings"]}"}}'
    await connection.execute(BREAK_KEY, FAULTY, settings)
    await connection.close()
    with Redis.from_url(stage.redis_url) as redis:
        redis.set(redis_keys.caller(shard, company, e164=f"+1{DIGITS}"), stage.tokens["Pings"])
        ping = event(
            Clock().now_ms(), shard, caller=f"+1{DIGITS}", company_id=company, tags={"zip": f"\0{DIGITS}"}
        )
        fields = reserved(ping, expires_ms=1)
        redis.xadd(redis_keys.events(shard), dict(zip(fields[::2], fields[1::2], strict=True)))
        redis.xadd(redis_keys.events(shard), {"e": f'{{"caller": "{DIGITS}"', "r": stage.tokens["Pings"]})


BREAK_KEY = "UPDATE postback_keys SET settings = $2::text::jsonb WHERE name = $1"


async def all_that_is_said(stage: Stage, canary: Canary, engines: Sequence[Engine]) -> list[Said]:
    """Answers of every kind; at the end what is stored is broken, and each store has been away."""
    rtb, worker = stage.services["rtb"], stage.services["worker"]
    requests = [each for token in (canary.known, canary.unknown) for each in pings(token) + no_http(token)]
    said = [await send(rtb, each) for each in requests]
    assert {200, 400, 401, 404, 405, 413, 414, 422} <= {each.status for each in said}
    assert [each for each in said if each.status >= 500] == []
    for engine, token in zip(engines, (canary.known, canary.nobodys), strict=True):
        await asyncio.to_thread(engine.pause)
        said.append(await send(rtb, request("GET", f"/rtbs.json?key={token}&caller_number={DIGITS}")))
        assert said[-1].is_away, said[-1]
        await asyncio.to_thread(engine.resume)
    await until_warm(stage)
    await break_what_is_stored(stage)
    for key in ("Pings", FAULTY):
        said.append(await send(rtb, request("GET", stage.ping(DIGITS, key))))
        assert said[-1].status == 500, said[-1]

    async def are_passed_over() -> bool:
        return worker.log.read_text().count("event_passed_over") == 2

    await eventually(are_passed_over, what="the worker has met the unreadable events")
    return said


async def until_warm(stage: Stage) -> None:
    async def answers() -> bool:
        return (await send(stage.services["rtb"], request("GET", stage.ping(DIGITS)))).status == 200

    await eventually(answers, what="the stores are used again")


@pytest.mark.parametrize("log_format", ["json", "text"])
async def test_no_canary_sings(
    own_postgres: Engine, own_redis: Engine, tmp_path: Path, log_format: str
) -> None:
    run_apart(migrate(own_postgres.url, MIGRATIONS))
    with Stage(own_postgres.url, own_redis.url, tmp_path) as stage:
        worker = stage.worker()
        stage.apply(a_drill_account(keys=("Pings", FAULTY)))
        (rtb,) = stage.rtb(RINGPOST_LOG_LEVEL="debug", RINGPOST_LOG_FORMAT=log_format)
        canary = Canary(stage)
        assert len(canary.sings_in(stage.ping(DIGITS))) == 2
        said = await all_that_is_said(stage, canary, [own_redis, own_postgres])
        texts = {f"metrics of {service.name}": metrics_of(service) for service in (rtb, worker)}
        assert (rtb.stop(), worker.stop()) == (0, 0)
        texts |= {f"log of {service.name}": service.log.read_text() for service in (rtb, worker)}
    assert "fault" in texts["log of rtb"]
    texts |= {f"answer {place}": f"{each.headers} {each.body!r}" for place, each in enumerate(said)}
    assert {name: song for name, text in texts.items() if (song := canary.sings_in(text))} == {}
