"""Folders and users for the embedded PostgreSQL's tests."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ace_project.core.embedded_postgres.cluster import Cluster

MakeUser = Callable[[Path], Cluster]


def reachable_folder() -> Path:
    """Make a folder that root's server can reach, which pytest's own is not."""
    path = Path(tempfile.mkdtemp(prefix="ace-embedded-", dir="/tmp")).resolve()
    path.chmod(0o711)
    return path


@pytest.fixture
def empty() -> Iterator[Path]:
    """Return a folder without a server."""
    path = reachable_folder()
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def initialised() -> Iterator[Path]:
    """Return a stopped server's home: to copy it is quicker than to make one for each test."""
    path = reachable_folder()
    first = Cluster(path / "postgres", durable=False)
    first.ensure_running()
    first.leave()
    yield first.home
    shutil.rmtree(path)


@pytest.fixture
def folder(empty: Path, initialised: Path) -> Path:
    """Return a folder with a stopped server in it."""
    subprocess.run(["cp", "-a", str(initialised), str(empty)], check=True)
    (empty / "postgres" / "server.log").unlink()
    return empty


@pytest.fixture
def user(empty: Path) -> Iterator[MakeUser]:
    """Return a maker of users of one server; each counts as a process of its own."""
    made: list[Cluster] = []

    def make(var_dir: Path) -> Cluster:
        made.append(Cluster(var_dir.resolve() / "postgres", durable=False))
        return made[-1]

    yield make
    for one in made:
        if one.home.exists():
            one.leave()
