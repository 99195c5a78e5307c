"""Where the processes of one web server put what they count, so that any of them can add it up."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def share(folder: Path) -> None:
    """Let this process count in a folder of its server's: that of its parent process.

    To be called before prometheus_client is imported, which looks at the environment once. Does
    nothing where the environment names a folder already, or none can be made.
    """
    if VARIABLE in os.environ:
        return
    with suppress(OSError):
        _forget_the_dead(folder)
        own = folder / str(os.getppid())
        own.mkdir(parents=True, exist_ok=True)
        os.environ[VARIABLE] = str(own)


def _forget_the_dead(folder: Path) -> None:
    """Remove what servers that are gone have counted: Prometheus knows a start from zero."""
    for left in folder.glob("[0-9]*"):
        try:
            os.kill(int(left.name), 0)
        except ProcessLookupError:
            shutil.rmtree(left, ignore_errors=True)
        except PermissionError:
            continue
