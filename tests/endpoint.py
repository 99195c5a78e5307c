"""A scripted OpenAI-compatible endpoint on loopback, with a log of every request it met.

In this process: `with Endpoint(script) as endpoint: ... endpoint.base_url ... endpoint.log`.
In a process of its own, which outlives whoever is killed: `with spawned(log, steady=...)`, or
`python -m tests.endpoint --log FILE --script module:factory --options '{...}'`, which prints its
port; `read_log(FILE)` reads what it wrote, at any moment.

A script is a list of replies (the last one repeats) or a callable from a request to its reply.
"""

import argparse
import importlib
import itertools
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CHUNK = 65_536


@dataclass
class Exchange:
    """One request and what became of it; times are seconds of the epoch, None while under way."""

    number: int
    method: str
    path: str
    headers: dict[str, str]
    # The parsed JSON body, or the text where it is none; and the text in any case.
    body: Any
    text: str
    time_in: float
    time_out: float | None = None
    # None until the reply begins.
    status: int | None = None
    bytes_sent: int = 0
    # Whether every byte of the reply went out; a client that left early makes it False.
    whole: bool = False
    # The `usage` of the reply, as served.
    usage: dict[str, Any] | None = None


@dataclass
class Reply:
    """What the endpoint answers with, and how badly.

    `body` is bytes, text, an iterator of bytes (sent chunked) or anything JSON. `delay` is before
    the status line, `pause` in the middle of the body, `gap` between the pieces of a drip of
    `piece` bytes; all in seconds. `cut_after` closes the connection after so many bytes of the
    body (0: after the headers), `drop` before any answer.
    """

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    delay: float = 0.0
    pause: float = 0.0
    gap: float = 0.0
    piece: int = 1
    cut_after: int | None = None
    drop: bool = False

    def raw(self) -> bytes | None:
        """Return the bytes of the body, None where it is sent in chunks."""
        if isinstance(self.body, bytes):
            return self.body
        if isinstance(self.body, str):
            return self.body.encode()
        if isinstance(self.body, Iterator):
            return None
        return json.dumps(self.body).encode()

    def served(self) -> tuple[int, dict[str, Any] | None]:
        """Return its status and what it says it used, where its body says it in JSON."""
        try:
            document = json.loads(self.raw() or b"null")
        except (ValueError, RecursionError):
            return self.status, None
        usage = document.get("usage") if isinstance(document, dict) else None
        return self.status, usage if isinstance(usage, dict) else None


Script = Callable[[Exchange], Reply] | Sequence[Reply]


def completion(
    content: Any,
    *,
    prompt: int = 100,
    completed: int = 20,
    cached: int = 0,
    model: str = "scripted",
    finish_reason: str = "stop",
) -> dict[str, Any]:
    """Return the body of a chat completion; `content` that is no text is sent as JSON text."""
    text = content if isinstance(content, str | None) else json.dumps(content)
    message = {"role": "assistant", "content": text, "refusal": None}
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 1_750_000_000,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": completed,
            "total_tokens": prompt + completed,
            "prompt_tokens_details": {"cached_tokens": cached},
        },
    }


def answer(content: Any, *, delay: float = 0.0, **options: Any) -> Reply:
    """Return a normal reply that says `content`; `options` are those of `completion`."""
    return Reply(completion(content, **options), delay=delay)


def refusal(status: int, message: str = "scripted error", **error: Any) -> Reply:
    """Return an error in OpenAI's form; `headers=` may hold a Retry-After."""
    headers = error.pop("headers", {})
    return Reply({"error": {"message": message, "type": "scripted", **error}}, status, headers)


def steady(content: Any = "ok", delay: float = 0.0, **options: Any) -> Script:
    """Return a script that always says the same: the default of the command line."""
    return [answer(content, delay=delay, **options)]


