"""One server and its data: made, started, joined, left and stopped.

Three locks in its home carry all agreement between processes; the kernel drops each of them with
the process that held it, so kill -9 leaves nothing to clean up:

- `start.lock`, exclusive, while someone starts or stops the server;
- `users.lock`, shared, for the life of each process that uses it: who gets it exclusively at exit
  was the last user and stops the server;
- `server.lock`, exclusive, inherited by the server and all its children: it is free exactly when
  nothing touches the data any more, whatever `postmaster.pid` or a reused process id says.
"""

import contextlib
import os
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from psycopg import pq

from ace_project.core.embedded_postgres import binaries
from ace_project.core.embedded_postgres.binaries import Binaries, EmbeddedPostgresError
from ace_project.core.embedded_postgres.locks import FileLock
from ace_project.core.embedded_postgres.place import PORT, Place, settle

USER = NAME = "ace"
_START_SECONDS = 120.0
_ORPHAN_SECONDS = 5.0
_POLL_SECONDS = 0.01
_LOG_BYTES = 5_000_000
_SETTINGS = {
    "listen_addresses": "",
    "port": PORT,
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",
    # Parallel queries share memory through /dev/shm, of which a container has 64 MB.
    "max_parallel_workers_per_gather": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    # A failed statement is told to its client; in the log it would spill data.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
}
_THROWAWAY_SETTINGS = {"fsync": "off", "full_page_writes": "off"}


@dataclass(frozen=True, slots=True)
class Address:
    """How to reach the server: the directory of its socket, and the password."""

    host: str
    password: str

    def django(self) -> dict[str, Any]:
        """Return a value for `DATABASES["default"]`."""
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": NAME,
            "USER": USER,
            "PASSWORD": self.password,
            "HOST": self.host,
            "PORT": PORT,
        }

    def url(self, name: str = NAME) -> str:
        """Return a value for `DATABASE_URL`, for the database `name`."""
        return f"postgres://{USER}:{self.password}@:{PORT}/{name}?host={quote(self.host, safe='')}"

    def ping(self) -> pq.Ping:
        """Return the server's state as a stranger sees it, without signing in."""
        conninfo = f"host={self.host} port={PORT} user={USER} dbname={NAME} connect_timeout=5"
        return pq.Ping(pq.PGconn.ping(conninfo.encode()))


