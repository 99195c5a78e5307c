"""A whole installation in use: agents with a past, work under way, money spent, people."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib.auth import get_user_model
from django.db.models.functions import Now
from django.utils import timezone

from ace_project.core import tokens
from ace_project.core.models import WorkerBeat
from evolution import services as evolution
from evolution.models import ExecutionTrace
from playbooks import services
from playbooks.actors import AUTOMATIC
from playbooks.models import Delta
from playbooks.selectors import agent_by_id
from tests.world import history, money, trainings, work
from tests.world.people import PASSWORD, make_people
from training.services import make_demonstration

__all__ = ["PASSWORD", "World", "beat", "make_people", "make_world"]


@dataclass(frozen=True)
class World:
    """What was made. `samples` fills addresses in: by first part of the path, then by name."""

    samples: dict[str, dict[str, Any]]
    # By the page's name: what a further view of it shows, and its address.
    views: dict[str, dict[str, str]]


def beat() -> None:
    """Let a worker say that it lives."""
    WorkerBeat.objects.update_or_create(name="worker-1:1", defaults={"threads": 2})
    WorkerBeat.objects.update(beat_at=Now())


def make_world(
    *, each: int = 120, today: int = 480, iterations: int = 184, runs: int = 400
) -> World:
    """Make all but the people; smaller numbers make it faster and its figures thinner."""
    beat()
    make_demonstration(author=AUTOMATIC, runs=runs, seed=10)
    deltas = history.make_history()
    work.record_traces("airline-support", each=each, today=today)
    work.record_traces("warehouse-sql", each=each, today=today // 2)
    done = work.make_runs()
    lost = money.make_spending()
    jobs, trajectory = trainings.make_trainings(iterations)
    _, row = tokens.issue("airline-support", name="production")
    _, old = tokens.issue("airline-support", name="staging")
    tokens.revoke(old.jti)
    evolution.pause_evolution(
        agent=agent_by_id("claims-intake.v2"), by=history.BOB, reason="Its tools are being moved"
    )
    services.waive_verdict(
        agent=agent_by_id("warehouse-sql"),
        judge="duplication",
        reason="The new schema repeats names",
        until=timezone.now() + timedelta(days=3),
        by=history.BOB,
    )
    traces = ExecutionTrace.objects.filter(agent__agent_id="airline-support").defer("steps")
    failed = traces.filter(success=False).latest("captured_at")
    other = traces.filter(task_group=failed.task_group).exclude(pk=failed.pk)[0]
    samples = {
        "": {"agent_id": "airline-support", "jti": row.jti},
        "guided": {"pk": _demo_delta().pk},
        "review": {"pk": deltas["plain"].pk},
        "playbooks": {"bullet_id": history.LIMIT},
        "traces": {"pk": failed.pk, "other": other.pk, "number": 1},
        "runs": {"pk": done["llm"].pk},
        "training": {"pk": jobs["running"].pk, "number": trajectory.pk},
        "calls": {"pk": done["llm"].calls.latest("created_at").pk},
        "sign-in": {"pk": 1, "token": "used-long-ago", "provider_id": "oidc"},
        "people": {"pk": get_user_model().objects.get(username="bob").pk},
        "account": {"pk": Authenticator.objects.get(type=Authenticator.Type.WEBAUTHN).pk},
        "agents": {"pk": 1},
    }
    views = _views(deltas, done, jobs, lost)
    views["trace"] = {"long": f"/traces/{traces.get(trace_id=work.LONG).pk}/"}
    views["trace_evidence"] = {"chosen": f"/traces/evidence/?trace={failed.pk}&trace={other.pk}"}
    return World(samples, views)


def _demo_delta() -> Delta:
    return Delta.objects.filter(playbook__agent__agent_id="workshop-demo").latest("pk")


def _views(deltas: Any, done: Any, jobs: Any, lost: Any) -> dict[str, dict[str, str]]:
    """Return the views that one page has beside its plain one."""
    delta = {name: f"/review/{row.pk}/" for name, row in deltas.items()}
    edit = {"edit": f"/review/{deltas['plain'].pk}/?edit=1"}
    ticked = "&".join(f"delta={deltas[name].pk}" for name in ("plain", "conflict", "vetoed"))
    playbook = "/playbooks/airline-support/"
    return {
        "overview": {"lesson": f"/?lesson={_demo_delta().pk}"},
        "review": {"decided": "/review/?status=decided", "conflict": "/review/?status=conflict"},
        "review_selected": {"three": f"/review/selected/?{ticked}"},
        "delta": delta | edit | {"evidence": f"/review/{_demo_delta().pk}/"},
        "playbook": {"old": f"{playbook}?version=2", "empty": "/playbooks/claims-intake.v2/"},
        "propose": {"bullet": f"{playbook}propose/?bullet={history.LIMIT}"},
        "traces": {"none": "/traces/?agent=nobody", "failed": "/traces/?success=no&q=locked"},
        "run": {name: f"/runs/{row.pk}/" for name, row in done.items() if name != "llm"},
        "training_job": {
            name: f"/training/{row.pk}/" for name, row in jobs.items() if name != "running"
        },
        "search": {"found": "/search/?q=refund", "nothing": "/search/?q=zzzz"},
        "call": {"lost": f"/calls/{lost.pk}/"},
        "agent": {"paused": "/agents/claims-intake.v2/"},
        "account": {"guarded": "/account/"},
        "person": {"guarded": f"/people/{get_user_model().objects.get(username='eve').pk}/"},
        "mfa_view_recovery_codes": {"seen": "/account/codes/"},
    }
