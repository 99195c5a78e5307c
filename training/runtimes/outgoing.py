"""One request to an address that a user gave: checked, bounded in time and size, not redirected."""

from collections.abc import Mapping
from dataclasses import dataclass

import httpcore2
import httpx2

from evolution.llm.wire import BoundedTransport, TooManyBytes, Wire
from training.runtimes.addresses import lookup


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; `retry_after` is the header as it stands."""

    status: int
    body: bytes
    retry_after: str


class Late(Exception):
    """There was no whole answer in time."""


class Lost(Exception):
    """There was no connection, it broke, or the answer was none."""


class TooLong(Exception):
    """The answer is longer than is read."""


def send(
    method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, seconds: float
) -> Reply:
    """Send once, within `seconds` in all; raises AddressRefused, Late, Lost or TooLong.

    A redirect is an answer like another: nothing is followed.
    """
    request = httpx2.Request(method, url, headers=dict(headers), content=body)
    transport = BoundedTransport(Wire(seconds, _lookup), {}, {})
    try:
        response = transport.handle_request(request)
    except TooManyBytes as error:
        raise TooLong(str(error)) from error
    except httpx2.TimeoutException as error:
        raise Late(f"no whole answer within {seconds:.3g} s") from error
    except httpx2.TransportError as error:
        raise Lost(str(error) or type(error).__name__) from error
    return Reply(response.status_code, response.content, response.headers.get("retry-after", ""))


def _lookup(host: str, port: int) -> list[str]:
    try:
        return lookup(host, port)
    except (OSError, UnicodeError) as error:
        raise httpcore2.ConnectError(f"{host} is not known") from error