class Cluster:
    """What one process knows and holds of the server in `home`."""

    def __init__(self, home: Path, *, durable: bool = True) -> None:
        self.home = home
        self._durable = durable
        self._use: FileLock | None = None
        self._address: Address | None = None

    def is_joined(self) -> bool:
        """Return whether this process holds the server and the server answers."""
        held = self._use is not None and self._use.is_open
        return held and self._address is not None and self._address.ping() == pq.Ping.OK

    def ensure_running(self) -> Address:
        """Take part in the use of the server, starting or restarting it if need be."""
        if self._address is not None and self.is_joined():
            return self._address
        try:
            self._make_home()
            with self._starting():
                if self._use is None or not self._use.is_open:
                    self._use = FileLock(self.home / "users.lock")
                    self._use.share()
                self._address = self._start()
        except OSError as error:
            raise EmbeddedPostgresError(f"the embedded PostgreSQL cannot start: {error}") from error
        return self._address

    def leave(self) -> bool:
        """Give up the use; whoever was the last user stops the server and is told True."""
        with self._starting():
            if self._use is not None:
                self._use.close()
            with FileLock(self.home / "users.lock") as users:
                if not users.take():
                    return False
                self._stop()
                return True

    def _make_home(self) -> None:
        self.home.parent.mkdir(parents=True, exist_ok=True)
        self.home.mkdir(exist_ok=True)
        if self.home.stat().st_uid == os.geteuid():
            # Root's server runs as another user, who passes through and sees nothing.
            self.home.chmod(0o711 if os.geteuid() == 0 else 0o700)

    @contextlib.contextmanager
    def _starting(self) -> Iterator[None]:
        with FileLock(self.home / "start.lock") as lock:
            if not lock.take(_START_SECONDS):
                raise EmbeddedPostgresError(f"another process keeps starting {self.home}")
            yield

    def _start(self) -> Address:
        """Bring the server up; `start.lock` is held."""
        place = settle(self.home)
        address = Address(str(place.socket_directory), self._password(place))
        with FileLock(self.home / "server.lock") as lock:
            if self._take_unless_alive(lock, place, address):
                programs = binaries.find(place.account, place.data_major)
                if not place.data.exists():
                    self._create(place, programs, address.password, lock)
                self._spawn(place, programs, lock)
        self._wait_until_ready(address)
        return address

    def _take_unless_alive(self, lock: FileLock, place: Place, address: Address) -> bool:
        """Get `server.lock` and return True, or return False if a server answers.

        Children of a server that was killed may hold the lock for a while; stubborn ones, busy in
        a long query, are killed: the log they wrote makes that safe.
        """
        began = silent_since = time.monotonic()
        while not lock.take():
            now, state = time.monotonic(), address.ping()
            if state == pq.Ping.OK:
                return False
            if state == pq.Ping.REJECT:  # it recovers, or is being stopped
                silent_since = now
            if now - began > _START_SECONDS:
                raise EmbeddedPostgresError(f"a process that does not end uses {place.data}")
            if now - silent_since > _ORPHAN_SECONDS:
                for process_id in place.processes():
                    os.kill(process_id, signal.SIGKILL)
            time.sleep(_POLL_SECONDS)
        return True

    def _password(self, place: Place) -> str:
        path = self.home / "password"
        if path.exists() and (known := path.read_text(encoding="ascii")):
            return known
        if place.data.exists():
            raise EmbeddedPostgresError(f"{path} is missing: restore it or remove {self.home}")
        made = secrets.token_urlsafe(32)
        path.touch(mode=0o600)
        path.write_text(made, encoding="ascii")
        return made

    def _create(self, place: Place, programs: Binaries, password: str, lock: FileLock) -> None:
        """Make the data directory complete with role and database, and only then name it.

        Its programs hold `server.lock` too: they may outlive us, and nobody starts before they end.
        """
        for abandoned in place.directory.glob("data.new-*"):
            shutil.rmtree(abandoned)
        draft = Path(tempfile.mkdtemp(dir=place.directory, prefix="data.new-"))
        keep = (lock.descriptor,)
        if place.account.is_other:
            os.chown(draft, place.account.uid, place.account.gid)
        # From 17 on PostgreSQL brings Unicode's letters along, whatever the system has.
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        if programs.major < 17:
            locale = ["--locale=C.UTF-8"]
        options = ["--username=postgres", "--auth=reject", "--encoding=UTF8", *locale]
        if not self._durable:
            options.append("--no-sync")
        binaries.run([programs["initdb"], "-D", str(draft), *options], place.account, keep=keep)
        single = ["--single", "-D", str(draft), "-c", "exit_on_error=on", "postgres"]
        # The password is of URL-safe characters: there is nothing in it to quote.
        roles = (
            f"CREATE ROLE {USER} LOGIN CREATEDB PASSWORD '{password}'\n"
            f"CREATE DATABASE {NAME} OWNER {USER}\n"
        )
        binaries.run([programs["postgres"], *single], place.account, stdin=roles, keep=keep)
        draft.rename(place.data)

    def _spawn(self, place: Place, programs: Binaries, lock: FileLock) -> None:
        """Start the server detached, with `server.lock` in its hands."""
        place.make_socket_directory()
        place.drop_stale_files()
        access = place.directory / "pg_hba.conf"
        access.write_text(f"local all {USER} scram-sha-256\n", encoding="ascii")
        access.chmod(0o644)
        settings = _SETTINGS | ({} if self._durable else _THROWAWAY_SETTINGS)
        settings["hba_file"] = str(access)
        settings["unix_socket_directories"] = str(place.socket_directory)
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        # The shell forks and goes, so that init reaps the server and not one of its users.
        detach = ["/bin/sh", "-c", '"$@" &', "sh"]
        server = [programs["postgres"], "-D", str(place.data), *options]
        with self._log() as log:
            binaries.run([*detach, *server], place.account, output=log, keep=(lock.descriptor,))

    def _log(self) -> IO[bytes]:
        path = self.home / "server.log"
        path.touch(mode=0o600)
        return path.open("wb" if path.stat().st_size > _LOG_BYTES else "ab")

    def _wait_until_ready(self, address: Address) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while address.ping() != pq.Ping.OK:
            if self._is_stopped() or time.monotonic() > deadline:
                said = (self.home / "server.log").read_text(errors="replace")[-1500:]
                raise EmbeddedPostgresError(f"PostgreSQL does not start; its log ends:\n{said}")
            time.sleep(_POLL_SECONDS)

    def _is_stopped(self) -> bool:
        with FileLock(self.home / "server.lock") as lock:
            return lock.take()

    def _stop(self) -> None:
        """Stop the server if there is one; `start.lock` is held and nobody uses it."""
        if self._is_stopped():
            return
        place = settle(self.home)
        stop = binaries.find(place.account, place.data_major)["pg_ctl"]
        # Asked through pg_ctl as the server's user: root trusts no process id from its files.
        binaries.run([stop, "stop", "-W", "-m", "fast", "-D", str(place.data)], place.account)
        deadline = time.monotonic() + _START_SECONDS
        while not self._is_stopped() and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