def _callable(script: Script) -> Callable[[Exchange], Reply]:
    if callable(script):
        return script
    replies, count = script, itertools.count()
    return lambda _: replies[min(next(count), len(replies) - 1)]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, script: Script, log: Path | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = _callable(script)
        self.exchanges: list[Exchange] = []
        self.closing = threading.Event()
        self.sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._log = log.open("a", encoding="utf-8") if log else None

    def met(self, **request: Any) -> Exchange:
        with self._lock:
            exchange = Exchange(number=len(self.exchanges), time_in=time.time(), **request)
            self.exchanges.append(exchange)
        self.note(exchange)
        return exchange

    def note(self, exchange: Exchange) -> None:
        line = json.dumps(asdict(exchange)) + "\n"
        with self._lock:
            if self._log and not self._log.closed:
                self._log.write(line)
                self._log.flush()

    def ended(self, exchange: Exchange) -> None:
        exchange.time_out = time.time()
        self.note(exchange)

    def handle_error(self, *met: Any) -> None:
        """Say nothing of clients that leave: they are what is tested."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(*met)

    def stop(self) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()
        for link in list(self.sockets):
            _hang_up(link)
        if self._log:
            with self._lock:
                self._log.close()


def _hang_up(link: socket.socket) -> None:
    try:
        link.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.server.sockets.add(self.connection)

    def finish(self) -> None:
        self.server.sockets.discard(self.connection)
        super().finish()

    def log_message(self, *_: Any) -> None:
        """Keep quiet: the log is the server's own."""

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        exchange = self.server.met(
            method=self.command,
            path=self.path,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=_parsed(raw),
            text=raw.decode(errors="replace"),
        )
        reply = self.server.script(exchange)
        try:
            self._wait(reply.delay)
            # Before the first byte: a process that is killed now has served it, for all we know.
            exchange.status, exchange.usage = (None, None) if reply.drop else reply.served()
            self.server.note(exchange)
            exchange.whole = self._send(reply, exchange)
        except OSError:
            self.close_connection = True
        finally:
            self.server.ended(exchange)

    do_GET = do_PUT = do_DELETE = do_POST

    def _send(self, reply: Reply, exchange: Exchange) -> bool:
        if reply.drop:
            self._leave()
            return False
        raw = reply.raw()
        self.wfile.write(self._head(reply, raw))
        limit = reply.cut_after
        for piece in self._pieces(reply, raw):
            part = piece if limit is None else piece[: max(0, limit - exchange.bytes_sent)]
            self.wfile.write(part if raw is not None else _chunk(part))
            exchange.bytes_sent += len(part)
            if limit is not None and exchange.bytes_sent >= limit:
                self._leave()
                return False
        if raw is None:
            self.wfile.write(b"0\r\n\r\n")
        return True

    def _head(self, reply: Reply, raw: bytes | None) -> bytes:
        headers = {"content-type": reply.content_type} | reply.headers
        if raw is None:
            headers["transfer-encoding"] = "chunked"
        else:
            headers.setdefault("content-length", str(len(raw)))
        lines = [f"HTTP/1.1 {reply.status} Scripted"]
        lines += [f"{name}: {value}" for name, value in headers.items() if value]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def _pieces(self, reply: Reply, raw: bytes | None) -> Iterator[bytes]:
        if raw is None:
            pieces: Iterable[bytes] = reply.body
        elif reply.gap:
            pieces = _cut(raw, reply.piece)
        elif reply.pause:
            pieces = (raw[: len(raw) // 2], raw[len(raw) // 2 :])
        else:
            pieces = _cut(raw, CHUNK) if raw else (b"",)
        for place, piece in enumerate(pieces):
            if place:
                self._wait(reply.gap or reply.pause)
            yield piece

    def _wait(self, seconds: float) -> None:
        if seconds and self.server.closing.wait(seconds):
            raise ConnectionAbortedError("the endpoint stops")

    def _leave(self) -> None:
        self.close_connection = True
        _hang_up(self.connection)


def _cut(raw: bytes, size: int) -> Iterator[bytes]:
    return (raw[at : at + size] for at in range(0, len(raw), size))


def _chunk(part: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(part), part) if part else b""


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return raw.decode(errors="replace")


class Endpoint:
    """The endpoint in a thread of this process."""

    def __init__(self, script: Script = (), log: Path | None = None) -> None:
        self._server = _Server(script or steady(), log)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True, name="endpoint"
        )

    def __enter__(self) -> "Endpoint":
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.stop()
        self._thread.join(10)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def log(self) -> list[Exchange]:
        """Return what it met so far, oldest first; those under way have no `time_out`."""
        return list(self._server.exchanges)

    def finished(self, seconds: float = 30.0) -> list[Exchange]:
        """Return the log once nothing is under way; a client has its answer a little earlier."""
        ends = time.monotonic() + seconds
        while any(met.time_out is None for met in self.log):
            assert time.monotonic() < ends, "a reply did not end"
            time.sleep(0.002)
        return self.log

    def play(self, script: Script) -> None:
        """Answer by `script` from now on; a list starts at its first reply."""
        self._server.script = _callable(script)


def read_log(path: Path) -> list[Exchange]:
    """Return what an endpoint of another process wrote so far, in the order of arrival."""
    if not path.exists():
        return []
    met: dict[int, Exchange] = {}
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            exchange = Exchange(**json.loads(line))
            met[exchange.number] = exchange
    return [met[number] for number in sorted(met)]


@contextmanager
def spawned(log: Path, script: str = "tests.endpoint:steady", **options: Any) -> Iterator[str]:
    """Run an endpoint in a process of its own; yield its base URL.

    `script` is `module:factory`, called with `options` (which must be JSON) for the script.
    """
    command = [sys.executable, "-m", "tests.endpoint", "--log", str(log), "--script", script]
    command += ["--options", json.dumps(options)]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout
        port = child.stdout.readline().strip()
        assert port.isdigit(), "the endpoint did not start"
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        child.kill()
        child.wait(30)
        if child.stdout:
            child.stdout.close()


def main() -> None:
    """Serve until killed or until the parent is gone; the port is the first line of stdout."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--script", default="tests.endpoint:steady")
    parser.add_argument("--options", type=json.loads, default={})
    arguments = parser.parse_args()
    module, factory = arguments.script.split(":")
    script = getattr(importlib.import_module(module), factory)(**arguments.options)
    parent = os.getppid()
    with Endpoint(script, arguments.log) as endpoint:
        print(endpoint.port, flush=True)
        while os.getppid() == parent:
            time.sleep(0.5)


if __name__ == "__main__":
    main()
