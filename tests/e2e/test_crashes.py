"""Whatever dies, every run ends exactly once and no delta comes twice."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import redis

from tests.conftest import ROOT
from tests.endpoint import Endpoint, Exchange, Reply, answer

WAIT_SECONDS = 60


class Installation:
    """A whole ACE of its own: embedded PostgreSQL in a folder, processes started from the shell."""

    def __init__(self, var_dir: Path, **env: str) -> None:
        clean = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL")}
        self.var_dir = var_dir
        self.env = clean | {
            "ACE_VAR_DIR": str(var_dir),
            "DJANGO_SETTINGS_MODULE": "ace_project.settings.dev",
            "ACE_LEASE_SECONDS": "1",
            **env,
        }

    def manage(self, *arguments: str) -> str:
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def python(self, code: str) -> str:
        return self.manage("shell", "--no-imports", "-v", "0", "-c", code).strip()

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        command = [sys.executable, str(ROOT / "manage.py"), "worker", "--threads", "2"]
        child = subprocess.Popen(command, env=self.env, stderr=subprocess.DEVNULL)
        try:
            yield child
        finally:
            child.terminate()
            child.wait(30)

    def queue_runs(self, agents: int) -> None:
        self.python(
            "from evolution import services; from evolution.models import Trigger\n"
            "from playbooks.models import Agent\n"
            f"for agent in Agent.objects.order_by('pk')[:{agents}]:\n"
            "    services.start_run(agent=agent, trigger=Trigger.API, requested_by='t', force=True)"
        )

    def statuses(self) -> dict[str, int]:
        out = self.python(
            "import json; from django.db.models import Count\n"
            "from evolution.models import EvolutionRun\n"
            "print(json.dumps(dict(EvolutionRun.objects.values_list('status')"
            ".annotate(n=Count('pk')).order_by())))"
        )
        return dict(json.loads(out))

    def offer_again(self) -> None:
        """Let the next worker look at once at what a dead one held."""
        self.python(
            "from evolution.models import EvolutionRun\n"
            "EvolutionRun.objects.update(offered_at=None)"
        )

    def duplicate_deltas(self) -> int:
        out = self.python(
            "from playbooks.models import Delta\n"
            "seen = [(d.playbook_id, d.run_id, str(d.operations)) for d in Delta.objects.all()]\n"
            "print(len(seen) - len(set(seen)))"
        )
        return int(out)


def wait_for(condition: Callable[[], Any], what: str) -> None:
    """Wait until `condition` holds."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.2)


@pytest.fixture
def make() -> Iterator[Callable[..., Installation]]:
    """Return a function that makes an installation, in a folder that the server's user can enter.

    Not in pytest's own: another run of pytest closes that folder to everybody else.
    """
    with ExitStack() as folders:

        def call(**env: str) -> Installation:
            folder = Path(
                folders.enter_context(TemporaryDirectory(prefix="ace-crash-", dir="/tmp"))
            )
            folder.chmod(0o711)
            installation = Installation(folder, **env)
            installation.manage("migrate", "-v", "0")
            return installation

        yield call


@pytest.fixture
def installation(make: Callable[..., Installation]) -> Installation:
    """Return an installation with four workshop agents that have something to learn from."""
    made = make()
    for seed in range(4):
        made.manage("workshop", "--agent", f"bot-{seed}", "--seed", str(seed), "--runs", "120")
    return made


def test_a_worker_killed_again_and_again_loses_no_run_and_doubles_no_delta(
    installation: Installation,
) -> None:
    rng = random.Random(20)
    installation.queue_runs(4)
    for _ in range(6):
        with installation.worker() as child:
            time.sleep(rng.uniform(0.8, 2.2))
            child.send_signal(signal.SIGKILL)
            child.wait()
        # Interrupted on purpose: what counts is that the rows tell the whole story.
        if installation.statuses() == {"completed": 4}:
            installation.queue_runs(4)
    with installation.worker():
        wait_for(lambda: set(installation.statuses()) == {"completed"}, "every run to complete")
    assert installation.duplicate_deltas() == 0
    installation.manage("verify_history")


def lessons_of_its_own(exchange: Exchange) -> Reply:
    """Return two lessons that no other answer has, so that a run asked twice would show."""
    shows = {"tool": None, "error": None, "outcome": "failure"}
    deltas = [
        {
            "operations": [
                {"op": "add", "section": "strategies", "text": f"Before {tool}, call {other}."}
            ],
            "confidence": 0.5,
            "reasoning": "It failed. It would not have.",
            "citations": [{"trace": "T1", "shows": shows}],
        }
        for tool, other in ((f"pay_{exchange.number}", "look"), (f"end_{exchange.number}", "check"))
    ]
    return answer({"deltas": deltas}, delay=0.3)


def test_a_worker_killed_while_a_model_answers_proposes_one_answer_once(
    make: Callable[..., Installation],
) -> None:
    rng = random.Random(21)
    with Endpoint(lessons_of_its_own) as endpoint:
        made = make(ACE_LLM_BASE_URL=endpoint.base_url, ACE_LLM_API_KEY="sk-of-the-tests")
        made.manage("workshop", "--agent", "bot", "--seed", "1", "--runs", "60")
        made.queue_runs(1)
        for _ in range(2):
            with made.worker() as child:
                wait_for(lambda: endpoint.log, "a question")
                time.sleep(rng.uniform(0.0, 0.6))
                child.send_signal(signal.SIGKILL)
                child.wait()
            made.offer_again()
        with made.worker():
            wait_for(lambda: made.statuses() == {"completed": 1}, "the run to complete")
    proposed = made.python(
        "from playbooks.models import Delta\nprint(Delta.objects.filter(source='llm').count())"
    )
    assert int(proposed) == 2


def test_the_embedded_postgresql_killed_with_runs_queued_is_revived_and_all_runs_end_once(
    installation: Installation,
) -> None:
    installation.queue_runs(4)
    with installation.worker():
        pid_file = installation.var_dir / "postgres" / "data" / "postmaster.pid"
        wait_for(pid_file.exists, "the server to start")
        time.sleep(0.3)
        os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)
        wait_for(lambda: installation.statuses() == {"completed": 4}, "every run to complete")
    assert installation.duplicate_deltas() == 0
    installation.manage("verify_history")


@pytest.mark.redis
def test_runs_queued_in_a_redis_that_is_flushed_all_end_once(
    make: Callable[..., Installation], redis_url: str
) -> None:
    made = make(REDIS_URL=redis_url, ACE_REDIS_PREFIX="crash-test")
    for seed in range(3):
        made.manage("workshop", "--agent", f"bot-{seed}", "--seed", str(seed), "--runs", "60")
    made.queue_runs(3)
    client = redis.Redis.from_url(redis_url)
    assert client.keys("crash-test-work*"), "the nudges were not in Redis to begin with"
    client.flushdb()
    with made.worker():
        wait_for(lambda: made.statuses() == {"completed": 3}, "every run to complete")
    assert made.duplicate_deltas() == 0


def test_a_redis_that_cannot_be_reached_delays_nothing_but_the_nudge(
    make: Callable[..., Installation],
) -> None:
    made = make(REDIS_URL="redis://127.0.0.1:1/0")
    made.manage("workshop", "--agent", "bot", "--seed", "1", "--runs", "40")
    made.queue_runs(1)
    assert made.statuses() == {"queued": 1}
