"""The batcher over TLS: a terminating proxy stands before a real Redis, as at most managed ones."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared.errors import OperatorError, Unavailable
from shared.stores.redis import Redis
from shared.stores.scripts import Script

ADD = Script("add", "return redis.call('INCRBY', KEYS[1], ARGV[1])")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for the loopback address, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


class Proxy:
    """Ends TLS and passes the bytes on."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: list[asyncio.StreamWriter] = []
        self._talks: set[asyncio.Task[None]] = set()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers += [writer, far_writer]
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        self._talks.discard(task)

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def close(self) -> None:
        self.cut()
        if self._talks:
            await asyncio.wait(self._talks)


@asynccontextmanager
async def _proxied(redis_url: str, certificate: Path) -> AsyncIterator[tuple[Proxy, str]]:
    """The proxy, and the URL that leads through it."""
    signed_in, _, place = redis_url.removeprefix("redis://").rpartition("@")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    proxy = Proxy(int(place.partition(":")[2].partition("/")[0]))
    server = await asyncio.start_server(proxy.talk, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    try:
        yield proxy, f"rediss://{signed_in}@127.0.0.1:{port}/0"
    finally:
        server.close()
        await proxy.close()
        await server.wait_closed()


async def test_calls_go_through_tls(fresh_redis: str, certificate: Path) -> None:
    async with _proxied(fresh_redis, certificate) as (_, url):
        redis = await Redis.open(f"{url}?ssl_ca_certs={certificate}", scripts=[ADD])
        calls = [redis.script(ADD, 0, keys=["n"], args=[1]) for _ in range(400)]
        assert sorted(await asyncio.gather(*calls)) == list(range(1, 401))
        large = "x" * 1_000_000
        assert await redis.command(0, "ECHO", large) == large.encode()
        await redis.close()


async def test_a_lost_tls_link_is_made_again(fresh_redis: str, certificate: Path) -> None:
    async with _proxied(fresh_redis, certificate) as (proxy, url):
        redis = await Redis.open(f"{url}?ssl_ca_certs={certificate}", scripts=[ADD])
        link = redis.link_for(0)
        proxy.cut()
        await link.lost.wait()
        with pytest.raises(Unavailable):
            await redis.script(ADD, 0, keys=["n"], args=[1])
        async with asyncio.timeout(10):
            await redis.until_connected()
        assert await redis.script(ADD, 0, keys=["n"], args=[1]) == 1
        await redis.close()


async def test_an_unknown_certificate_is_refused(fresh_redis: str, certificate: Path) -> None:
    async with _proxied(fresh_redis, certificate) as (_, url):
        with pytest.raises(OperatorError, match=r"does not answer: .*[Cc]ertificate"):
            await Redis.open(url)
