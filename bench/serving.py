"""Start and stop what is measured: a web server on one core, a Redis beside it."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# As `manage.py run` starts it.
GRANIAN = ["--interface", "wsgi", "--workers", "1", "--blocking-threads", "8", "--no-ws"]
# A worker that is busy when it is told to stop may never end (granian's issue 875).
GRANIAN += ["--workers-kill-timeout", "5"]

# Read before anything is pinned: the core of what is measured, and those of everything else.
_ABLE = sorted(os.sched_getaffinity(0))
MEASURED, OTHERS = {_ABLE[0]}, set(_ABLE[1:]) or {_ABLE[0]}


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return once the process answers on the port; raises RuntimeError where it never does."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"process {process.pid} does not answer on port {port}")


@contextmanager
def _running(command: list[str], env: dict[str, str], port: int, core: set[int]) -> Iterator[int]:
    def pin() -> None:
        os.sched_setaffinity(0, core)

    process = subprocess.Popen(
        command, cwd=ROOT, env=env, preexec_fn=pin, stdout=subprocess.DEVNULL
    )
    try:
        wait_for(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def web_server(env: dict[str, str]) -> Iterator[int]:
    """Serve the product and the bare view from one process on one core; yields the port."""
    port = free_port()
    command = [sys.executable, "-m", "granian", *GRANIAN, "--host", "127.0.0.1"]
    command += ["--port", str(port), "--log-level", "error", "bench.wsgi:application"]
    with tempfile.TemporaryDirectory() as metrics:
        full = {**os.environ, **env, "PROMETHEUS_MULTIPROC_DIR": metrics}
        with _running(command, full, port, MEASURED):
            yield port


@contextmanager
def redis_server() -> Iterator[str | None]:
    """Yield the address of an empty Redis, or None where the machine has none."""
    program = shutil.which("redis-server")
    if program is None:
        yield None
        return
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    command += ["--appendonly", "no", "--loglevel", "warning"]
    with _running(command, dict(os.environ), port, OTHERS):
        yield f"redis://127.0.0.1:{port}/0"
