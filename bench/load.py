"""A small closed-loop load generator: some connections, each waiting for its answer."""

import selectors
import socket
import time
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of a load. Times are seconds; `busy` is this process's own share of a core."""

    rate: float
    p50: float
    p95: float
    busy: float


@dataclass(slots=True)
class _Connection:
    socket: socket.socket
    asked: float = 0.0
    read: bytes = b""


def request(
    method: str, path: str, *, token: str = "", body: bytes | None = None, etag: str = ""
) -> bytes:
    """Return the bytes of an HTTP/1.1 request over a connection that stays open."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"Authorization: Bearer {token}"] if token else []
    lines += [f"If-None-Match: {etag}"] if etag else []
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


def _complete(read: bytes) -> bool:
    """Return whether a whole answer was read, whichever way it says where it ends."""
    head, _, rest = read.partition(b"\r\n\r\n")
    if not rest and not read.endswith(b"\r\n\r\n"):
        return False
    lower = head.lower()
    at = lower.find(b"content-length:")
    if at < 0:
        return b"transfer-encoding: chunked" not in lower or rest.endswith(b"0\r\n\r\n")
    return len(rest) >= int(lower[at + 15 :].split(b"\r\n", 1)[0])


def run(
    port: int,
    asked: bytes,
    *,
    status: int,
    connections: int,
    seconds: float = 0.0,
    count: int = 0,
) -> Measured:
    """Send `asked` over `connections` for `seconds`, or `count` times, and time each answer.

    Raises RuntimeError where an answer has another status than `status`.
    """
    watched = selectors.DefaultSelector()
    opened = [_open(port) for _ in range(connections)]
    for connection in opened:
        watched.register(connection.socket, selectors.EVENT_READ, connection)
    times: list[float] = []
    began, spent = time.perf_counter(), time.process_time()
    for connection in opened:
        _ask(connection, asked)
    until = began + seconds
    waiting = len(opened)
    while waiting:
        for key, _ in watched.select():
            connection = key.data
            connection.read += connection.socket.recv(262_144)
            if not _complete(connection.read):
                continue
            now = time.perf_counter()
            times.append(now - connection.asked)
            _check(connection.read, status)
            if (len(times) + waiting <= count) if count else now < until:
                _ask(connection, asked)
            else:
                waiting -= 1
    wall, busy = time.perf_counter() - began, time.process_time() - spent
    for connection in opened:
        connection.socket.close()
    p50, p95 = np.percentile(times, [50, 95])
    return Measured(len(times) / wall, float(p50), float(p95), busy / wall)


def _open(port: int) -> _Connection:
    made = socket.create_connection(("127.0.0.1", port), timeout=30)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return _Connection(made)


def _ask(connection: _Connection, asked: bytes) -> None:
    connection.read = b""
    connection.asked = time.perf_counter()
    connection.socket.sendall(asked)


def _check(read: bytes, status: int) -> None:
    if read[9:12] != str(status).encode():
        raise RuntimeError(f"expected {status}, got: {read[:400].decode(errors='replace')}")
