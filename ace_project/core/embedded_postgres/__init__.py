"""A PostgreSQL of our own in `var/`, shared by every process that uses it, stopped by the last."""

import atexit
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ace_project.core.embedded_postgres.binaries import EmbeddedPostgresError
from ace_project.core.embedded_postgres.cluster import Address, Cluster

__all__ = [
    "Address",
    "EmbeddedPostgresError",
    "database_settings",
    "ensure_running",
    "temporary_server",
]

_TEMPORARY = "ace-test-"
_ABANDONED_SECONDS = 60.0
_clusters: dict[Path, Cluster] = {}


def ensure_running(var_dir: Path, *, durable: bool = True) -> Address:
    """Start the server of `var_dir`, or join the one that runs; cheap (1 ms) when all is well.

    It runs until the last process that called this ends. `durable=False` is for data that may be
    lost with the machine. Raises EmbeddedPostgresError, a kind of Django's OperationalError.
    """
    home = var_dir.resolve() / "postgres"
    return _clusters.setdefault(home, Cluster(home, durable=durable)).ensure_running()


def database_settings(var_dir: Path) -> dict[str, Any]:
    """Return Django's settings for the server of `var_dir`, which runs by then."""
    return ensure_running(var_dir).django()


@contextlib.contextmanager
def temporary_server() -> Iterator[Address]:
    """Run an empty throw-away server, without fsync, for the length of a `with` block."""
    _remove_abandoned()
    # Under /tmp whatever TMPDIR says: the server's user must reach it, a socket's path is short.
    var_dir = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir="/tmp")).resolve()
    var_dir.chmod(0o711)
    try:
        yield ensure_running(var_dir, durable=False)
    finally:
        _clusters.pop(var_dir / "postgres").leave()
        _remove(var_dir)


def _remove_abandoned() -> None:
    """Stop and remove the throw-away servers of test runs that were killed."""
    for var_dir in Path("/tmp").glob(f"{_TEMPORARY}*"):
        with contextlib.suppress(FileNotFoundError):
            status = var_dir.lstat()
            age = time.time() - status.st_mtime
            # A young one without a user may be just about to get its first.
            if status.st_uid != os.geteuid() or age < _ABANDONED_SECONDS:
                continue
            if Cluster(var_dir / "postgres", durable=False).leave():
                _remove(var_dir)


def _remove(var_dir: Path) -> None:
    # Another process may take it for abandoned once it is left: each file is there for one of them.
    while var_dir.exists():
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(var_dir)


def _leave_all() -> None:
    while _clusters:
        _, cluster = _clusters.popitem()
        # Someone may have removed var/; the server notices that by itself.
        with contextlib.suppress(FileNotFoundError):
            cluster.leave()


atexit.register(_leave_all)
