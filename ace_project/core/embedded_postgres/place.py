"""Where a server's files are: directories that its user reaches and others do not."""

import contextlib
import hashlib
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from ace_project.core.embedded_postgres import binaries
from ace_project.core.embedded_postgres.binaries import Account, EmbeddedPostgresError

PORT = "5432"
# macOS allows 103 bytes for a socket's path, Linux 107.
_SOCKET_PATH_BYTES = 103


@dataclass(frozen=True, slots=True)
class Place:
    """The directories that the server's user writes to; only its owner may write to `directory`."""

    account: Account
    directory: Path

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def socket_directory(self) -> Path:
        """A path that fits into a socket address and needs no quoting anywhere."""
        inside = str(self.directory / "run")
        plain = re.fullmatch(r"[\w./-]+", inside, re.ASCII)
        if plain and len(f"{inside}/.s.PGSQL.{PORT}") <= _SOCKET_PATH_BYTES:
            return Path(inside)
        key = hashlib.sha256(os.fsencode(self.directory)).hexdigest()[:16]
        return Path(f"/tmp/ace-{self.account.uid}-{key}")

    @property
    def data_major(self) -> int | None:
        """The PostgreSQL version that made the data, None if there is none yet."""
        version = self.data / "PG_VERSION"
        return int(version.read_text()) if self.data.exists() else None

    def make_socket_directory(self) -> None:
        """Make it the account's and closed to others, who in /tmp could be sitting on it."""
        path = self.socket_directory
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
        directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            if os.fstat(directory).st_uid not in (os.geteuid(), self.account.uid):
                raise EmbeddedPostgresError(f"{path} belongs to someone else: remove it")
            if self.account.is_other:
                os.fchown(directory, self.account.uid, self.account.gid)
            os.fchmod(directory, 0o700)
        finally:
            os.close(directory)

    def processes(self) -> list[int]:
        """Return the processes that work in the data: a server and its children (Linux only)."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (process / "cwd").readlink() == self.data:
                    found.append(int(process.name))
        return found

    def drop_stale_files(self) -> None:
        """Remove what a killed server left and what would keep PostgreSQL from starting anew.

        It takes any program that bears the number in its files, a zombie too, for its older self.
        Of a number that is free it can tell by itself. The caller holds `server.lock`.
        """
        socket = self.socket_directory / f".s.PGSQL.{PORT}"
        socket.unlink(missing_ok=True)
        socket.with_name(f"{socket.name}.lock").unlink(missing_ok=True)
        pid_file = self.data / "postmaster.pid"
        if not pid_file.exists():
            return
        number = pid_file.read_text().split("\n", 1)[0]
        # A server that someone started by hand holds no lock of ours, but works in the data.
        if not number.isdigit() or (
            Path(f"/proc/{number}").exists() and int(number) not in self.processes()
        ):
            pid_file.unlink()


def settle(home: Path) -> Place:
    """Return where the server of `home` lives: there, unless its user cannot get there.

    Then `home/elsewhere` is a link to where it is. Raises EmbeddedPostgresError.
    """
    pointer = home / "elsewhere"
    if pointer.is_symlink():
        return _follow(pointer)
    account = binaries.account_for(home / "data")
    if not account.is_other or account.can_enter(home):
        return Place(account, home)
    if (home / "data").exists():
        raise EmbeddedPostgresError(
            f"user {account.uid}, who runs PostgreSQL for root, can no longer enter {home}"
        )
    directory = binaries.shared_root() / f"data-{secrets.token_hex(8)}"
    directory.mkdir()
    directory.chmod(0o711)
    pointer.symlink_to(directory)
    return Place(account, directory)


def _follow(pointer: Path) -> Place:
    if not pointer.exists():
        raise EmbeddedPostgresError(
            f"the data was kept in {pointer.readlink()}, which is gone: "
            f"bring it back, or remove {pointer.parent} to begin anew"
        )
    directory = pointer.resolve()
    return Place(binaries.account_for(directory / "data"), directory)
