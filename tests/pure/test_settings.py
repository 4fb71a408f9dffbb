import pickle
from collections.abc import Mapping
from ipaddress import ip_network
from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from shared.errors import SettingsError
from shared.service_settings import ServiceSettings
from shared.settings import Network, Secret, Setting, describe, read_settings


class Some(Struct, frozen=True, kw_only=True):
    pepper: Annotated[Secret, Setting(what="the pepper")]
    name: Annotated[str, Setting(what="a name")] = "ringpost"
    ttl_seconds: Annotated[int, Setting(what="a ttl", unit="s", least=10, most=999, why="callers wait")] = 15
    ratio: Annotated[float, Setting(what="a ratio", least=0)] = 0.5
    on: Annotated[bool, Setting(what="a switch")] = False
    mode: Annotated[Literal["fast", "safe"], Setting(what="a mode")] = "fast"
    hosts: Annotated[tuple[str, ...], Setting(what="hosts")] = ()
    networks: Annotated[tuple[Network, ...], Setting(what="networks")] = ()
    limit: Annotated[int | None, Setting(what="a limit")] = None


class Others(Struct, frozen=True, kw_only=True):
    elsewhere: Annotated[str, Setting(what="of another service")] = ""


NEEDED = {"RINGPOST_PEPPER": "salt-and-more"}


def problems_of(env: Mapping[str, str]) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        read_settings(Some, env, known=(Others,))
    return caught.value.problems


def test_defaults_stand_when_nothing_is_given() -> None:
    settings = read_settings(Some, {**NEEDED, "PATH": "/bin", "RINGPOST_NAME": ""})
    assert (settings.name, settings.ttl_seconds, settings.limit) == ("ringpost", 15, None)
    assert settings.pepper.reveal() == "salt-and-more"


def test_every_kind_is_read() -> None:
    settings = read_settings(
        Some,
        {
            **NEEDED,
            "RINGPOST_TTL_SECONDS": "999",
            "RINGPOST_RATIO": "1e-3",
            "RINGPOST_ON": "Yes",
            "RINGPOST_MODE": "safe",
            "RINGPOST_HOSTS": "a, b,,c ",
            "RINGPOST_NETWORKS": "10.0.0.0/8,::1/128",
            "RINGPOST_LIMIT": "7",
        },
    )
    assert (settings.ttl_seconds, settings.ratio, settings.on, settings.mode) == (999, 0.001, True, "safe")
    assert settings.hosts == ("a", "b", "c")
    assert settings.networks == (ip_network("10.0.0.0/8"), ip_network("::1/128"))
    assert settings.limit == 7


def test_all_problems_are_listed_at_once_and_none_shows_a_value() -> None:
    problems = problems_of(
        {
            "RINGPOST_TTL_SECOND": "Hidden",
            "RINGPOST_TTL_SECONDS": "5",
            "RINGPOST_RATIO": "Hidden",
            "RINGPOST_ON": "Hidden",
            "RINGPOST_MODE": "Hidden",
            "RINGPOST_NETWORKS": "Hidden/8",
            "RINGPOST_LIMIT": "1.5",
            "RINGPOST_ELSEWHERE": "fine",
            "RINGPOST_HOME": "fine",
        }
    )
    assert problems == (
        "RINGPOST_TTL_SECOND is not a setting; did you mean RINGPOST_TTL_SECONDS?",
        "RINGPOST_PEPPER is required: the pepper",
        "RINGPOST_TTL_SECONDS must be 10 to 999 s",
        "RINGPOST_RATIO must be a number",
        "RINGPOST_ON must be true or false",
        "RINGPOST_MODE must be one of fast, safe",
        "RINGPOST_NETWORKS must be networks like 10.0.0.0/8, separated by commas",
        "RINGPOST_LIMIT must be a whole number",
    )


@pytest.mark.parametrize("text", ["nan", "-0.1", "-inf"])
def test_numbers_out_of_bounds_are_refused(text: str) -> None:
    assert problems_of({**NEEDED, "RINGPOST_RATIO": text}) == ("RINGPOST_RATIO must be 0 or more",)


def test_only_secrets_may_stand_in_files() -> None:
    assert problems_of({**NEEDED, "RINGPOST_MODE_FILE": "x"})[0].startswith(
        "RINGPOST_MODE_FILE is not a setting"
    )


def test_a_secret_never_shows() -> None:
    secret = Secret("hidden")
    settings = Some(pepper=secret)
    assert "hidden" not in f"{secret} {secret!r} {[secret]} {settings} {vars(type(settings))}"
    with pytest.raises(TypeError):
        msgspec.json.encode(settings)
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    assert secret == Secret("hidden")
    assert secret != "hidden"
    assert len({secret, Secret("hidden"), Secret("other")}) == 2


@given(
    st.dictionaries(
        st.sampled_from(["RINGPOST_RATIO", "RINGPOST_ON", "RINGPOST_NETWORKS", "RINGPOST_X"]), st.text()
    )
)
def test_any_text_is_read_or_refused_in_words(env: dict[str, str]) -> None:
    try:
        read_settings(Some, {**NEEDED, **env})
    except SettingsError as error:
        told = error.problems
        assert all(problem.startswith("RINGPOST_") for problem in told)


def test_settings_describe_themselves() -> None:
    rows = {row.name: row for row in describe(Some)}
    ttl = rows["RINGPOST_TTL_SECONDS"]
    assert (ttl.default, ttl.unit, ttl.bounds, ttl.why) == ("15", "s", "10 to 999", "callers wait")
    assert (rows["RINGPOST_PEPPER"].default, rows["RINGPOST_PEPPER"].secret) == ("required", True)
    assert rows["RINGPOST_LIMIT"].default == "(none)"
    assert rows["RINGPOST_ON"].default == "false"


def test_the_house_s_settings_are_documented_and_their_defaults_are_within_bounds() -> None:
    rows = describe(ServiceSettings)
    assert all(row.what for row in rows)
    env = {row.name: row.default for row in rows if row.default not in {"(none)", "required"}}
    env |= {"RINGPOST_POSTGRES_DSN": "postgresql://x", "RINGPOST_REDIS_URL": "redis://x"}
    assert read_settings(ServiceSettings, env) == read_settings(
        ServiceSettings, {"RINGPOST_POSTGRES_DSN": "postgresql://x", "RINGPOST_REDIS_URL": "redis://x"}
    )
