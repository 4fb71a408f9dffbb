"""The first connection: what is checked, and what an operator reads when it fails."""

import asyncio

import pytest

from deploy.local.ports import free_port
from shared.errors import OperatorError, Unavailable
from shared.stores.redis import Redis
from shared.stores.redis_dial import Greeting, check_greeting
from tests.support.engines import Engine
from tests.support.fake_redis import FakeRedis


async def test_nobody_there() -> None:
    port = free_port()
    with pytest.raises(OperatorError, match=f"^redis at 127.0.0.1:{port} does not answer: ") as caught:
        await Redis.open(f"redis://someone:hush-hush@127.0.0.1:{port}/0")
    assert "hush" not in caught.value.text
    assert "someone" not in caught.value.text


async def test_a_wrong_password_is_not_shown(redis_url: str) -> None:
    place = redis_url.rpartition("@")[2]
    with pytest.raises(OperatorError, match=r"does not answer: ") as caught:
        await Redis.open(f"redis://:hush-hush@{place}")
    assert "hush" not in caught.value.text


@pytest.mark.parametrize("url", ["http://h/0", "redis://u:pa/ss@h:1/0", "redis://h:port/0", "", "h:6379"])
async def test_a_url_that_cannot_be_read_is_not_shown(url: str) -> None:
    with pytest.raises(OperatorError, match="the Redis URL cannot be read") as caught:
        await Redis.open(url)
    assert "pa" not in caught.value.text


async def test_a_server_that_says_nothing() -> None:
    async with FakeRedis() as server:
        server.deaf = True
        with pytest.raises(OperatorError, match=r"does not answer: nothing for 1 s$"):
            await Redis.open(server.url)


async def test_an_unsafe_server_is_refused_with_every_problem(own_redis: Engine) -> None:
    redis = await Redis.open(own_redis.url)
    await redis.command(0, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    await redis.command(0, "CONFIG", "SET", "appendonly", "no")
    with pytest.raises(
        OperatorError, match=r"maxmemory-policy is allkeys-lru, .*; appendonly is no, must be yes"
    ):
        await Redis.open(own_redis.url)
    unchecked = await Redis.open(own_redis.url, checks=False)
    assert await unchecked.command(0, "PING") == b"PONG"
    await unchecked.close()
    await redis.close()


async def test_appendfsync_is_checked(own_redis: Engine) -> None:
    redis = await Redis.open(own_redis.url)
    await redis.command(0, "CONFIG", "SET", "appendfsync", "no")
    with pytest.raises(OperatorError, match="appendfsync is no, must be everysec"):
        await Redis.open(own_redis.url)
    await redis.close()


@pytest.mark.parametrize(
    ("version", "fine"), [("7.0.0", True), ("8.1.4", True), ("10.0", True), ("6.2.14", False), ("x", False)]
)
def test_old_servers_are_refused(version: str, fine: bool) -> None:
    greeting = Greeting(
        run_id="a", version=version, eviction="noeviction", appendonly=True, appendfsync="everysec"
    )
    if fine:
        check_greeting(greeting, "here")
        return
    with pytest.raises(OperatorError, match=f"redis at here .*: version {version} is older than 7.0"):
        check_greeting(greeting, "here")


async def test_a_user_without_config_rights_will_do(own_redis: Engine) -> None:
    admin = await Redis.open(own_redis.url)
    await admin.command(0, "ACL", "SETUSER", "rtb", "on", ">pass", "~*", "+@all", "-config")
    redis = await Redis.open(f"redis://rtb:pass@127.0.0.1:{own_redis.port}/0")
    assert await redis.command(0, "ACL", "WHOAMI") == b"rtb"
    assert await redis.command(0, "CLIENT", "GETNAME") == b"ringpost"
    await redis.close()
    await admin.close()


async def test_the_database_of_the_url_is_used(own_redis: Engine) -> None:
    third = await Redis.open(own_redis.url.replace("/0", "/3"))
    await third.command(0, "SET", "here", "3")
    first = await Redis.open(own_redis.url)
    assert await first.command(0, "EXISTS", "here") == 0
    await first.close()
    await third.close()


async def test_a_replica_is_refused() -> None:
    async with FakeRedis() as server:
        server.info["role"] = "slave"
        with pytest.raises(OperatorError, match=r"does not answer: it is a read-only replica"):
            await Redis.open(server.url)


async def test_a_closed_redis_refuses_calls(redis_url: str) -> None:
    redis = await Redis.open(redis_url)
    await redis.close()
    assert not redis.connected
    with pytest.raises(Unavailable):
        await redis.command(0, "PING")
    await redis.close()


async def test_closing_fails_what_waits() -> None:
    async with FakeRedis(answer=lambda _: None) as server:
        redis = await Redis.open(server.url)
        waiting = asyncio.ensure_future(redis.command(0, "GET", "k"))
        await server.until_seen(1)
        await redis.close()
        with pytest.raises(Unavailable):
            await waiting


async def test_closing_leaves_no_task(redis_url: str) -> None:
    before = asyncio.all_tasks()
    redis = await Redis.open(redis_url)
    assert len(asyncio.all_tasks()) == len(before) + 1
    await redis.close()
    assert asyncio.all_tasks() == before
