"""The statistical reflector, told what the agent's playbook and its reviewers already say."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from django.db.models import QuerySet

from evolution.config import Config
from evolution.marks import Mark
from evolution.models import EvolutionRun
from evolution.reflect import Reflection, reflect
from evolution.runs import Run
from playbooks import selectors
from playbooks.content import bullets
from playbooks.models import OPEN, Agent, Delta, DeltaStatus, Source

# Deltas looked at for what was turned down before; older ones may be proposed anew.
REMEMBERED = 500
SHOWN_CANDIDATES = 10
# Deltas of others that wait, looked at for what they say: an agent may send any number.
MOST_WAITING = 2_000


def reflect_on(run: EvolutionRun, runs: Sequence[Run]) -> Reflection:
    """Return what the runs support beyond what stands in the playbook or waits for a decision.

    The split and the permutations follow from the run's number: the same run finds the same.
    """
    agent = run.agent
    # A lesson that waits may be found again with more evidence: it is renewed, not proposed twice.
    waiting = waiting_deltas(agent).count()
    config = Config(
        max_deltas=int(selectors.setting(agent, "ACE_MAX_DELTAS_PER_EVOLUTION")) + waiting,
        existing=tuple(_standing(agent)),
        rejected=dict(_turned_down(agent)),
    )
    return reflect(runs, config, np.random.default_rng(run.pk))


def _standing(agent: Agent) -> Iterator[str]:
    agent.playbook.refresh_from_db()
    yield from (bullet.text for bullet in bullets(selectors.head(agent.playbook).content))
    others = Delta.objects.filter(playbook=agent.playbook, status__in=OPEN)
    newest = others.exclude(pk__in=waiting_deltas(agent)).order_by("-id")
    for operations in newest.values_list("operations", flat=True)[:MOST_WAITING].iterator():
        yield from _texts(operations)


def waiting_deltas(agent: Agent) -> QuerySet[Delta]:
    """Return the reflector's own deltas of an agent that nobody has decided yet."""
    return Delta.objects.filter(
        playbook=agent.playbook, status=DeltaStatus.PENDING_REVIEW, source=Source.STATISTICAL
    )


def _turned_down(agent: Agent) -> Iterator[tuple[str, int]]:
    """Yield lessons that were rejected or undone, with how many runs their evidence had then."""
    ended = (DeltaStatus.REJECTED, DeltaStatus.UNDONE)
    rows = Delta.objects.filter(playbook=agent.playbook, status__in=ended)
    for delta in reversed(rows.order_by("-id")[:REMEMBERED]):
        counts = delta.evidence.get("counts", {})
        seen = sum(pair[1] for pair in counts.values() if isinstance(pair, list))
        yield from ((text, seen) for text in _texts(delta.operations))


def _texts(operations: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield from (operation["text"] for operation in operations if "text" in operation)


def account(reflection: Reflection) -> dict[str, Any]:
    """Return the counts of a reflection, for a stage's line."""
    return {
        "compared": reflection.settings["runs_compared"],
        "tested": len(reflection.findings),
        "found": len(reflection.proposals),
    }


def report(reflection: Reflection) -> dict[str, Any]:
    """Return what a reader needs to understand why this, and no more, was proposed."""
    candidates = [
        {**candidate, "account": _account(candidate)}
        for candidate in reflection.candidates[:SHOWN_CANDIDATES]
    ]
    return {
        "generator": "statistical",
        "notes": list(reflection.notes),
        "candidates": candidates,
        "not_explored": list(reflection.not_explored),
        "settings": reflection.settings,
        "marks": [_mark(mark) for mark in reflection.marks],
    }


def _mark(mark: Mark) -> dict[str, Any]:
    """Return a mark as JSON; what is paired is (with the mark, without it)."""
    interval = None if mark.interval is None else [round(end, 4) for end in mark.interval]
    return asdict(mark) | {
        "lift": round(mark.lift, 4),
        "interval": interval,
        "q_value": float(f"{mark.q_value:.4g}"),
        "exploratory": mark.exploratory,
    }


def _account(candidate: dict[str, Any]) -> str:
    if candidate["lift"] is None:
        return "not tried on both sides of the held-out groups"
    words = f"lift {candidate['lift']:+.2f}, q = {candidate['q_value']:.2g}"
    if candidate["more_runs"]:
        words += f"; about {candidate['more_runs']:,} more runs would decide"
    return words
