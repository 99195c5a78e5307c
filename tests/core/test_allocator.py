"""What a worker no longer needs goes back to the system, and its threads allocate in one place."""

import ctypes
import subprocess
import sys

import pytest

from ace_project.core.work import allocator

pytestmark = pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library is not glibc"
)

# Blocks that are too small to be mapped one by one, freed but for the last, which holds the rest.
_FREED = """
import ctypes
from pathlib import Path
from ace_project.core.work import allocator
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
blocks = [libc.malloc(100_000) for _ in range(500)]
for block in blocks:
    ctypes.memset(block, 1, 100_000)
for block in blocks[:-1]:
    libc.free(block)
before = resident()
allocator.give_back()
print(before - resident())
"""
_THREADS = """
import ctypes
from threading import Barrier, Thread
from ace_project.core.work import allocator
{call}
libc, meeting = ctypes.CDLL(None), Barrier(4)
def allocate():
    meeting.wait()
    libc.malloc(1000)
    meeting.wait()
threads = [Thread(target=allocate) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
libc.malloc_stats()
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )


def test_memory_that_was_freed_goes_back() -> None:
    assert int(run(_FREED).stdout) > 25_000_000


def test_threads_share_one_arena() -> None:
    apart = run(_THREADS.format(call="")).stderr
    shared = run(_THREADS.format(call="allocator.share_one_arena()")).stderr
    assert apart.count("Arena ") > 1
    assert shared.count("Arena ") == 1


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda _: object())
    allocator.share_one_arena()
    allocator.give_back()
