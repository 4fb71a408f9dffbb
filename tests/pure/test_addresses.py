"""Which addresses a URL of somebody else may lead to."""

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.addresses import may_reach

NAT64 = int(IPv6Address("64:ff9b::"))
SIX_TO_FOUR = int(IPv6Address("2002::"))


@pytest.mark.parametrize(
    "address",
    [
        *(
            "8.8.8.8",
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
        ),
        *("172.32.0.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255"),
        *(
            "168.63.129.15",
            "2606:4700::1111",
            "2a00:1450:4001::1",
            "2400::1",
            "64:ff9b::8.8.8.8",
            "::ffff:8.8.8.8",
        ),
        *("2002:808:808::1",),
    ],
)
def test_public_addresses_may_be_reached(address: str) -> None:
    assert may_reach(address, ())


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254"),
        *("168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1"),
        *("192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.9"),
        *("224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
        *(
            "::",
            "::1",
            "::127.0.0.1",
            "fe80::1",
            "fe80::1%eth0",
            "fec0::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
        ),
        *(
            "2001:db8::1",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "3fff::1",
            "100::1",
            "64:ff9b:1::1",
        ),
        *(
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            "64:ff9b::10.0.0.1",
            "2002:7f00:1::",
        ),
        *("", "localhost", "127.1", "0x7f000001", "2130706433", "1.2.3.4.5", "::1::", "8.8.8.8/32"),
    ],
)
def test_others_may_not(address: str) -> None:
    assert not may_reach(address, ())


@given(st.ip_addresses(v=4))
def test_an_address_in_another_is_judged_as_what_it_is(address: IPv4Address) -> None:
    plain = may_reach(str(address), ())
    assert may_reach(f"::ffff:{address}", ()) == plain
    assert may_reach(str(IPv6Address(NAT64 | int(address))), ()) == plain
    assert may_reach(str(IPv6Address(SIX_TO_FOUR | int(address) << 80 | 7)), ()) == plain


@given(st.ip_addresses(v=4))
def test_python_knows_of_no_address_that_we_should_have_refused(address: IPv4Address) -> None:
    """The standard library's own table is an oracle: ours may be stricter, never laxer."""
    if not address.is_global or address.is_multicast or address.is_reserved:
        assert not may_reach(str(address), ())


@given(st.ip_addresses(v=6))
def test_nor_of_one_of_version_6(address: IPv6Address) -> None:
    if address.is_private or address.is_multicast or address.is_link_local or address.is_site_local:
        assert not may_reach(str(address), ())


def test_the_operators_networks_may_be_reached_in_each_form() -> None:
    allowed = (ip_network("127.0.0.0/8"), ip_network("fd00::/8"))
    assert may_reach("127.0.0.1", allowed)
    assert may_reach("::ffff:127.0.0.1", allowed)
    assert may_reach("fd00::1", allowed)
    assert may_reach("8.8.8.8", allowed)
    assert not may_reach("::1", allowed)
    assert not may_reach("10.0.0.1", allowed)
    assert not may_reach("nonsense", allowed)
