"""Where passkeys work: browsers bind them to a host name, never to a bare address."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from django.http import HttpRequest


def for_passkeys(request: HttpRequest) -> str:
    """Return the address to go to for passkeys; empty where they work as it is.

    `-` where only a host name under TLS would help.
    """
    here = urlsplit(request.build_absolute_uri("/"))
    host = here.hostname or ""
    try:
        address = ip_address(host)
    except ValueError:
        local = host == "localhost" or host.endswith(".localhost")
        return "" if here.scheme == "https" or local else "-"
    if not address.is_loopback:
        return "-"
    port = f":{here.port}" if here.port else ""
    return f"{here.scheme}://localhost{port}"
