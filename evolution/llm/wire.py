"""One HTTP request on a connection of its own, within a total deadline and a bound of bytes.

The time-outs of HTTP libraries are per read: a server that sends a byte now and then is never
late. Here every operation on the socket gets what is left of the whole. A connection is not used
twice: on a kept one, nobody can tell a request that was never sent from one that was lost.
"""

import functools
import ssl
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import httpcore2
import httpx2

MAX_BYTES = 2_000_000
CONNECT_SECONDS = 10.0
# The openai package sends them from the environment, to whatever address it has.
_NOT_OURS = ("authorization", "openai-organization", "openai-project")


class TooManyBytes(httpx2.TransportError):
    """The answer is longer than anything that a model says."""


# Returns the addresses to connect to for a host and port, or raises for those it refuses.
Lookup = Callable[[str, int], Sequence[str]]


class Wire:
    """What is known of one request: how long it may take, and whether any of it was sent.

    `lookup` says where a host is, once: what it checked is what is connected to.
    """

    def __init__(self, seconds: float, lookup: Lookup | None = None) -> None:
        self._seconds = seconds
        self._ends = 0.0
        self.lookup: Lookup = lookup or (lambda host, port: [host])
        self.sent = False

    def begin(self) -> None:
        """Start the clock: what a client needs to get ready is not the endpoint's time."""
        self._ends = time.monotonic() + self._seconds

    def left(self, at_most: float | None) -> float:
        """Return the seconds for one operation; raises ReadTimeout where none are left."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise httpcore2.ReadTimeout("the total time is used up")
        return left if at_most is None else min(left, at_most)


class _Stream(httpcore2.NetworkStream):
    def __init__(self, stream: httpcore2.NetworkStream, wire: Wire) -> None:
        self._stream = stream
        self._wire = wire

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._wire.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        left = self._wire.left(timeout)
        self._wire.sent = True
        self._stream.write(buffer, left)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        left = self._wire.left(timeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left), self._wire)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend(httpcore2.SyncBackend):
    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        *others, last = self._wire.lookup(host, port)
        for address in others:
            with suppress(httpcore2.ConnectError):
                return self._connected(address, port, local_address, socket_options)
        return self._connected(last, port, local_address, socket_options)

    def _connected(self, address: str, port: int, *options: Any) -> httpcore2.NetworkStream:
        left = self._wire.left(CONNECT_SECONDS)
        return _Stream(super().connect_tcp(address, port, left, *options), self._wire)


class BoundedTransport(httpx2.BaseTransport):
    """Sends a request with the endpoint's own headers and reads the whole answer, or fails.

    `secrets` (headers) and `query` are added here and nowhere above, so that no library logs
    them and no redirect takes them along.
    """

    def __init__(self, wire: Wire, secrets: Mapping[str, str], query: Mapping[str, str]) -> None:
        self._wire = wire
        self._secrets = secrets
        self._query = query

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Raise what httpx2 raises: ReadTimeout past the deadline, else a TransportError."""
        try:
            return self._exchange(request)
        except httpcore2.TimeoutException as error:
            raise httpx2.ReadTimeout(str(error), request=request) from error
        except (httpcore2.NetworkError, httpcore2.ProtocolError) as error:
            raise httpx2.NetworkError(str(error), request=request) from error

    def _exchange(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url.copy_merge_params(dict(self._query))
        sent = httpcore2.Request(
            method=request.method,
            url=httpcore2.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            ),
            headers=self._headers(request),
            content=request.read(),
        )
        with httpcore2.ConnectionPool(
            ssl_context=_tls(), network_backend=_Backend(self._wire), max_keepalive_connections=0
        ) as pool:
            self._wire.begin()
            response = pool.handle_request(sent)
            body = self._body(response)
        headers = [(n, v) for n, v in response.headers if n.lower() not in _FRAMING]
        return httpx2.Response(response.status, headers=headers, content=body, request=request)

    def _headers(self, request: httpx2.Request) -> list[tuple[bytes, bytes]]:
        headers = httpx2.Headers(request.headers)
        for name in _NOT_OURS:
            headers.pop(name, None)
        headers.update(dict(self._secrets))
        headers["accept-encoding"] = "identity"
        headers["connection"] = "close"
        return headers.raw

    def _body(self, response: httpcore2.Response) -> bytes:
        """Read the body; an error status stands even where its text does not arrive."""
        body = bytearray()
        try:
            reader = _Reader(response, body)
            for piece in response.iter_stream():
                reader.add(piece)
        except _LOST:
            if response.status < 400:
                raise
        return bytes(body)


_LOST = (
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.TimeoutException,
    TooManyBytes,
)
# They describe the body as it travelled, not as it is handed on.
_FRAMING = (b"content-encoding", b"content-length", b"transfer-encoding")


class _Reader:
    """Puts a body of at most MAX_BYTES, before and after it is unpacked, into `body`."""

    def __init__(self, response: httpcore2.Response, body: bytearray) -> None:
        headers = {name.lower(): value.lower() for name, value in response.headers}
        encoding = headers.get(b"content-encoding", b"identity").strip()
        # 47: gzip or zlib, whichever the first bytes say.
        self._unpack = zlib.decompressobj(47) if encoding in (b"gzip", b"deflate") else None
        if self._unpack is None and encoding not in (b"", b"identity"):
            raise httpcore2.RemoteProtocolError("the answer is packed, though nobody asked for it")
        self._came = 0
        self.body = body

    def add(self, piece: bytes) -> None:
        self._came += len(piece)
        self.body += self._unpacked(piece) if self._unpack else piece
        if max(self._came, len(self.body)) > MAX_BYTES:
            del self.body[MAX_BYTES:]
            raise TooManyBytes(f"the answer is longer than {MAX_BYTES:,} bytes")

    def _unpacked(self, piece: bytes) -> bytes:
        assert self._unpack
        try:
            return self._unpack.decompress(piece, MAX_BYTES + 1 - len(self.body))
        except zlib.error as error:
            raise httpcore2.RemoteProtocolError("the answer cannot be unpacked") from error


@functools.cache
def _tls() -> ssl.SSLContext:
    return httpx2.create_ssl_context()
