"""A few attacks over real sockets: huge, endless, broken off."""

import socket
from pathlib import Path

import pytest

from ace_project.core import tokens
from playbooks import services
from playbooks.actors import AUTOMATIC
from tests.hostile.attacks import DEPTH
from tests.servers import ask, web_server


def talk(port: int, *parts: bytes) -> bytes:
    """Return what the server says to raw bytes; a server that hangs up early is heard out."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as link:
        try:
            for part in parts:
                link.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            return link.recv(65536)
        except ConnectionResetError:
            return b""


@pytest.mark.django_db(transaction=True)
def test_hostile_sockets_do_no_harm(tmp_path: Path) -> None:
    services.create_agent(agent_id="bot", author=AUTOMATIC)
    token, _ = tokens.issue("bot")
    path = "/api/v1/playbooks/bot"
    start = f"PATCH {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n".encode()
    kind = b"Content-Type: application/json\r\n"
    with web_server(tmp_path) as port:
        huge = start + kind + b"Content-Length: 52428800\r\n\r\n"
        assert b" 413 " in talk(port, huge, b"x" * 65536)
        assert ask(port, "PATCH", path, b"[" * DEPTH, token)[0] == 400
        assert ask(port, "PATCH", path, b"9" * 19 * 2**20, token)[0] == 400
        chunked = start + kind + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
        assert b" 411 " in talk(port, chunked)
        # Broken off in the middle: nobody is left to answer, and nobody else suffers.
        with socket.create_connection(("127.0.0.1", port)) as link:
            link.sendall(start + kind + b'Content-Length: 1000\r\n\r\n{"half')
        for garbage in (b"\x00" * 100, b"GET\r\n\r\n", b"PATCH " + b"a" * 100_000, start[:20]):
            with socket.create_connection(("127.0.0.1", port)) as link:
                link.sendall(garbage)
        assert ask(port, "GET", path, token=token)[0] == 200
        assert ask(port, "GET", path, token=token)[1]["version"] == 1
    log = (tmp_path / "web.log").read_text()
    assert "Traceback" not in log, log[-3000:]
