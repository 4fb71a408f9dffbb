from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from shared.domain.trace_context import trace_id_of
from shared.http_origin import Proxies, RequestIds, came_by_https

OURS = Proxies((ip_network("10.0.0.0/8"), ip_network("fd00::/8")))
addresses = st.ip_addresses().map(str).filter(lambda text: not text.startswith("::ffff:"))
inside = st.ip_addresses(v=4, network="10.0.0.0/8").map(str)
outside = addresses.filter(lambda text: not OURS.trusts(text))


@given(addresses)
def test_a_peer_is_trusted_inside_our_networks_only(text: str) -> None:
    address = ip_address(text)
    assert OURS.trusts(text) == any(address in ip_network(net) for net in ("10.0.0.0/8", "fd00::/8"))


@pytest.mark.parametrize("peer", ["", "unix", "10.0.0", "10.0.0.1/8", "2001:db8::1"])
def test_what_is_no_address_of_ours_is_not_trusted(peer: str) -> None:
    assert not OURS.trusts(peer)


def test_an_address_in_ipv6_clothes_is_the_same_address() -> None:
    assert OURS.trusts("::ffff:10.1.2.3")
    assert not OURS.trusts("::ffff:11.1.2.3")


def lines(name: str, *values: str) -> CIMultiDict[str]:
    return CIMultiDict((name, value) for value in values)


@given(st.lists(addresses, max_size=4), outside, st.lists(inside, max_size=4), inside)
def test_what_stands_left_of_the_client_is_never_believed(
    forged: list[str], client: str, hops: list[str], peer: str
) -> None:
    """Proxies add themselves to the line, or add a line."""
    said = [*forged, client, *hops]
    for values in ([", ".join(said)], said):
        assert OURS.client_of(lines("X-Forwarded-For", *values), peer) == str(ip_address(client))


@given(st.text(), inside)
def test_any_header_gives_an_address(forwarded: str, peer: str) -> None:
    client = OURS.client_of(lines("X-Forwarded-For", forwarded), peer)
    assert str(ip_address(client)) == client


def test_without_the_header_it_is_the_peer() -> None:
    assert OURS.client_of(lines("X-Forwarded-For"), "10.0.0.7") == "10.0.0.7"


@pytest.mark.parametrize(
    ("said", "https"),
    [
        ("https", True),
        ("HTTPS ", True),
        ("http,https", True),
        ("https,http", False),
        ("", False),
        ("wss", False),
    ],
)
def test_the_nearest_proxy_s_word_counts(said: str, https: bool) -> None:
    assert came_by_https(lines("X-Forwarded-Proto", said)) is https
    assert came_by_https(lines("X-Forwarded-Proto", *said.split(","))) is https
    assert came_by_https(lines("X-Forwarded-Proto")) is False


@given(st.text(max_size=80))
def test_a_taken_id_is_short_and_plain(given_id: str) -> None:
    taken = RequestIds().take(given_id)
    assert 1 <= len(taken) <= 64
    assert taken.isascii()
    assert (
        taken.replace("-", "").replace("_", "").replace(".", "").replace(":", "").isalnum()
        or taken == given_id
    )


@given(st.uuids())
def test_uuids_are_always_taken(given_id: object) -> None:
    assert RequestIds().take(str(given_id)) == str(given_id)


@given(st.integers(min_value=10**12, max_value=10**13 - 1))
def test_ids_with_a_time_in_them_are_taken(unix_ms: int) -> None:
    assert RequestIds().take(f"req-{unix_ms}") == f"req-{unix_ms}"


@given(st.integers(min_value=2 * 10**9, max_value=10**10 - 1), st.sampled_from(["", "1"]))
def test_ids_with_a_number_in_them_are_not(digits: int, country: str) -> None:
    number = f"{country}{digits}"
    for text in (
        number,
        f"call-{number}",
        f"x.{number}.y",
        f"lead{number}",
        f"{number}call",
        f"beef{number}",
    ):
        assert RequestIds().take(text) != text


def test_made_ids_are_counted_from_a_start_of_their_own() -> None:
    one, two = RequestIds(), RequestIds()
    made = [one.make(), one.make(), two.make()]
    assert len(set(made)) == 3
    assert made[0].rpartition("-")[0] == made[1].rpartition("-")[0] != made[2].rpartition("-")[0]


@given(st.text())
def test_a_trace_id_is_32_hex_digits_or_nothing(traceparent: str) -> None:
    found = trace_id_of(traceparent)
    assert found == "" or len(found) == 32


def test_a_trace_id_is_found() -> None:
    assert trace_id_of("00-" + "ab" * 16 + "-" + "cd" * 8 + "-00") == "ab" * 16
