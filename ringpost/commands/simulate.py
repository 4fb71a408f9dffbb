"""`ringpost simulate`: whatever stands outside in real life, played against the local services."""

import asyncio
import json
from collections.abc import Callable, Mapping

import aiohttp
import click

from deploy.local.catalogue import SERVICES
from deploy.local.cluster_file import SWITCH_ENCRYPTION_KEY, environment, home_of, read_cluster
from ringpost.call_view import as_object, as_text
from ringpost.operator_settings import required
from ringpost.option_values import read_number
from ringpost.simulated_switch import Script, SimulatedSwitch, Wire
from ringpost.stores_of import open_postgres
from ringpost.voice import silent
from shared.domain.switching.credentials import Credential
from shared.errors import OperatorError
from shared.stores.call_records import CallRecord, find_record
from shared.stores.postgres import Postgres
from shared.stores.sealing import read_sealer
from shared.stores.switches import find_generic_of

_SECONDS = click.IntRange(0, 86_400)


@click.group()
@click.option("--url", default="", help="Where the calls service is; the local cluster's when not given.")
@click.pass_context
def simulate(context: click.Context, url: str) -> None:
    """Play what stands outside: a switch."""
    context.obj = url


@simulate.command()
@click.option("--from", "caller", required=True, metavar="NUMBER", help="Who calls; anonymous is one, too.")
@click.option("--to", "number", required=True, metavar="NUMBER", help="The number that is called.")
@click.option(
    "--answer", "answer_s", type=_SECONDS, default=5, show_default=True, help="Seconds until a buyer answers."
)
@click.option("--talk", "talk_s", type=_SECONDS, default=120, show_default=True, help="Seconds of talk.")
@click.option("--busy", multiple=True, metavar="TID", help="A buyer that is busy; several times for several.")
@click.option("--live", is_flag=True, help="Leave the call as it is once a buyer has answered.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print nothing but the call's record, as one JSON line."
)
def call(*, caller: str, number: str, as_json: bool, busy: tuple[str, ...], **told: int) -> None:
    """Bring one call, as a generic switch of the number's company would.

    The first buyer that is not busy answers; one that takes longer than its timeout does not. Nothing is waited for: times and
    durations travel in the events.
    """
    script = Script(
        caller="" if caller == "anonymous" else read_number(caller, "--from"),
        number=read_number(number, "--to"),
        answer_s=told["answer_s"],
        talk_s=told["talk_s"],
        busy=frozenset(busy),
        live=bool(told["live"]),
    )
    url: str = click.get_current_context().obj or _calls_url()
    say = silent if as_json else click.echo
    record = asyncio.run(_played(environment(), script, url=url, say=say))
    click.echo(json.dumps(as_object(record)) if as_json else "\n".join(as_text(record)))


async def _played(
    environ: Mapping[str, str], script: Script, *, url: str, say: Callable[[str], None]
) -> CallRecord:
    async with open_postgres(environ) as postgres, aiohttp.ClientSession() as session:
        wire = Wire(session, url, credential=await _credential(environ, postgres, number=script.number))

        async def tids_of(call_uuid: str) -> Mapping[str, str]:
            found = await find_record(postgres, call_uuid)
            return {leg.uuid: found.tids.get(leg.buyer_id, "") for leg in found.legs} if found else {}

        call_uuid = await SimulatedSwitch(wire, script, tids_of=tids_of, say=say).play()
        record = await find_record(postgres, call_uuid)
        assert record is not None, "a call that was taken is stored"
        return record


async def _credential(environ: Mapping[str, str], postgres: Postgres, *, number: str) -> Credential:
    sealer = read_sealer(required(environ, SWITCH_ENCRYPTION_KEY), name=SWITCH_ENCRYPTION_KEY)
    credential = await find_generic_of(postgres, sealer, number=number)
    if credential is None:
        raise OperatorError(
            "no company with a generic switch has that number: `ringpost switches create --kind generic` makes one"
        )
    return credential


def _calls_url() -> str:
    """Where the local cluster's calls service is. Errors: OperatorError when this version has none."""
    if "calls" not in SERVICES:
        raise OperatorError("there is no calls service here")
    cluster = read_cluster(home_of())
    return f"http://127.0.0.1:{SERVICES['calls'].at_offset(cluster.port_offset if cluster else 0).port}"
