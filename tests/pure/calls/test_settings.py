"""The calls service's settings: what has the right type, but not the right form."""

import pytest

from services.calls.settings import CallsServiceSettings
from shared.errors import SettingsError
from shared.settings import read_settings

GIVEN = {
    "RINGPOST_POSTGRES_DSN": "postgresql://x",
    "RINGPOST_REDIS_URL": "redis://x",
    "RINGPOST_PEPPER": "pepper",
    "RINGPOST_SWITCH_ENCRYPTION_KEY": "k" * 32,
}


def test_what_is_set_when_nothing_is() -> None:
    settings = read_settings(CallsServiceSettings, GIVEN)
    assert (settings.port, settings.ops_port) == (8004, 9004)
    assert (settings.start_webhook_wait_s, settings.call_idle_s) == (2.0, 14_400)
    assert (settings.public_url, settings.twilio_api_url) == (
        "http://127.0.0.1:8004",
        "https://api.twilio.com",
    )
    assert settings.platform_fallback_number == ""
    assert settings.fallback_message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[
            ("PUBLIC_URL", url)
            for url in ("calls.example.com", "https://a/", "https://a?b", "https://a#b", "ftp://a")
        ],
        ("TWILIO_API_URL", "https://api.example.com/2010-04-01"),
        *[("PLATFORM_FALLBACK_NUMBER", number) for number in ("8005550100", "+1800", "sip:a@b", "none")],
        ("START_WEBHOOK_WAIT_S", "11"),
        ("CALL_IDLE_S", "59"),
    ],
)
def test_values_that_cannot_be(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(CallsServiceSettings, {**GIVEN, f"RINGPOST_{name}": value})
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith(f"RINGPOST_{name} must be ")
    assert value not in caught.value.problems[0].split()


def test_every_wrong_form_is_told_at_once() -> None:
    wrong = {
        "RINGPOST_PUBLIC_URL": "x",
        "RINGPOST_TWILIO_API_URL": "y",
        "RINGPOST_PLATFORM_FALLBACK_NUMBER": "z",
    }
    with pytest.raises(SettingsError) as caught:
        read_settings(CallsServiceSettings, {**GIVEN, **wrong})
    assert len(caught.value.problems) == 3


def test_a_whole_set() -> None:
    given = {
        "RINGPOST_PUBLIC_URL": "https://calls.example.com:8443",
        "RINGPOST_PLATFORM_FALLBACK_NUMBER": "+18005550100",
        "RINGPOST_OUTBOUND_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128",
    }
    settings = read_settings(CallsServiceSettings, {**GIVEN, **given})
    assert settings.public_url == "https://calls.example.com:8443"
    assert [str(each) for each in settings.outbound_allowed_networks] == ["127.0.0.0/8", "::1/128"]
