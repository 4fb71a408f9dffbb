"""The home of a local cluster: its file, its lock, and what each service is given of it."""

import os
import stat
from pathlib import Path

import pytest
from msgspec.structs import replace

from deploy.local.catalogue import SERVICES, Service
from deploy.local.cluster_file import (
    HOME,
    KEY_ENCRYPTION_KEY,
    PEPPER,
    POSTGRES_DSN,
    SWITCH_ENCRYPTION_KEY,
    environment,
    home_of,
    new_cluster,
    read_cluster,
    with_secrets,
    write_cluster,
)
from deploy.local.handover import hand_over, refuse_unknown
from deploy.local.home_lock import locked
from shared.errors import OperatorError, SettingsError


def test_a_cluster_keeps_its_secrets_to_its_owner(tmp_path: Path) -> None:
    cluster = new_cluster()
    write_cluster(tmp_path, cluster)
    assert read_cluster(tmp_path) == cluster
    assert stat.S_IMODE((tmp_path / "cluster.json").stat().st_mode) == 0o600
    assert new_cluster().settings != cluster.settings


def test_a_home_of_an_older_version_gets_what_it_lacks_and_keeps_what_it_has() -> None:
    new = new_cluster()
    older = replace(new, settings={PEPPER: "p", KEY_ENCRYPTION_KEY: "k"})
    secrets = with_secrets(older).settings
    assert (secrets[PEPPER], secrets[KEY_ENCRYPTION_KEY]) == ("p", "k")
    assert len(secrets[SWITCH_ENCRYPTION_KEY]) >= 32
    assert with_secrets(new) == new


def test_before_the_first_start_there_is_no_cluster(tmp_path: Path) -> None:
    assert read_cluster(tmp_path) is None
    assert environment({HOME: str(tmp_path), "A": "b"}) == {HOME: str(tmp_path), "A": "b"}


def test_a_damaged_file_is_never_replaced_silently(tmp_path: Path) -> None:
    (tmp_path / "cluster.json").write_text("{")
    with pytest.raises(OperatorError, match=r"cluster\.json cannot be read"):
        read_cluster(tmp_path)


def test_the_environment_wins_over_the_cluster(tmp_path: Path) -> None:
    write_cluster(tmp_path, new_cluster())
    given = {HOME: str(tmp_path), PEPPER: "mine", f"{KEY_ENCRYPTION_KEY}_FILE": "/a/secret"}
    seen = environment(given)
    assert seen[PEPPER] == "mine"
    assert KEY_ENCRYPTION_KEY not in seen


def test_what_was_started_is_known_to_every_command(tmp_path: Path) -> None:
    cluster = new_cluster()
    write_cluster(tmp_path, replace(cluster, settings={**cluster.settings, POSTGRES_DSN: "postgresql://x"}))
    assert environment({HOME: str(tmp_path)})[POSTGRES_DSN] == "postgresql://x"


def test_home_is_beside_the_caller_unless_it_is_set() -> None:
    assert home_of({}) == Path.cwd() / ".ringpost"
    assert home_of({HOME: "/somewhere"}) == Path("/somewhere")


def test_a_home_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(OperatorError, match=f"already runs in .* .process {os.getpid()}."):  # noqa: SIM117, RUF100
        with locked(tmp_path):
            pytest.fail("held twice")
    with locked(tmp_path):
        assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_ports_move_together() -> None:
    rtb = Service(name="rtb", port=8001, ops_port=9001).at_offset(100)
    assert (rtb.port, rtb.ops_port) == (8101, 9101)
    assert Service(name="worker", port=0, ops_port=9006).at_offset(100).port == 0
    assert SERVICES["rtb"].port == 8001


def test_a_service_sees_its_own_settings_only() -> None:
    given = {"PATH": "/bin", PEPPER: "p", f"{PEPPER}_FILE": "f", KEY_ENCRYPTION_KEY: "k", HOME: "/h"}
    assert hand_over("rtb", given) == {"PATH": "/bin", PEPPER: "p", f"{PEPPER}_FILE": "f"}


def test_the_calls_service_opens_switches_secrets_and_no_tokens() -> None:
    given = {PEPPER: "p", KEY_ENCRYPTION_KEY: "k", SWITCH_ENCRYPTION_KEY: "s"}
    assert hand_over("calls", given) == {PEPPER: "p", SWITCH_ENCRYPTION_KEY: "s"}
    assert SWITCH_ENCRYPTION_KEY not in hand_over("rtb", given)


def test_a_setting_that_nobody_reads_is_named() -> None:
    refuse_unknown({HOME: "/h", PEPPER: "p", KEY_ENCRYPTION_KEY: "k", "OTHER": "x"}, SERVICES)
    with pytest.raises(SettingsError) as caught:
        refuse_unknown({"RINGPOST_PEPER": "p", "RINGPOST_XYZZY": "1"}, SERVICES)
    assert caught.value.problems == (
        "RINGPOST_PEPER is not a setting; did you mean RINGPOST_PEPPER?",
        "RINGPOST_XYZZY is not a setting",
    )
