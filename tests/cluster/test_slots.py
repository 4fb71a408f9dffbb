"""Sockets that outlive workers, the hearing of readiness, and the lines of the welcome."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from deploy.local.catalogue import Service
from deploy.local.crews import Crews
from deploy.local.ports import free_port, is_free
from deploy.local.readiness import Readiness, answers_ready
from deploy.local.slot import Slot
from deploy.local.sockets import SlotSockets, open_slots, refuse_taken
from deploy.local.worker_process import WorkerStarter
from ringpost.welcome import DEMO_KEYS, welcome
from shared.errors import OperatorError
from shared.notify import SOCKET_VARIABLE, tell_ready

_HERE = "127.0.0.1"
_RTB = Service(name="rtb", port=8001, ops_port=9001)
_WORKER = Service(name="worker", port=0, ops_port=9006)
_DATA = Service(name="data", port=8002, ops_port=9002)
_CALLS = Service(name="calls", port=8004, ops_port=9004)


def test_each_slot_has_its_own_sockets_on_the_same_ports() -> None:
    port, ops_port = free_port(), free_port()
    slots = open_slots("x", _HERE, port=port, ops_port=ops_port, workers=3)
    assert len({descriptor for slot in slots for descriptor in slot.descriptors}) == 6
    assert {slot.public.getsockname()[1] for slot in slots if slot.public} == {port}
    assert slots[0].arguments == (
        "--fd",
        str(slots[0].descriptors[0]),
        "--ops-fd",
        str(slots[0].descriptors[1]),
    )
    assert not is_free(port)
    for slot in slots:
        slot.close()
    assert is_free(port)


def test_a_service_without_public_port_has_an_ops_socket_only() -> None:
    (slot,) = open_slots("x", _HERE, port=0, ops_port=free_port(), workers=1)
    assert slot.public is None
    assert slot.arguments == ("--ops-fd", str(slot.ops.fileno()))
    slot.close()


def test_a_port_of_others_is_refused_even_if_they_would_share_it() -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind((_HERE, 0))
        other.listen()
        taken = other.getsockname()[1]
        with pytest.raises(OperatorError, match=f"port {taken} for x is taken"):
            refuse_taken("x", _HERE, ports=(0, taken))
        with pytest.raises(OperatorError, match=f"port {taken} for x is taken"):
            open_slots("x", _HERE, port=taken, ops_port=free_port(), workers=1)


def test_an_address_that_is_not_ours_is_one_line() -> None:
    with pytest.raises(OperatorError, match=r"taken by another process|cannot be opened"):
        open_slots("x", "192.0.2.1", port=free_port(), ops_port=free_port(), workers=1)


def _knows_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not _knows_ipv6(), reason="this machine knows no IPv6")
def test_an_ipv6_address_can_be_listened_on() -> None:
    port = free_port()
    (slot,) = open_slots("x", "::1", port=port, ops_port=free_port(), workers=1)
    assert not is_free(port, "::1")
    slot.close()
    assert is_free(port, "::1")


@pytest.fixture
async def readiness() -> AsyncIterator[Readiness]:
    with closing(Readiness()) as readiness:
        readiness.open()
        yield readiness


async def test_only_a_process_that_is_waited_for_becomes_ready(readiness: Readiness) -> None:
    ours = readiness.expect(os.getpid())
    other = readiness.expect(1)
    tell_ready({SOCKET_VARIABLE: readiness.address})
    async with asyncio.timeout(5):
        await ours.wait()
    assert not other.is_set()
    readiness.forget(os.getpid())
    assert readiness.expect(os.getpid()) is not ours


async def test_noise_on_the_socket_is_ignored(readiness: Readiness) -> None:
    event = readiness.expect(os.getpid())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        for noise in (b"", b"READY=1", b"MAINPID=x", b"STATUS=hello\nMAINPID=1"):
            line.sendto(noise, readiness.address)
    tell_ready({SOCKET_VARIABLE: readiness.address})
    async with asyncio.timeout(5):
        await event.wait()


def test_a_start_without_a_listener_is_not_disturbed(tmp_path: Path) -> None:
    tell_ready({})
    tell_ready({SOCKET_VARIABLE: str(tmp_path / "nobody")})


@pytest.mark.parametrize(
    ("line", "ready"), [(b"HTTP/1.1 200 OK\r\n\r\n", True), (b"HTTP/1.1 503 No\r\n\r\n", False)]
)
async def test_readyz_is_believed_by_its_status(line: bytes, *, ready: bool) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"GET /readyz ")
        writer.write(line)
        writer.close()

    with socket.create_server((_HERE, 0)) as ops:
        server = await asyncio.start_server(answer, sock=ops.dup())
        assert await answers_ready(ops) is ready
        server.close()
        await server.wait_closed()


async def test_nobody_is_not_ready() -> None:
    with socket.create_server((_HERE, 0)) as ops:
        ops.shutdown(socket.SHUT_RDWR)
        assert await answers_ready(ops) is False


async def test_a_roll_whose_new_worker_fails_keeps_the_old_one(readiness: Readiness, tmp_path: Path) -> None:
    said: list[str] = []
    (sockets,) = open_slots("x", _HERE, port=0, ops_port=free_port(), workers=1)
    slot = Slot("x", sockets, starter=_starter(readiness, tmp_path, "raise SystemExit(1)"), say=said.append)
    assert await slot.roll() is False
    assert said == ["x: the new worker does not become ready; the old one stays"]
    await slot.stop()


async def test_a_worker_that_never_starts_is_tried_again_ever_more_slowly(
    readiness: Readiness, tmp_path: Path
) -> None:
    said: list[str] = []
    third = asyncio.Event()

    def say(text: str) -> None:
        said.append(text)
        if len(said) == 3:
            third.set()

    sockets = open_slots("x", _HERE, port=0, ops_port=free_port(), workers=1)[0]
    slot = Slot("x", sockets, starter=_starter(readiness, tmp_path, "raise SystemExit(7)"), say=say)
    running = asyncio.ensure_future(slot.run())
    async with asyncio.timeout(20):
        await third.wait()
    await slot.stop()
    await running
    assert set(said) == {"x ended with exit code 7; starting it again"}


async def test_a_roll_relieves_whoever_is_in_the_slot(readiness: Readiness, tmp_path: Path) -> None:
    """Even a successor of an earlier roll that came while the slot itself was starting a worker anew."""
    program = "import signal; from shared.notify import tell_ready; tell_ready(); signal.pause()"
    sockets = open_slots("x", _HERE, port=0, ops_port=free_port(), workers=1)[0]
    slot = Slot("x", sockets, starter=_starter(readiness, tmp_path, program), say=print)
    before = set(psutil.Process().children())
    assert await slot.roll()
    (first,) = set(psutil.Process().children()) - before
    assert await slot.roll()
    assert not first.is_running()
    await slot.stop()
    assert set(psutil.Process().children()) <= before


def _starter(readiness: Readiness, metrics: Path, program: str) -> WorkerStarter:
    return WorkerStarter((sys.executable, "-c", program), os.environ, readiness=readiness, metrics=metrics)


async def test_a_crew_gets_a_fresh_metrics_folder(readiness: Readiness, tmp_path: Path) -> None:
    service = Service(name="x", port=0, ops_port=free_port())
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "old").touch()
    slots = Crews(readiness, metrics=tmp_path, say=print).assemble(service, {}, workers=2)
    assert len(slots) == 2
    assert list((tmp_path / "x").iterdir()) == []
    for slot in slots:
        await slot.stop()


def test_the_welcome_names_every_service_and_pastes_only_what_it_can() -> None:
    bare = welcome((_RTB, _WORKER), {})
    assert any("http://127.0.0.1:8001" in line and ":9001/metrics" in line for line in bare)
    assert any(line.startswith("worker") and ":9006/metrics" in line for line in bare)
    assert not any("curl" in line for line in bare)
    whole = welcome((_RTB, _WORKER), dict.fromkeys(DEMO_KEYS, "pbk_rtb_x"))
    assert sum(line.startswith("curl ") for line in whole) == 2
    assert any(line.startswith("UUID=$(curl ") and "status=confirmed" in line for line in whole)
    assert not any("simulate" in line or "postbacks" in line for line in whole)


def test_the_welcome_tells_the_whole_story_when_all_services_are_there() -> None:
    tokens = {name: f"token-of-{name}" for name in DEMO_KEYS}
    lines = [line for line in welcome((_RTB, _DATA, _CALLS, _WORKER), tokens) if line and line[0] != "#"]
    beats = (
        *("rtbs.json?", "rtbs.json?", "status=confirmed", "data_writing?", "simulate call", "postbacks/"),
        *("data_reading?", "ringpost explain $CALL"),
    )
    assert len(lines) == 4 + len(beats)
    assert all(beat in line for beat, line in zip(beats, lines[4:], strict=True))
    without = welcome((_RTB, _DATA, _CALLS, _WORKER), {})
    assert not any("curl" in line for line in without)


def test_descriptors_of_a_slot_are_those_that_the_worker_is_told() -> None:
    with socket.create_server((_HERE, 0)) as public, socket.create_server((_HERE, 0)) as ops:
        slot = SlotSockets(public, ops)
        assert [word for word in slot.arguments if word.isdigit()] == [str(each) for each in slot.descriptors]
