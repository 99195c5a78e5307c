"""The embedded PostgreSQL: started, shared, killed and found again."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from ace_project.core import embedded_postgres
from ace_project.core.embedded_postgres import (
    Address,
    EmbeddedPostgresError,
    cluster,
    ensure_running,
    temporary_server,
)
from ace_project.core.embedded_postgres.cluster import Cluster
from ace_project.core.embedded_postgres.locks import FileLock
from ace_project.core.embedded_postgres.place import settle

ROOT = Path(__file__).resolve().parents[3]
CLIENT = """
import sys
from pathlib import Path
from ace_project.core.embedded_postgres import ensure_running
print(ensure_running(Path(sys.argv[1]), durable=False).url(), flush=True)
sys.stdin.read()
"""
MakeUser = Callable[[Path], Cluster]


@pytest.fixture
def process(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the test be a process of its own, or it would end the use of the suite's server."""
    monkeypatch.setattr(embedded_postgres, "_clusters", {})
    yield
    embedded_postgres._leave_all()


def ask(address: Address, query: str) -> str:
    with psycopg.connect(address.url(), autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    return str(row[0]) if row else ""


def postmaster(home: Path) -> int:
    pid_file = settle(home).data / "postmaster.pid"
    return int(pid_file.read_text().split("\n", 1)[0])


def is_stopped(home: Path) -> bool:
    with FileLock(home / "server.lock") as lock:
        return lock.take()


def client(var_dir: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CLIENT, str(var_dir)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)


def close(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=30)


def test_what_was_written_is_there_after_the_last_user_left(user: MakeUser, folder: Path) -> None:
    first = user(folder)
    with psycopg.connect(first.ensure_running().url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 'Ünicode' AS word")
    assert first.leave()
    assert is_stopped(first.home)
    assert ask(user(folder).ensure_running(), "SELECT lower(word) FROM kept") == "ünicode"


def test_a_second_start_makes_no_new_cluster(user: MakeUser, folder: Path) -> None:
    first = user(folder)
    first.ensure_running()
    first.leave()
    version = first.home / "data" / "PG_VERSION"
    made = version.stat().st_mtime_ns
    user(folder).ensure_running()
    assert version.stat().st_mtime_ns == made


def test_a_kept_server_writes_its_data_safely(empty: Path) -> None:
    kept = Cluster(empty / "postgres")
    address = kept.ensure_running()
    assert ask(address, "SHOW fsync") == "on"
    assert ask(address, "SHOW synchronous_commit") == "on"
    assert ask(address, "SHOW server_encoding") == "UTF8"
    assert kept.leave()


def test_only_the_last_of_two_users_stops_the_server(user: MakeUser, folder: Path) -> None:
    one, two = user(folder), user(folder)
    one.ensure_running()
    address = two.ensure_running()
    assert not one.leave()
    assert ask(address, "SELECT 1") == "1"
    assert two.leave()


def test_processes_that_start_at_once_share_one_server(empty: Path) -> None:
    processes = [client(empty) for _ in range(3)]
    urls = {process.stdout.readline() for process in processes if process.stdout}
    assert len(urls) == 1
    started = (empty / "postgres" / "server.log").read_text().count("ready to accept")
    assert started == 1
    for process in processes:
        close(process)
    assert is_stopped(empty / "postgres")


def test_threads_that_start_at_once_share_one_server(empty: Path) -> None:
    shared = Cluster(empty / "postgres", durable=False)
    threads = [threading.Thread(target=shared.ensure_running) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (empty / "postgres" / "server.log").read_text().count("ready to accept") == 1
    assert shared.leave()


def test_a_user_goes_on_after_the_server_was_killed(user: MakeUser, folder: Path) -> None:
    one = user(folder)
    with psycopg.connect(one.ensure_running().url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS x")
        os.kill(postmaster(one.home), signal.SIGKILL)
        assert ask(one.ensure_running(), "SELECT x FROM kept") == "1"


@pytest.mark.usefixtures("process")
def test_asking_again_restarts_what_died_and_else_does_nothing(folder: Path) -> None:
    address = ensure_running(folder, durable=False)
    home = folder / "postgres"
    first = postmaster(home)
    assert ensure_running(folder, durable=False) == address
    assert postmaster(home) == first
    os.kill(first, signal.SIGKILL)
    assert ensure_running(folder, durable=False) == address
    assert postmaster(home) != first
    assert ask(address, "SELECT 1") == "1"
    embedded_postgres._leave_all()
    assert is_stopped(home)


def test_a_server_outlives_a_killed_user_and_is_joined_by_the_next(
    user: MakeUser, folder: Path
) -> None:
    process = client(folder)
    assert process.stdout
    process.stdout.readline()
    before = postmaster(folder / "postgres")
    process.kill()
    process.wait()
    one = user(folder)
    one.ensure_running()
    assert postmaster(one.home) == before
    assert one.leave()


def test_a_process_busy_in_a_query_of_a_killed_server_is_ended(
    user: MakeUser, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_ORPHAN_SECONDS", 0.5)
    one = user(folder)
    busy = psycopg.connect(one.ensure_running().url())
    endless = "SELECT count(*) FROM generate_series(1, 100000000000)"
    busy.pgconn.send_query(endless.encode())
    time.sleep(0.2)
    os.kill(postmaster(one.home), signal.SIGKILL)
    assert ask(one.ensure_running(), "SELECT 1") == "1"
    busy.close()


def test_a_left_over_pid_file_with_the_number_of_another_program_is_no_hindrance(
    user: MakeUser,
    folder: Path,
) -> None:
    one = user(folder)
    one.ensure_running()
    os.kill(postmaster(one.home), signal.SIGKILL)
    while not is_stopped(one.home):
        time.sleep(0.01)
    pid_file = settle(one.home).data / "postmaster.pid"
    lines = pid_file.read_text().split("\n")
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))
    assert ask(one.ensure_running(), "SELECT 1") == "1"


def test_an_initialisation_that_was_cut_short_leaves_nothing_behind(
    user: MakeUser, empty: Path
) -> None:
    half_made = empty / "postgres" / "data.new-dead"
    half_made.mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("18")
    assert ask(user(empty).ensure_running(), "SELECT 1") == "1"
    assert not half_made.exists()


def test_nobody_gets_in_without_the_password(user: MakeUser, folder: Path) -> None:
    one = user(folder)
    address = one.ensure_running()
    password_file = one.home / "password"
    assert stat.S_IMODE(password_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(Path(address.host).stat().st_mode) == 0o700
    assert ask(address, "SHOW listen_addresses") == ""
    assert ask(address, "SHOW is_superuser") == "off"
    for name, password in (("ace", "guess"), ("postgres", address.password)):
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(host=address.host, user=name, password=password, dbname="ace")


def test_a_lost_password_is_told_and_not_replaced(user: MakeUser, folder: Path) -> None:
    one = user(folder)
    one.ensure_running()
    one.leave()
    (one.home / "password").unlink()
    with pytest.raises(EmbeddedPostgresError, match="password is missing"):
        one.ensure_running()


def test_a_server_that_cannot_start_shows_the_end_of_its_log(
    user: MakeUser, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(cluster._SETTINGS, "max_connections", "none")
    with pytest.raises(EmbeddedPostgresError, match="max_connections"):
        user(folder).ensure_running()


def test_a_forked_child_does_not_keep_the_server_alive(user: MakeUser, folder: Path) -> None:
    one = user(folder)
    one.ensure_running()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"!")
        time.sleep(30)
        os._exit(0)
    os.read(reader, 1)
    try:
        assert one.leave()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@pytest.mark.usefixtures("process")
def test_settings_are_what_django_takes(folder: Path) -> None:
    address = ensure_running(folder, durable=False)
    settings = embedded_postgres.database_settings(folder)
    assert settings["ENGINE"] == "django.db.backends.postgresql"
    assert (settings["HOST"], settings["PASSWORD"]) == (address.host, address.password)


def test_a_temporary_server_is_gone_afterwards() -> None:
    with temporary_server() as address:
        assert ask(address, "SHOW fsync") == "off"
        var_dir = Path(address.host).parent.parent
        assert var_dir.exists()
    assert not var_dir.exists()


def test_the_temporary_server_of_a_killed_run_is_cleared_away() -> None:
    var_dir = Path(tempfile.mkdtemp(prefix="ace-test-", dir="/tmp")).resolve()
    var_dir.chmod(0o711)
    process = client(var_dir)
    assert process.stdout
    process.stdout.readline()
    process.kill()
    process.wait()
    os.utime(var_dir, (0, 0))
    with temporary_server():
        assert not var_dir.exists()
