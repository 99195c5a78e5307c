"""A web server and a worker as `manage.py run` starts them, and what they use."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import serving

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class System:
    """A web server and a worker that run, and how to reach them."""

    port: int
    roots: tuple[int, int]

    def cpu_seconds(self) -> float:
        """Return the CPU time that both and their children have taken, in seconds."""
        return sum(_cpu(pid) for pid in self._all())

    def memory_mb(self) -> float:
        """Return what both and their children hold in memory (PSS), in MB."""
        return sum(_pss(pid) for pid in self._all())

    def _all(self) -> list[int]:
        parents = {pid: _parent(pid) for pid in _processes()}
        return [p for p, parent in parents.items() if p in self.roots or parent in self.roots]


@contextmanager
def running() -> Iterator[System]:
    """Yield both, serving and working; both end with the block."""
    port = serving.free_port()
    web = [sys.executable, "-m", "granian", *serving.GRANIAN, "--host", "127.0.0.1"]
    web += ["--port", str(port), "--log-level", "error", "ace_project.wsgi:application"]
    worker = [sys.executable, str(serving.ROOT / "manage.py"), "worker"]
    with tempfile.TemporaryDirectory() as metrics:
        env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": metrics}
        children = [
            subprocess.Popen(command, cwd=serving.ROOT, env=env) for command in (web, worker)
        ]
        try:
            serving.wait_for(port, children[0])
            wait(_worker_lives)
            yield System(port, (children[0].pid, children[1].pid))
        finally:
            for child in children:
                child.terminate()
            for child in children:
                child.wait(60)


def database_cpu_seconds() -> float:
    """Return the CPU time that PostgreSQL and its children, the ended ones too, have taken."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (backend,) = cursor.fetchone()
    server = _parent(backend)
    fields = _stat(server)
    ended = (int(fields[13]) + int(fields[14])) / _TICKS
    living = [pid for pid in _processes() if pid == server or _parent(pid) == server]
    return ended + sum(_cpu(pid) for pid in living)


def _worker_lives() -> bool:
    from ace_project.core.models import WorkerBeat

    return WorkerBeat.objects.exists()


def wait(condition: Callable[[], object], seconds: float = 300.0) -> None:
    """Return once the condition holds; raises RuntimeError where it does not in `seconds`."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise RuntimeError("waited in vain")
        time.sleep(0.1)


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _parent(pid: int) -> int:
    return int((_stat(pid) or ["", "0"])[1])


def _cpu(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS if fields else 0.0


def _pss(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
