"""Traces, and evolution runs in every state, two of them asked of a scripted model."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.test import override_settings
from django.utils import timezone

from evolution import services
from evolution.llm import dialects
from evolution.models import EvolutionRun, Generator, Trigger
from evolution.services.traces import record_batch
from playbooks.content import bullets
from playbooks.judges.council import MANDATES
from playbooks.models import Agent, PlaybookVersion
from playbooks.selectors import agent_by_id
from tests.endpoint import Endpoint, Exchange, Reply, answer, refusal
from tests.world.clock import ago

LONG, LONG_STEPS = "a-long-one", 400
TYPES = ("refund", "rebooking", "baggage", "seat")
FAILURES = (
    "fare class K has no refund rule",
    "booking 4QX7PL is locked by another session",
    "payment provider timed out after 30 s",
)


def _steps(rng: np.random.Generator, careful: bool, success: bool) -> list[dict[str, Any]]:
    names = ["find_booking", *(["get_fare_rules"] if careful else []), "get_payment_status"]
    steps = [
        {
            "tool": name,
            "arguments": {"booking": "4QX7PL", "segment": n + 1},
            "result": {"status": "ok", "amount": int(rng.integers(40, 400))},
            "seconds": round(float(rng.uniform(0.1, 2.4)), 2),
            "tokens": int(rng.integers(80, 900)),
        }
        for n, name in enumerate(names)
    ]
    last = {"tool": "offer_refund", "arguments": {"booking": "4QX7PL"}, "seconds": 0.8}
    if not success:
        last["error"] = FAILURES[int(rng.integers(len(FAILURES)))]
    return [*steps, last]


def _traces(
    owner: Agent,
    version: PlaybookVersion,
    count: int,
    moments: tuple[datetime, datetime],
    bad: float,
) -> list[dict[str, Any]]:
    """Return `count` traces between two moments; going by the fare rules is what success needs."""
    rng = np.random.default_rng([owner.pk, version.number, count])
    shown = [bullet.bullet_id for bullet in bullets(version.content)]
    begun, ended = moments
    rows = []
    for n in range(count):
        careful = bool(rng.random() < 0.6)
        success = bool(rng.random() < (0.86 if careful else 0.55) - bad)
        steps = _steps(rng, careful, success)
        rows.append(
            {
                "trace_id": f"{owner.agent_id}-v{version.number}-{count}-{n:04}",
                "task_id": f"{TYPES[n % 4]}-{n // 8}",
                "task_group": f"{owner.pk}-{TYPES[n % 4]}-{n // 8}",
                "trial": n % 2,
                "execution_time": round(sum(step["seconds"] for step in steps) + 0.4, 2),
                "success": success,
                "error_message": "" if success else steps[-1]["error"],
                "metadata": {"task_type": TYPES[n % 4]},
                "steps": steps,
                "playbook_version": version.number,
                "bullets": shown,
                "session": f"s-{n // 3}",
                "captured_at": (begun + (ended - begun) * (n + 0.5) / count).isoformat(),
            }
        )
    return rows


def _long(version: int) -> dict[str, Any]:
    """Return a trace of many steps, three of which failed."""
    steps = [
        {
            "tool": ("find_booking", "get_fare_rules", "read_page")[n % 3],
            "arguments": {"page": n, "note": "as the customer wrote it " * (n % 5)},
            "result": {"rows": n * 7 % 50},
            "seconds": 0.1 + n % 9 / 10,
        }
        | ({"error": "page not found"} if n % 120 == 100 else {})
        for n in range(LONG_STEPS)
    ]
    return {
        "trace_id": LONG,
        "task_id": "audit-of-fares",
        "success": True,
        "steps": steps,
        "playbook_version": version,
        "captured_at": ago(days=3).isoformat(),
    }


def record_traces(agent_id: str, *, each: int, today: int) -> None:
    """Record `each` traces of every version that is past, and `today` over the last two days."""
    owner = agent_by_id(agent_id)
    versions = list(owner.playbook.versions.order_by("number"))
    ends = [version.created_at for version in versions[1:]]
    for version, end in zip(versions, ends, strict=False):
        bad = 0.16 if "travel credit" in str(version.content) else 0.05
        span = (version.created_at, end)
        record_batch(agent=owner, traces=_traces(owner, version, each, span, bad))
    record_batch(agent=owner, traces=[_long(versions[-1].number)])
    now = timezone.now()
    span = (now - timedelta(hours=48), now)
    record_batch(agent=owner, traces=_traces(owner, versions[-1], today, span, 0.0))


def _proposal(text: str, confidence: float) -> dict[str, Any]:
    shows = {"tool": "get_fare_rules", "error": None, "outcome": None}
    return {
        "operations": [{"op": "add", "section": "strategies", "text": text}],
        "confidence": confidence,
        "reasoning": "Tries that read the fare rules first passed more often than those that did "
        "not. The difference shows on refunds above all.",
        "citations": [{"trace": f"T{n}", "shows": shows} for n in range(1, 9)],
    }


def _said(exchange: Exchange) -> Reply:
    """Answer as a generator, or as the council."""
    if "council" in exchange.text or "mandate" in exchange.text:
        verdicts = [
            {"judge": name, "outcome": "pass", "reason": "Nothing against it."} for name in MANDATES
        ]
        return answer({"verdicts": verdicts}, prompt=800, completed=90)
    deltas = [
        _proposal("Call get_fare_rules for every segment before offering a refund.", 0.9),
        _proposal("Tell the customer how long the payment check takes.", 0.55),
    ]
    return answer({"deltas": deltas}, prompt=5200, completed=410, cached=1200)


@contextmanager
def scripted_model(script: Any) -> Iterator[None]:
    """Point the settings at a model on loopback that answers by `script`."""
    with Endpoint(script) as endpoint:
        known = {
            "ACE_LLM_BASE_URL": endpoint.base_url,
            "ACE_LLM_API_KEY": "sk-of-the-world",
            "ACE_LLM_MODEL": "gpt-4o-mini",
        }
        with override_settings(**known):
            dialects.forget()
            yield
    dialects.forget()


def _run(agent_id: str, generator: Generator) -> EvolutionRun:
    started = services.start_run(
        agent=agent_by_id(agent_id),
        trigger=Trigger.OPERATOR,
        requested_by="person:bob",
        force=True,
        generator=generator,
    )
    assert started.run is not None, started.reason
    return services.run_in_foreground(run=started.run, progress=lambda _: None)


def make_runs() -> dict[str, EvolutionRun]:
    """Carry out one run by statistics, one by a model and one that it refuses; leave two open."""
    found = {"statistical": _run("warehouse-sql", Generator.STATISTICAL)}
    with scripted_model(_said):
        found["llm"] = _run("airline-support", Generator.LLM)
    with scripted_model([refusal(400, "the deployment does not exist")]):
        found["refused"] = _run("airline-support", Generator.LLM)
    found["failed"] = _left("claims-intake.v2", "failed", error="connection to the endpoint lost")
    begun = ago(hours=0.01).isoformat()
    stages = [
        {"name": "select traces", "started_at": begun, "seconds": 0.2, "traces": 58},
        {"name": "reflect", "started_at": begun},
    ]
    found["running"] = _left("hotel-booking", "running", stages=stages, started_at=ago())
    found["queued"] = _left("warehouse-sql", "queued")
    return found


def _left(agent_id: str, status: str, **fields: Any) -> EvolutionRun:
    """Leave the row of a run as a worker would have."""
    return EvolutionRun.objects.create(
        agent=agent_by_id(agent_id),
        trigger=Trigger.AUTOMATIC,
        requested_by="automatic",
        status=status,
        **fields,
    )
