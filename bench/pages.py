"""Addresses of every page of the console, found in its urls, so that a new one is not forgotten.

A page whose address names an agent, or nothing, is found by itself. One that names a row of
another table needs a line in `_ROWS`; without one it is uncovered, and whoever measures fails.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import Count, Model
from django.urls import URLPattern, reverse

from ace_project.console.urls import urlpatterns
from evolution.models import EvolutionRun, ExecutionTrace, LlmCall
from playbooks.models import Agent, AuditEvent, Bullet, Delta, DeltaStatus
from training.models import TrainingJob, Trajectory

METHOD_NOT_ALLOWED = 405


@dataclass(frozen=True, slots=True)
class Page:
    """One address to ask for, under the name of its url."""

    name: str
    path: str


class Samples:
    """Rows to show: the largest of each kind, and some as most are."""

    def __init__(self) -> None:
        agents = list(Agent.objects.order_by("pk"))
        self.busiest, self.queued, self.usual = agents[0], agents[1], agents[-1]
        self.agents = (self.busiest, self.queued, self.usual)

    def deltas(self) -> list[int]:
        """Return a delta of each status, of the agents with the longest lists."""
        rows = Delta.objects.filter(playbook__agent__in=self.agents).order_by("-pk")
        newest = (rows.filter(status=s).values_list("pk", flat=True).first() for s in DeltaStatus)
        # The busiest agent's too: its playbook is the largest.
        largest = rows.filter(playbook__agent=self.busiest).values_list("pk", flat=True)[:1]
        return [pk for pk in dict.fromkeys([*newest, *largest]) if pk]

    def traces(self) -> list[int]:
        """Return the trace with the most steps, and the newest one."""
        rows = ExecutionTrace.objects.filter(agent=self.busiest)
        longest = rows.order_by("-id")[:100]
        by_steps = sorted(longest.values_list("step_count", "pk"))[-1][1]
        return [by_steps, rows.latest("pk").pk]

    def runs(self) -> list[int]:
        """Return the run with the most deltas, and the newest that asked a model."""
        counted = Delta.objects.filter(run_id__isnull=False).values_list("run_id")
        most = counted.annotate(n=Count("pk")).order_by("-n")[0][0]
        return [most, EvolutionRun.objects.filter(generator="llm").latest("pk").pk]

    def jobs(self) -> list[int]:
        """Return the largest training job and the newest."""
        return [TrainingJob.objects.earliest("pk").pk, TrainingJob.objects.latest("pk").pk]


def _keys(found: Iterable[int]) -> list[dict[str, Any]]:
    return [{"pk": pk} for pk in found]


def _trajectory(samples: Samples) -> list[dict[str, Any]]:
    row = Trajectory.objects.filter(job_id=samples.jobs()[0]).latest("pk")
    return [{"pk": row.job_id, "number": row.pk}]


def _call(samples: Samples) -> list[dict[str, Any]]:
    return [{"pk": LlmCall.objects.filter(exchange__isnull=False).latest("created_at").pk}]


def _bullet(samples: Samples) -> list[dict[str, Any]]:
    """Return the newest bullet of the largest playbook, reworded where one is."""
    rows = Bullet.objects.filter(playbook__agent=samples.busiest).order_by("-pk")
    row = rows.exclude(lineage=[]).first() or rows.first()
    return [{"agent_id": samples.busiest.agent_id, "bullet_id": row.bullet_id}] if row else []


_ROWS: dict[str, Callable[[Samples], list[dict[str, Any]]]] = {
    "delta": lambda samples: _keys(samples.deltas()),
    "trace": lambda samples: _keys(samples.traces()),
    "trace_step": lambda samples: [{"pk": samples.traces()[0], "number": 2}],
    "trace_compare": lambda samples: [
        dict(zip(("pk", "other"), samples.traces(), strict=True)),
    ],
    "run": lambda samples: _keys(samples.runs()),
    "training_job": lambda samples: _keys(samples.jobs()),
    "training_export": lambda samples: _keys(samples.jobs()),
    "trajectories": lambda samples: _keys(samples.jobs()),
    "trajectory": _trajectory,
    "call": _call,
    "person": lambda samples: _keys([get_user_model()._default_manager.latest("pk").pk]),
    "bullet": _bullet,
}


def _queries(samples: Samples) -> dict[str, list[str]]:
    """Return what else some pages are asked with: filters, searches, pages far down."""
    busy, queued = samples.busiest.agent_id, samples.queued.agent_id
    versions = samples.busiest.playbook.version
    return {
        "agents": ["q=nobody-like-this", "mode=auto", f"before={_middle(Agent)}"],
        "audit": [
            f"chain={busy}",
            "event=mode_set",
            "event=version_published",
            "actor=nobody-like-this",
            f"chain={busy}&q=nobody-like-this",
            "q=version",
            "since=2020-01-01&until=2021-01-01",
            f"before={_middle(AuditEvent)}",
        ],
        "agent_tokens": ["state=live"],
        "tokens": ["state=unused", "q=nobody-like-this"],
        "budget": ["simulated=1", "calls=all"],
        "delta": ["edit=1"],
        "playbook": ["version=2", "section=strategies", "find=refund", "find=nobody-like-this"],
        "playbooks": ["q=nobody-like-this", f"before={_middle(Agent)}"],
        "review": [
            f"agent={queued}",
            f"agent={samples.usual.agent_id}",
            "risk=block",
            "risk=clear&simulated=yes",
            "sort=oldest",
            f"sort=sure&agent={queued}",
            f"sort=risk&before={_middle(Delta)}",
            "source=training",
            "status=conflict",
            "status=decided",
            f"before={_middle(Delta)}",
        ],
        "rollback": [f"to={versions - 1}", "to=1"],
        "runs": [f"agent={busy}", "status=failed", f"before={_middle(EvolutionRun)}"],
        "search": ["q=refund", "q=nobody-like-this", "q=seeded-00001-t5", "q=12"],
        "traces": _traces(samples),
        "trace_evidence": [f"trace={samples.traces()[0]}&trace={samples.traces()[1]}"],
        "training": ["state=failed", f"agent={busy}"],
        "trajectories": ["outcome=failed", "task=3", "iteration=2"],
        "version_compare": [f"from={versions - 1}&to={versions}", f"from=1&to={versions}"],
    }


def _traces(samples: Samples) -> list[str]:
    busy = samples.busiest.agent_id
    return [
        f"agent={busy}",
        f"agent={busy}&success=no&errors=yes",
        f"agent={samples.usual.agent_id}&type=refund",
        "success=no",
        "origin=imported",
        "tool=read_policy",
        "q=timeout",
        "q=nobody-like-this",
        f"before={_middle(ExecutionTrace)}",
    ]


def _middle(model: type[Model]) -> int:
    """Return a key in the middle of a table."""
    keys = model._default_manager.order_by("pk").values_list("pk", flat=True)
    return int((keys[0] + keys.last()) // 2)


def pages(posted: Collection[str]) -> list[Page]:
    """Return the addresses of all pages in the order of the urls, without those only posted to."""
    samples = Samples()
    queries = _queries(samples)
    found: list[Page] = []
    for pattern in urlpatterns:
        name = str(pattern.name)
        if name in posted:
            continue
        plain = [reverse(f"console:{name}", kwargs=kwargs) for kwargs in _kwargs(pattern, samples)]
        found += [Page(name, path) for path in plain]
        found += [Page(name, f"{plain[0]}?{query}") for query in queries.get(name, []) if plain]
    return found


def data_pages() -> list[Page]:
    """Return the list of each model in the data admin, a search of it, and its newest row."""
    found = [Page("admin", reverse("admin:index"))]
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        path = reverse(f"{name}_changelist")
        found += [Page("admin", path), Page("admin", f"{path}?q=refund")]
        newest = model._default_manager.order_by("pk").values_list("pk", flat=True).last()
        if newest is not None:
            found.append(Page("admin", reverse(f"{name}_change", args=[newest])))
    return found


def _kwargs(pattern: URLPattern, samples: Samples) -> list[dict[str, Any]]:
    """Return what a page's address may be made of; nothing for one that is not told."""
    wanted = set(pattern.pattern.converters)
    if not wanted:
        return [{}]
    if wanted == {"agent_id"}:
        return [{"agent_id": agent.agent_id} for agent in samples.agents]
    told = _ROWS.get(str(pattern.name))
    return told(samples) if told else []


def only_posted(ask: Callable[[str], int]) -> set[str]:
    """Return the names of the urls that refuse to be shown; `ask` returns an address' status."""
    agent_id = Agent.objects.order_by("pk").values_list("agent_id", flat=True)[0]
    return {
        str(pattern.name)
        for pattern in urlpatterns
        if ask(_any_address(pattern, agent_id)) == METHOD_NOT_ALLOWED
    }


def uncovered(found: Iterable[Page], posted: Collection[str]) -> list[str]:
    """Return the names of pages for which there is no address."""
    covered = {*posted, *(page.name for page in found)}
    return [str(p.name) for p in urlpatterns if str(p.name) not in covered]


def _any_address(pattern: URLPattern, agent_id: str) -> str:
    values = {"IntConverter": 1, "UUIDConverter": uuid4(), "AgentIdConverter": agent_id}
    converters = pattern.pattern.converters.items()
    kwargs = {name: values.get(type(one).__name__, "x") for name, one in converters}
    return reverse(f"console:{pattern.name}", kwargs=kwargs)
