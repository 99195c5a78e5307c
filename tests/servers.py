"""A real web server over the suite's own database, for what only real sockets and threads show."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.db import connection

from tests.conftest import ROOT

START_SECONDS = 60


def database_url() -> str:
    """Return the address of the database that this test writes to."""
    s = connection.settings_dict
    password = f":{quote(s['PASSWORD'], safe='')}" if s["PASSWORD"] else ""
    host = quote(s["HOST"] or "", safe="")
    return f"postgres://{s['USER']}{password}@:{s['PORT'] or 5432}/{s['NAME']}?host={host}"


@contextmanager
def web_server(folder: Path, *, workers: int = 1, **env: str) -> Iterator[int]:
    """Run granian as `make run` does, with `workers` processes; yield its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "ace_project.settings.dev",
        "DATABASE_URL": database_url(),
        "SECRET_KEY": settings.SECRET_KEY,
        "ACE_VAR_DIR": str(folder),
        **env,
    }
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", str(workers), "--blocking-threads", "8"]
    # A worker that is busy when it is told to stop may never end (granian's issue 875).
    command += ["--no-ws", "--workers-kill-timeout", "3", "--log-level", "warning"]
    command += ["ace_project.wsgi:application"]
    log = folder / "web.log"
    with log.open("wb") as sink:
        child = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=sink, stderr=sink)
    try:
        _wait_until_healthy(child, port, log)
        yield port
    finally:
        child.terminate()
        child.wait(30)


def _wait_until_healthy(child: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        try:
            if ask(port, "GET", "/healthz")[0] == 200:
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"the server did not come up:\n{log.read_text(errors='replace')}")


def ask(
    port: int, method: str, path: str, body: Any = None, token: str = "", **headers: str
) -> tuple[int, Any]:
    """Return status and JSON of one call over a connection of its own."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    sent.setdefault("content-type", "application/json")
    if token:
        sent["authorization"] = f"Bearer {token}"
    try:
        link.request(method, path, raw, sent)
        answer = link.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None
    finally:
        link.close()
