"""Make .venv hold the locked requirements, then become the command asked for.

    python3 bootstrap.py LOCK COMMAND [ARGUMENT...]    (the Makefile calls it)

LOCK is `base` or `dev`: requirements/LOCK.txt. COMMAND is a program of .venv/bin. Standard library
only; readable by Pythons too old for ACE, so that they can say so or hand over to a newer one.
With everything in place it touches no network and costs some 30 ms.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
# Says which interpreter made the venv, and by being there that nothing was cut short in it.
WHOLE = VENV / "made-by"
OLDEST = (3, 11)
TRIED = ("python3.13", "python3.12", "python3.11")
# Old name first: every lock contains those before it.
LOCKS = ("base", "dev")


def main() -> NoReturn:
    """Prepare and exec."""
    lock, command = sys.argv[1], sys.argv[2:]
    if not is_able(sys.executable):
        hand_over()
    # Two first starts at once would build one venv twice. pip inherits the lock: it may outlive us.
    guard = os.open(ROOT, os.O_RDONLY)
    os.set_inheritable(guard, True)
    fcntl.flock(guard, fcntl.LOCK_EX)
    make_venv()
    install(lock)
    os.close(guard)
    program = str(VENV / "bin" / command[0])
    os.execv(program, [program, *command[1:]])


def is_able(python: str) -> bool:
    """Return whether `python` is new enough and can make a venv."""
    check = f"import sys, venv, ensurepip; sys.exit(sys.version_info < {OLDEST})"
    if python == sys.executable and sys.version_info >= OLDEST and WHOLE.exists():
        return True
    done = subprocess.run(
        [python, "-c", check], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    return done.returncode == 0


def hand_over() -> NoReturn:
    """Go on under a newer Python of this machine, or say what is missing."""
    for name in TRIED:
        python = shutil.which(name)
        if python and is_able(python):
            os.execv(python, [python, *sys.argv])
    have = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST:
        fail(f"ACE needs Python 3.11 or newer; python3 is {have}.")
    fail(
        f"Python {have} cannot make a venv: install its venv package"
        " (on Debian and Ubuntu: apt-get install python3-venv)."
    )


def make_venv() -> None:
    """Make .venv anew unless a whole one of the same interpreter, at the same path, is there."""
    if WHOLE.exists() and PYTHON.exists() and WHOLE.read_text() == interpreter():
        return
    if VENV.exists():
        shutil.rmtree(VENV)
    version = ".".join(map(str, sys.version_info[:3]))
    run(f"Making .venv with Python {version}", [sys.executable, "-m", "venv", str(VENV)])
    WHOLE.write_text(interpreter())


def interpreter() -> str:
    """Return what a venv depends on: its own place and the real interpreter behind it."""
    return f"{PYTHON}\n{PYTHON.resolve()}\n"


def install(lock: str) -> None:
    """Install requirements/`lock`.txt unless just that was installed before."""
    wanted = digest(lock)
    stamp = VENV / f"{lock}.installed"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    made_by = WHOLE.read_text()
    WHOLE.unlink()
    source = ROOT / "requirements" / f"{lock}.txt"
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--no-input", "--require-hashes"]
    run(f"Installing requirements/{lock}.txt", [*pip, "-r", str(source)])
    for contained in LOCKS[: LOCKS.index(lock) + 1]:
        (VENV / f"{contained}.installed").write_text(digest(contained))
    WHOLE.write_text(made_by)


def digest(lock: str) -> str:
    """Return the hash of a lock file."""
    return hashlib.sha256((ROOT / "requirements" / f"{lock}.txt").read_bytes()).hexdigest()


def run(label: str, command: "list[str]") -> None:
    """Run one step under one line with its duration; on failure show all it said and stop."""
    print(f"{label} ... ", end="", flush=True)
    started = time.monotonic()
    environment = {**os.environ, "PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    # Settings for another Python would be obeyed by this one.
    for name in ("PYTHONHOME", "PYTHONPATH", "__PYVENV_LAUNCHER__"):
        environment.pop(name, None)
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        close_fds=False,
        check=False,
    )
    if done.returncode:
        print("failed")
        fail(done.stdout.decode(errors="replace"))
    print(f"{time.monotonic() - started:.1f} s", flush=True)


def fail(text: str) -> NoReturn:
    """Stop with `text` on stderr."""
    print(text, file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
