"""One bullet: what it is worth, how its text came about, and every delta that names it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ace_project.console import blame, keyset, recent, refusals, versions
from ace_project.console.proposal import headline
from ace_project.core.people import Role, needs
from playbooks import selectors
from playbooks.content import Bullet as Lesson
from playbooks.content import bullets
from playbooks.models import Agent, Bullet, Delta, PlaybookVersion

MOST_WORDINGS = 50
MOST_NAMED = 12
DELTAS_WINDOW = 5_000
SHOWN_DELTAS = 20
SHOWN_TRACES = 10

# Among the newest runs of the agent, as its effect is.
_USED_IN = """
SELECT id, trace_id, success, captured_at FROM (
  SELECT id, trace_id, success, captured_at, bullets FROM execution_traces
  WHERE agent_id = %s ORDER BY captured_at DESC LIMIT %s) newest
WHERE bullets ? %s ORDER BY captured_at DESC LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Wording:
    """A text that a lesson had, what it was made of, and the version that brought it in."""

    record: Bullet
    before: list[Bullet]
    version: PlaybookVersion | None
    reason: str


@needs(Role.VIEWER)
@require_safe
def page(request: HttpRequest, agent_id: str, bullet_id: str) -> HttpResponse:
    """Show a bullet of this playbook, live or gone."""
    with refusals.missing_is_404():
        agent = selectors.agent_by_id(agent_id)
    playbook = agent.playbook
    record = Bullet.objects.filter(playbook=playbook, bullet_id=bullet_id).first()
    if record is None:
        raise Http404(f"{agent_id} never had a bullet {bullet_id}")
    live = selectors.head(playbook)
    lesson = next((b for b in bullets(live.content) if b.bullet_id == bullet_id), None)
    named = [{"op": "merge", "bullet_ids": [bullet_id]}]
    heir = selectors.successors(playbook, named, live.content).get(bullet_id)
    family = _family(record)
    context = {
        "agent": agent,
        "tab": "playbook",
        "record": record,
        "lesson": lesson,
        "heir": Bullet.objects.filter(playbook=playbook, bullet_id=heir).first() if heir else None,
        "wordings": _wordings(family),
        "deltas": _deltas(agent, [*family][:MOST_NAMED]),
        "traces": _traces(agent, bullet_id),
        "looked_at": recent.USES_WINDOW,
        **_worth(agent, lesson, live),
    }
    return render(request, "bullet.html", context)


def _worth(agent: Agent, lesson: Lesson | None, live: selectors.Snapshot) -> dict[str, Any]:
    """Return the line of a bullet that is live, with its effect."""
    if lesson is None:
        return {"line": None}
    effects = recent.effects(agent, live)
    line = blame.lines_of(agent.playbook, [lesson], live.number, effects)[lesson]
    return {"line": line, "domain": blame.domain_of([line])}


def _family(record: Bullet) -> dict[str, Bullet]:
    """Return a bullet and all it was made of, the nearest first."""
    family = {record.bullet_id: record}
    names = [*record.lineage]
    while names and len(family) < MOST_WORDINGS:
        rows = Bullet.objects.filter(playbook=record.playbook_id, bullet_id__in=names)
        fresh = {row.bullet_id: row for row in rows if row.bullet_id not in family}
        family |= fresh
        names = [old for row in fresh.values() for old in row.lineage if old not in family]
    return family


def _wordings(family: Mapping[str, Bullet]) -> list[Wording]:
    rows = sorted(family.values(), key=lambda row: -row.introduced_version)
    numbers = [row.introduced_version for row in rows]
    made = versions.listed().filter(playbook=rows[0].playbook_id, number__in=numbers)
    by_number = {row.number: row for row in made}
    return [
        Wording(
            row,
            [family[old] for old in row.lineage if old in family],
            by_number.get(row.introduced_version),
            versions.reason_of(by_number[row.introduced_version])
            if row.introduced_version in by_number
            else "",
        )
        for row in rows
    ]


def _deltas(agent: Agent, names: Sequence[str]) -> list[tuple[Delta, str]]:
    """Return the newest deltas that name one of these bullets, with their change as a sentence."""
    touching = Q()
    for name in names:
        touching |= Q(operations__contains=[{"bullet_id": name}])
        touching |= Q(operations__contains=[{"bullet_ids": [name]}])
    rows = keyset.newest(Delta.objects.filter(playbook=agent.playbook), DELTAS_WINDOW)
    found = rows.filter(touching).order_by("-pk").defer("evidence", "verdicts")
    return [(row, headline(row)) for row in found[:SHOWN_DELTAS]]


def _traces(agent: Agent, bullet_id: str) -> list[dict[str, Any]]:
    """Return the newest traces that say they used it."""
    with connection.cursor() as cursor:
        cursor.execute(_USED_IN, [agent.pk, recent.USES_WINDOW, bullet_id, SHOWN_TRACES])
        names = ("pk", "trace_id", "success", "at")
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
