"""Processes that call a model until the budget stops them, or somebody kills them.

One warm process imports all there is once and forks them, so that a new one is there in a moment;
each opens its own connections. Lines on stdin: the name of a process to make. Lines on stdout:
`<name> <pid>` when it was made, `<name> ended <how>` when the budget stopped it.
"""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from threading import Thread
from typing import Any

from django.conf import settings

from ace_project.core.errors import AceError
from tests.conftest import ROOT
from tests.servers import database_url
from tests.waiting import wait_until

# What one call costs at most; the endpoint counts nearly as much, so that a race would show.
MAX_TOKENS = 4000
USAGE = {"prompt": 30, "completed": MAX_TOKENS}
USD_PER_MILLION = 5
COST = Decimal((USAGE["prompt"] + USAGE["completed"]) * USD_PER_MILLION).scaleb(-6)


class Spenders:
    """The warm process, as a test sees it."""

    def __init__(self, child: "subprocess.Popen[str]") -> None:
        self._child = child
        self._pids: dict[str, int] = {}
        # How those ended that nobody killed.
        self.ended: dict[str, str] = {}
        Thread(target=self._listen, daemon=True, name="spenders").start()

    def make(self, name: str) -> int:
        """Return the pid of a new process that spends under `name`."""
        assert self._child.stdin
        self._child.stdin.write(f"{name}\n")
        self._child.stdin.flush()
        wait_until(lambda: name in self._pids or self._is_gone(), f"{name} to be made", pause=0.002)
        return self._pids[name]

    def _is_gone(self) -> bool:
        return self._child.poll() is not None

    def _listen(self) -> None:
        assert self._child.stdout
        for line in self._child.stdout:
            name, what = line.rstrip("\n").split(" ", 1)
            if what.startswith("ended "):
                self.ended[name] = what.removeprefix("ended ")
            else:
                self._pids[name] = int(what)


@contextmanager
def spenders(base_url: str, folder: Path, budget_usd: Decimal) -> Iterator[Spenders]:
    """Start the warm process on the test's own database; what it forked ends with it."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "ace_project.settings.dev",
        "DATABASE_URL": database_url(),
        "SECRET_KEY": settings.SECRET_KEY,
        "ACE_VAR_DIR": str(folder),
        "ACE_LLM_BASE_URL": base_url,
        "ACE_LLM_MODEL": "scripted",
        "ACE_LLM_FALLBACK_MODELS": "",
        "ACE_LLM_TIMEOUT_SECONDS": "600",
        "ACE_LLM_MAX_CONCURRENT": "1000",
        "ACE_LLM_CALLS_PER_MINUTE": "1000000",
        "ACE_LLM_TOKENS_PER_MINUTE": "1000000000",
        "ACE_MONTHLY_BUDGET_USD": str(budget_usd),
        "ACE_COST_PER_1M_TOKENS": str(USD_PER_MILLION),
    }
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.spenders"],
        env=environment,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Spenders(child)
    finally:
        # It kills what it forked when its stdin ends.
        assert child.stdin
        child.stdin.close()
        child.wait(30)


def _serve() -> None:
    import django

    django.setup()
    from evolution.llm import gateway

    _warm_up()
    living: list[int] = []
    for line in sys.stdin:
        name = line.strip()
        pid = os.fork()
        if not pid:
            _spend(gateway, name)
        living.append(pid)
        _say(f"{name} {pid}")
    for pid in living:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _warm_up() -> None:
    """Load what the first call loads, without a database: half a second for each process."""
    from evolution.ledger import Usage
    from evolution.llm import client, prices
    from evolution.llm.failures import CallFailed
    from evolution.llm.providers import endpoint_at

    nobody = endpoint_at("http://127.0.0.1:1/v1", "", {})
    body = {"model": "scripted", "messages": [{"role": "user", "content": "?"}]}
    with contextlib.suppress(CallFailed):
        client.send(nobody, body, seconds=5.0, at_most_tokens=1)
    prices.quote(nobody.name, "scripted", Usage(1, 0, 1), datetime.now(UTC))


def _spend(gateway: Any, name: str) -> None:
    how = "in an error that nobody foresaw"
    try:
        for number in itertools.count():
            messages = [{"role": "user", "content": f"{name} {number}"}]
            gateway.ask(gateway.Question(messages, None, "generate", MAX_TOKENS))
    except gateway.BudgetExceeded:
        how = "by the budget"
    except AceError as error:
        how = repr(error)
    finally:
        # Never back into the loop of the process that forked this one.
        _say(f"{name} ended {how}")
        os._exit(0)


def _say(line: str) -> None:
    # One write for a line: the processes share the pipe.
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    _serve()
