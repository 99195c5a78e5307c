"""Waiting for what another process does, with an end to it."""

import time
from collections.abc import Callable
from typing import Any

# Against hanging alone: a loaded machine takes its time.
WAIT_SECONDS = 240


def wait_until(condition: Callable[[], Any], what: str, *, pause: float = 0.01) -> None:
    """Wait until `condition` holds."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(pause)
