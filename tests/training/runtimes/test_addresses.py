"""Which addresses may be called, however they are written."""

import socket
from ipaddress import ip_network
from typing import Any

import pytest

from training.runtimes.addresses import AddressRefused, check_url, lookup

PRIVATE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "fec0::1",
    "ff02::1",
    "::ffff:10.0.0.1",
    "2002:7f00:1::",
    "64:ff9b::a9fe:a9fe",
]


def answering(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Let every name stand for these addresses."""
    found: list[Any] = [(0, 0, 0, "", (address, 80)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *asked, **options: found)


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_is_refused_in_a_url_and_behind_a_name(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(AddressRefused):
        check_url(f"http://{host}/")
    answering(monkeypatch, "93.184.216.34", address)
    with pytest.raises(AddressRefused):
        lookup("agent.example", 80)


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f.0.0.1"])
def test_another_spelling_of_loopback_is_refused_when_it_is_called(host: str) -> None:
    with pytest.raises(AddressRefused):
        lookup(host, 80)


def test_a_public_address_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_url("https://93.184.216.34:8443/try?x=1")
    answering(monkeypatch, "93.184.216.34", "2606:2800:220:1::1")
    assert lookup("agent.example", 443) == ["93.184.216.34", "2606:2800:220:1::1"]


def test_only_the_allowed_network_is_opened(settings: Any) -> None:
    settings.ACE_ALLOWED_PRIVATE_NETWORKS = [ip_network("10.1.0.0/16")]
    assert check_url("http://10.1.2.3/")
    assert check_url("http://[::ffff:10.1.2.3]/")
    with pytest.raises(AddressRefused):
        check_url("http://10.2.0.1/")
