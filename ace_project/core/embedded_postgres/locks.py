"""A lock on a file that the kernel drops with its holder, be it by kill -9."""

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

_POLL_SECONDS = 0.02
_held: set["FileLock"] = set()


class FileLock:
    """An open file to be locked; closing it lets go, unless another process inherited it."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        _held.add(self)

    def __enter__(self) -> "FileLock":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def is_open(self) -> bool:
        return self in _held

    def close(self) -> None:
        if self.is_open:
            _held.discard(self)
            os.close(self.descriptor)

    def share(self) -> None:
        """Take the shared lock, waiting for an exclusive holder to let go."""
        fcntl.flock(self.descriptor, fcntl.LOCK_SH)

    def take(self, seconds: float = 0.0) -> bool:
        """Return whether the exclusive lock was had within `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    return False
                time.sleep(_POLL_SECONDS)
            else:
                return True


def _close_all() -> None:
    for lock in tuple(_held):
        lock.close()


# A forked child would hold its parent's locks beyond the parent's end.
os.register_at_fork(after_in_child=_close_all)
