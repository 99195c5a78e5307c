"""The C library's allocator, told to hold on to little: a worker needs much memory, but seldom.

Both functions do nothing where the C library is not glibc.
"""

import ctypes
from collections.abc import Callable

# From glibc's malloc.h.
_M_ARENA_MAX = -8


def share_one_arena() -> None:
    """Let all threads allocate in one place, to be called before there are any.

    Each would keep what it once needed in an arena of its own, and under Python's lock they
    hardly ever allocate at the same moment.
    """
    mallopt = _function("mallopt")
    if mallopt:
        mallopt(_M_ARENA_MAX, 1)


def give_back() -> None:
    """Return free memory to the system, after work that needed much of it."""
    malloc_trim = _function("malloc_trim")
    if malloc_trim:
        malloc_trim(0)


def _function(name: str) -> Callable[..., int] | None:
    """Return a function of the C library that this process runs on, None where it has none."""
    try:
        found: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return None
    return found
