"""Where engines are found, as whom they run, and that they keep their data."""

import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from deploy.local.cluster_file import POSTGRES_DSN, REDIS_URL, new_cluster
from deploy.local.engines import Engines
from deploy.local.identity import Identity, engine_identity
from deploy.local.installs import POSTGRES_AT_LEAST, REDIS_AT_LEAST, Install, find_postgres, find_redis
from deploy.local.place import Place, engine_folder, place_engine
from deploy.local.ports import free_port, is_free
from deploy.local.postgres_engine import PostgresEngine
from shared.errors import OperatorError
from tests.support.engines import Engine, throw_away_folder

_STRANGER = Identity(user=54_321, group=54_321)


@pytest.fixture
def home() -> Iterator[Path]:
    with throw_away_folder() as folder:
        yield folder


def _redis(url: str, *commands: str) -> bytes:
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=5) as line:
        line.sendall("\r\n".join((f"AUTH {address.password}", *commands, "QUIT", "")).encode())
        return b"".join(iter(lambda: line.recv(4096), b""))


def test_engines_are_found_and_new_enough() -> None:
    assert find_postgres().version >= POSTGRES_AT_LEAST
    assert find_redis().version >= REDIS_AT_LEAST
    assert find_postgres().beside("initdb").exists()


def test_the_embedded_ones_can_be_asked_for() -> None:
    assert find_postgres("embedded").embedded
    assert find_redis("embedded").embedded
    with pytest.raises(OperatorError, match="either system or embedded"):
        find_postgres("both")


def test_a_free_port_is_free_and_a_preferred_one_is_kept() -> None:
    port = free_port()
    assert is_free(port)
    assert free_port(port) == port
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)
        assert free_port(port) != port


def test_a_stranger_cannot_enter_a_private_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert not _STRANGER.may_enter(tmp_path)
    assert Identity().may_enter(tmp_path)
    assert _STRANGER.may_enter(Path("/"))


def test_a_file_of_its_own_is_private(tmp_path: Path) -> None:
    engine_identity().own(tmp_path / "folder")
    engine_identity().own_file(tmp_path / "folder" / "secret", "text")
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "folder" / "secret").stat().st_mode) == 0o600


