"""Redis for every service: scripts and commands, batched, never retried.

Owns the links to the servers, one a server, and their re-dialling. Must never send anything twice and never
hold a call while Redis is away.

Failure policy: away, late (80 ms) or full (512 waiting) is Unavailable at once; whether a late call was
applied is unknown, so every script carries an operation id. The link is re-dialled at once, then with
jittered pauses of at most a second. Nothing is kept for later.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

import hiredis

from shared.stores import redis_keys
from shared.stores.redis_faults import ReplyError, meaning
from shared.stores.redis_link import Limits, Link
from shared.stores.redis_node import Node
from shared.stores.scripts import Script

SHARDS = redis_keys.SHARDS
_CHUNK = 128

Arg = str | bytes | int

_pack: Callable[[tuple[Arg, ...]], bytes] = hiredis.pack_command  # type: ignore[assignment]  # stub: 1-tuple


class Fixed:
    """What many calls of one script have in common, packed once: the first keys, and the last arguments."""

    __slots__ = ("_begin", "_end", "_skip", "script")

    def __init__(
        self, script: Script, *, keys: Sequence[str], more_keys: int, more_args: int, args: Sequence[str]
    ) -> None:
        self.script = script
        begin: tuple[Arg, ...] = ("EVALSHA", script.sha, len(keys) + more_keys, *keys)
        count = len(begin) + more_keys + more_args + len(args)
        self._begin = b"*%d\r\n" % count + _pack(begin).partition(b"\r\n")[2]
        self._end = _pack(tuple(args)).partition(b"\r\n")[2]
        self._skip = len(b"*%d\r\n" % (more_keys + more_args))

    def packed(self, between: tuple[Arg, ...]) -> bytes:
        """One call: the other keys, then the other arguments, exactly as many as were said."""
        return b"".join((self._begin, _pack(between)[self._skip :], self._end))


class Redis:
    """All shards. One server holds them today; a Redis Cluster would be several nodes in the same map."""

    def __init__(self, url: str, *, scripts: Iterable[Script] = (), limits: Limits | None = None) -> None:
        self._scripts = {script.sha: script for script in scripts}
        node = Node(url, scripts=self._scripts, limits=limits or Limits())
        self._nodes: tuple[Node, ...] = (node,)
        self._of_shard: tuple[Node, ...] = (node,) * SHARDS
        self._piped = 0

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        scripts: Iterable[Script] = (),
        limits: Limits | None = None,
        checks: bool = True,
    ) -> Self:
        """Connects, checks how the server is set up and loads the scripts.

        Errors: OperatorError in one line when Redis does not answer or is not set up for us.
        """
        redis = cls(url, scripts=scripts, limits=limits)
        for node in redis._nodes:
            await node.open(checks=checks)
        return redis

    async def close(self) -> None:
        """Closes every link; what still waits fails."""
        for node in self._nodes:
            await node.close()

    async def script(
        self, script: Script, shard: int, *, keys: Sequence[str | bytes], args: Sequence[Arg]
    ) -> Any:
        """Runs one script on one shard.

        Shape: bytes, int, list or None. Text arguments pack fastest.
        Errors: Unavailable (applied or not is unknown when late), RedisScriptError. Cost: one round trip.
        """
        packed = _pack(("EVALSHA", script.sha, len(keys), *keys, *args))
        reply = await self._of_shard[shard].link.send(packed)
        if reply.__class__ is ReplyError:
            return await self.after_fault(reply, script, shard=shard, packed=packed)
        return reply

    async def command(self, shard: int, *args: Arg) -> Any:
        """Runs one command. Errors: Unavailable, RedisCommandError. Cost: one round trip."""
        reply = await self._of_shard[shard].link.send(_pack(args))
        if reply.__class__ is ReplyError:
            raise self._error(reply, str(args[0]), shard=shard)
        return reply

    async def commands(self, shard: int, commands: Sequence[tuple[Arg, ...]]) -> list[Any]:
        """Runs commands in order, without a transaction.

        Shape: one reply a command. Errors: the first that failed; the others were sent all the same.
        Cost: one round trip for each 128 commands.
        """
        replies: list[Any] = []
        for start in range(0, len(commands), _CHUNK):
            chunk = commands[start : start + _CHUNK]
            futures = self.link_for(shard).send_all([_pack(args) for args in chunk])
            self._piped += len(chunk) - 1
            answers = [await future for future in futures]
            for args, reply in zip(chunk, answers, strict=True):
                if reply.__class__ is ReplyError:
                    raise self._error(reply, str(args[0]), shard=shard)
            replies += answers
        return replies

    def link_for(self, shard: int) -> Link:
        """The live link to the server that holds a shard; a lost one while it is away."""
        return self._of_shard[shard].link

    @property
    def run_id(self) -> str:
        """The run_id of the server behind the live link; scripts compare it with the shard's epoch."""
        return self._nodes[0].run_id

    def run_id_of(self, shard: int) -> str:
        """The same for the server that holds a shard."""
        return self._of_shard[shard].run_id

    @property
    def connected(self) -> bool:
        """Whether every server's link is live now."""
        return all(node.connected for node in self._nodes)

    async def until_connected(self) -> None:
        """Waits until every server's link is live."""
        for node in self._nodes:
            await node.until_connected()

    @property
    def calls(self) -> int:
        """Commands sent since the start."""
        return sum(node.counts.calls for node in self._nodes)

    @property
    def round_trips(self) -> int:
        """Times a caller waited for Redis: a pipeline of commands counts once."""
        return self.calls - self._piped

    @property
    def writes(self) -> int:
        """Batches written."""
        return sum(node.counts.writes for node in self._nodes)

    @property
    def late(self) -> int:
        """Calls that had no reply within the deadline."""
        return sum(node.counts.late for node in self._nodes)

    @property
    def overloaded(self) -> int:
        """Calls refused because too many waited."""
        return sum(node.counts.overloaded for node in self._nodes)

    @property
    def reconnects(self) -> int:
        """Links made after the first."""
        return sum(node.counts.reconnects for node in self._nodes)

    async def after_fault(self, fault: ReplyError, script: Script, *, shard: int, packed: bytes) -> Any:
        """What a call comes to that Redis answered with an error.

        NOSCRIPT means that nothing ran: the script is loaded, and run once more. Everything else is final.
        """
        if fault.code != "NOSCRIPT":
            raise self._error(fault, script.name, shard=shard, script=True)
        self._scripts[script.sha] = script
        load = _pack(("SCRIPT", "LOAD", script.source))
        loading, running = self.link_for(shard).send_all([load, packed])
        self._piped += 1
        loaded, reply = await loading, await running
        for answer in (loaded, reply):
            if answer.__class__ is ReplyError:
                raise self._error(answer, script.name, shard=shard, script=True)
        return reply

    def _error(self, fault: ReplyError, what: str, *, shard: int, script: bool = False) -> Exception:
        if fault.code == "READONLY":  # a demoted master: dial again, the address may lead to the new one
            self.link_for(shard).drop()
        return meaning(fault, what, script=script)
