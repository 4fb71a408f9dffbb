"""`ringpost up`: the whole platform on this machine, in the foreground, until Ctrl-C."""

import os
import signal
import time
from collections.abc import Callable, Mapping

import click

from deploy.local.cluster_file import home_of
from deploy.local.home_lock import locked
from deploy.local.local_cluster import LocalCluster
from ringpost.demo import demo_tokens, load_demo
from ringpost.voice import voice
from ringpost.welcome import DEMO_KEYS, welcome


@click.command()
@click.option(
    "--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Workers per service."
)
@click.option(
    "--port-offset", type=click.IntRange(0, 50_000), help="Added to every port; kept for later starts."
)
@click.option("--json", "as_json", is_flag=True, help="Tell events as JSON lines.")
def up(*, workers: int, port_offset: int | None, as_json: bool) -> None:
    """Start everything here: engines if none are configured, schema, demo account, services.

    Data and secrets stay in RINGPOST_HOME (default .ringpost). Ctrl-C stops everything, with exit code 0.
    """
    say = voice(as_json)
    home = home_of()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # until the supervisor has its own
    with locked(home):
        cluster = LocalCluster(home, os.environ, say=say)
        try:
            started_s = time.monotonic()
            cluster.start_engines(port_offset)
            load_demo(cluster.settings, say, receiver_port=cluster.receiver_port)
            say(f"starting services after {time.monotonic() - started_s:.1f} s")
            tokens = demo_tokens(cluster.settings, DEMO_KEYS)
            cluster.run_services(workers, _announcing(cluster, tokens, say=say))
        except KeyboardInterrupt:
            say("interrupted")
        finally:
            cluster.stop_engines()
        say("stopped; the data is kept")


def _announcing(
    cluster: LocalCluster, tokens: Mapping[str, str], *, say: Callable[[str], None]
) -> Callable[[], None]:
    started_s = time.monotonic()

    def announce() -> None:
        click.echo("\n".join(welcome(cluster.services, tokens)))
        say(
            f"all services are ready after {time.monotonic() - started_s:.1f} s more"
        )  # last: then all of it is said

    return announce