def test_a_home_that_the_engines_cannot_reach_gets_its_data_elsewhere(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    folder = engine_folder(private, _STRANGER, otherwise=tmp_path / "elsewhere")
    assert folder.parent == tmp_path / "elsewhere"
    assert (private / "engines" / "elsewhere").resolve() == folder
    assert engine_folder(private, _STRANGER, otherwise=tmp_path / "elsewhere") == folder
    assert engine_folder(private, Identity()) == private / "engines"


def test_an_installation_that_cannot_be_reached_is_copied_once(tmp_path: Path) -> None:
    tree = tmp_path / "private" / "some_engine"
    (tree / "bin").mkdir(parents=True)
    (tree / "bin" / "server").write_text("a binary")
    (tree.parent / "some_engine.libs").mkdir()
    tree.parent.chmod(0o700)
    install = Install(server=tree / "bin" / "server", version=9, tree=tree, embedded=True)
    place = place_engine(install, tmp_path / "engines" / "some", identity=_STRANGER)
    copied = tmp_path / "engines" / "some_engine-9"
    assert place.install.server == copied / "some_engine" / "bin" / "server"
    assert place.install.server.read_text() == "a binary"
    assert str(copied / "some_engine.libs") in place.install.libraries
    assert place_engine(install, tmp_path / "engines" / "some", identity=_STRANGER) == place
    assert place_engine(install, tmp_path / "engines" / "some", identity=Identity()).install == install


def test_data_of_another_postgres_is_refused(home: Path) -> None:
    (home / "postgres" / "data").mkdir(parents=True)
    (home / "postgres" / "data" / "PG_VERSION").write_text("9\n")
    place = Place(install=find_postgres(), folder=home / "postgres", identity=engine_identity())
    with pytest.raises(OperatorError, match="is of Postgres 9; found is"):
        PostgresEngine(place, port=free_port(), password="x").start()


async def test_postgres_keeps_its_data_over_a_crash(own_postgres: Engine) -> None:
    connection = await asyncpg.connect(own_postgres.url)
    await connection.execute("CREATE TABLE kept (id int)")
    await connection.close()
    own_postgres.kill9()
    own_postgres.start()
    connection = await asyncpg.connect(own_postgres.url)
    assert await connection.fetchval("SELECT count(*) FROM kept") == 0
    await connection.close()


def test_redis_keeps_its_data_over_a_restart_and_wants_its_password(own_redis: Engine) -> None:
    assert b"+OK\r\n+OK\r\n" in _redis(own_redis.url, "SET kept 1")
    own_redis.restart()
    assert b"$1\r\n1\r\n" in _redis(own_redis.url, "GET kept")
    assert b"NOAUTH" in _redis(own_redis.url.replace("throw-away", "wrong"), "GET kept")


def test_redis_is_set_up_as_the_platform_insists(own_redis: Engine) -> None:
    answer = _redis(
        own_redis.url, "CONFIG GET appendonly", "CONFIG GET appendfsync", "CONFIG GET maxmemory-policy"
    )
    assert [word in answer for word in (b"yes", b"everysec", b"noeviction")] == [True, True, True]


def test_only_what_is_not_configured_is_started(home: Path) -> None:
    said: list[str] = []
    given = {POSTGRES_DSN: "postgresql://elsewhere/x", f"{REDIS_URL}_FILE": "/a/secret"}
    engines = Engines(home, given, say=said.append)
    cluster = engines.start(new_cluster())
    assert cluster.settings[POSTGRES_DSN] == "postgresql://elsewhere/x"
    assert REDIS_URL not in cluster.settings
    assert said == []
    engines.stop()


def test_own_engines_come_back_with_their_ports_and_after_a_death(home: Path) -> None:
    said: list[str] = []
    engines = Engines(home, {POSTGRES_DSN: "postgresql://elsewhere/x"}, say=said.append)
    cluster = engines.start(new_cluster())
    url = cluster.settings[REDIS_URL]
    assert b"+OK" in _redis(url, "SET a 1")
    _redis(url, "SHUTDOWN NOWAIT")
    engines.stop()
    engines.revive()
    assert said[-1] == "Redis has died; starting it again"
    engines.stop()
    again = Engines(home, {POSTGRES_DSN: "postgresql://elsewhere/x"}, say=said.append)
    assert again.start(cluster).settings[REDIS_URL] == url
    assert b"$1\r\n1" in _redis(url, "GET a")
    again.stop()


def test_an_engine_that_cannot_start_any_more_is_tried_ever_more_slowly(home: Path) -> None:
    said: list[str] = []
    passed_s = [0.0]
    engines = Engines(
        home, {POSTGRES_DSN: "postgresql://elsewhere/x"}, say=said.append, now_s=lambda: passed_s[0]
    )
    url = engines.start(new_cluster()).settings[REDIS_URL]
    engines.stop()
    (conf,) = home.glob("**/redis.conf")
    conf.write_text("this is no setting\n")
    said.clear()
    tries = []
    for _ in range(100):
        engines.revive()
        tries.append(len(said))
        engines.stop()
        passed_s[0] += 0.3
    assert tries[:4] == [1, 2, 2, 3]
    assert 6 <= tries[-1] <= 9, "in half a minute"
    conf.write_text(f"port {urlsplit(url).port}\ndir {conf.parent}\n")
    passed_s[0] += 60
    engines.revive()
    engines.stop()
    passed_s[0] += 0.3
    engines.revive()
    assert len(said) == tries[-1] + 2, "one that had lived comes back at once"
    engines.stop()
