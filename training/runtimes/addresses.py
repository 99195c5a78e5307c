"""Which addresses that a user gave may be called: public ones, and those that a setting allows."""

import re
import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

MAX_URL = 2000
_VISIBLE = re.compile(r"[\x21-\x7e]+")
# An IPv4 address behind a translator stands in its last four bytes.
_NAT64 = IPv6Network("64:ff9b::/96")
_OWN_NAMES = ("localhost", ".localhost")


class AddressRefused(Exception):
    """A host that may not be called; the text says why."""


def check_url(url: Any) -> str:
    """Return `url`; raise AddressRefused where it is none, or is seen to be refused later.

    A name is looked up when it is called, not here.
    """
    if not isinstance(url, str) or len(url) > MAX_URL or not _VISIBLE.fullmatch(url):
        raise AddressRefused("must be an address of the form https://host/path")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise AddressRefused("must be an address of the form https://host/path") from None
    if parts.scheme not in ("http", "https") or not host or port == 0 or parts.fragment:
        raise AddressRefused("must be an address of the form https://host/path")
    if parts.username is not None or parts.password is not None:
        raise AddressRefused("must hold no credentials")
    literal = "127.0.0.1" if host.endswith(_OWN_NAMES) else host
    try:
        address = ip_address(literal)
    except ValueError:
        return url
    _check(host, address)
    return url


def lookup(host: str, port: int) -> list[str]:
    """Return the IP addresses of `host`: whoever connects to these connects to what was checked.

    Raise AddressRefused where any of them may not be called, OSError where there are none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(place[4][0]) for place in found))
    for address in addresses:
        _check(host, ip_address(address))
    return addresses


def _check(host: str, address: IPv4Address | IPv6Address) -> None:
    meant = _meant(address)
    if any(meant in network for network in settings.ACE_ALLOWED_PRIVATE_NETWORKS):
        return
    if not meant.is_global or meant.is_multicast or meant.is_reserved or _is_site_local(meant):
        raise AddressRefused(
            f"is at {host}, which is not a public address; "
            "ACE_ALLOWED_PRIVATE_NETWORKS can allow its network"
        )


def _is_site_local(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether it is of fec0::/10: given up by RFC 3879, and global to Python's list."""
    return isinstance(address, IPv6Address) and address.is_site_local


def _meant(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the address that is reached: an IPv4 one may be wrapped in an IPv6 one."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
