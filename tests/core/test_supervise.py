"""Child processes are started again when they die, and end with their supervisor."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.conftest import ROOT

CHILD = """
import os, sys, time
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()}\\n")
time.sleep(60)
"""
PARENT = f"""
import os, sys
from ace_project.core.supervise import Supervisor
command = [sys.executable, "-c", {CHILD!r}, sys.argv[1]]
Supervisor({{"child": command}}, dict(os.environ)).run(lambda: True)
"""


def started(path: Path, count: int) -> list[int]:
    deadline = time.monotonic() + 20
    while True:
        pids = [int(line) for line in path.read_text().split()] if path.exists() else []
        if len(pids) >= count:
            return pids
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_child_that_is_killed_comes_back_and_all_end_together(tmp_path) -> None:
    path = tmp_path / "pids"
    command = [sys.executable, "-c", PARENT, str(path)]
    parent = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    first = started(path, 1)[0]
    os.kill(first, signal.SIGKILL)
    second = started(path, 2)[1]
    parent.terminate()
    _, said = parent.communicate(timeout=20)
    assert parent.returncode == 0
    assert "child ended with -9; starting it again" in said
    assert not Path(f"/proc/{second}").exists()
