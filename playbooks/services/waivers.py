"""An operator's word that a named judge shall not hold deltas back: for a reason, for a time."""

import re
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from ace_project.core.errors import Conflict, InvalidInput
from ace_project.core.work.loop import every_tick
from playbooks import audit
from playbooks.actors import AUTOMATIC, Actor
from playbooks.judges.waived import NEVER_WAIVED
from playbooks.models import OPEN, Agent, Delta, Playbook, Waiver
from playbooks.services.decisions import decide_again, mark_waivers
from playbooks.services.publish import locked_playbook

LONGEST = timedelta(days=90)
MAX_REASON = 2000
_JUDGE = re.compile(r"[a-z][a-z0-9_]{0,63}")
# Deltas decided under one lock; each may publish a version. What is left waits for a tick.
FREED_AT_ONCE = 50
_EXPIRED_AT_ONCE = 100


@transaction.atomic
def waive_verdict(
    *,
    agent: Agent,
    judge: str,
    reason: str,
    until: datetime,
    by: Actor,
    delta: Delta | None = None,
) -> Waiver:
    """Let blocks of `judge` hold back no delta of the agent (or not this one) until `until`.

    What waits is decided again: in `auto` it may apply. The caller checks that an operator asks.
    Raises InvalidInput for a judge that cannot be waived, no reason, or an end that is past or
    over 90 days away; Conflict where it is waived already, or the delta is decided.
    """
    now = timezone.now()
    _check(judge, reason, until, now)
    playbook = locked_playbook(agent.playbook.pk)
    if delta is not None:
        delta = _open(playbook, delta)
    if _in_force(agent, delta, judge, now).exists():
        raise Conflict(f"{judge} is waived already: end that waiver first")
    waiver = Waiver.objects.create(
        agent=agent,
        delta=delta,
        judge=judge,
        reason=reason.strip(),
        waived_by=str(by),
        created_at=now,
        expires_at=until,
    )
    _audit(waiver, "verdict_waived", by, now)
    _free(waiver, playbook, now)
    return waiver


def _free(waiver: Waiver, playbook: Playbook, now: datetime) -> None:
    """Decide again what a waiver is about, the oldest first, as much as one lock may take."""
    blocked = Q(verdicts__contains=[_blocked(waiver.judge)])
    for held in _concerned(waiver, playbook, blocked)[:FREED_AT_ONCE]:
        mark_waivers(held, playbook.agent, now)
        decide_again(held, playbook, now)


@every_tick
def free_what_waits_still() -> None:
    """Decide what a waiver concerns and its own request had no time for; marked ones are done."""
    now = timezone.now()
    in_force = Waiver.objects.filter(ended_at=None, expires_at__gt=now, delta=None)
    for waiver in in_force.select_related("agent__playbook"):
        rows = waiver.agent.playbook.deltas.filter(
            status__in=OPEN, verdicts__contains=[_blocked(waiver.judge)]
        )
        if rows.exists():
            _free_more(waiver, now)


@transaction.atomic
def _free_more(waiver: Waiver, now: datetime) -> None:
    playbook = locked_playbook(waiver.agent.playbook.pk)
    if _in_force(waiver.agent, None, waiver.judge, now).exists():
        _free(waiver, playbook, now)


def _check(judge: str, reason: str, until: datetime, now: datetime) -> None:
    errors = []
    if judge in NEVER_WAIVED:
        errors.append({"pointer": "/judge", "message": f"{judge} is never waived"})
    elif not _JUDGE.fullmatch(judge):
        errors.append({"pointer": "/judge", "message": "not the name of a judge"})
    if not reason.strip() or len(reason) > MAX_REASON or "\x00" in reason:
        message = f"a text of 1 to {MAX_REASON:,} characters"
        errors.append({"pointer": "/reason", "message": message})
    if not now < until <= now + LONGEST:
        message = f"a moment in the next {LONGEST.days} days"
        errors.append({"pointer": "/until", "message": message})
    if errors:
        raise InvalidInput("the waiver cannot be given", errors)


def _open(playbook: Playbook, delta: Delta) -> Delta:
    row = playbook.deltas.filter(pk=delta.pk).first()
    if row is None:
        raise InvalidInput("the delta is another agent's")
    if row.status not in OPEN:
        raise Conflict(f"delta {row.pk} is decided already: there is nothing to waive")
    return row


def _in_force(agent: Agent, delta: Delta | None, judge: str, now: datetime) -> QuerySet[Waiver]:
    return Waiver.objects.filter(
        agent=agent, delta=delta, judge=judge, ended_at=None, expires_at__gt=now
    )


def _blocked(judge: str) -> dict[str, str]:
    return {"judge": judge, "outcome": "block"}


@transaction.atomic
def end_waiver(*, waiver: Waiver, by: Actor) -> Waiver:
    """End a waiver before its time; what still waits is blocked again. Raises Conflict if ended."""
    now = timezone.now()
    if not _end(waiver, by, now, "waiver_ended"):
        raise Conflict("the waiver has ended already")
    return waiver


def _end(waiver: Waiver, by: Actor, now: datetime, event: str) -> bool:
    """End a waiver once, and let open deltas show what blocks them again."""
    playbook = locked_playbook(waiver.agent.playbook.pk)
    ended = Waiver.objects.filter(pk=waiver.pk, ended_at=None)
    if not ended.update(ended_at=now, ended_by=str(by)):
        return False
    waiver.refresh_from_db()
    _audit(waiver, event, by, now)
    marked = Q(verdicts__contains=[{"judge": waiver.judge, "data": {"waived": {}}}])
    for held in _concerned(waiver, playbook, marked):
        mark_waivers(held, playbook.agent, now)
    return True


def _concerned(waiver: Waiver, playbook: Playbook, verdict: Q) -> QuerySet[Delta]:
    """Return the open deltas that a waiver is about, locked, the oldest first."""
    rows = playbook.deltas.select_for_update().filter(verdict, status__in=OPEN)
    if waiver.delta_id is not None:
        rows = rows.filter(pk=waiver.delta_id)
    return rows.order_by("pk")


@every_tick
def end_expired_waivers() -> None:
    """Say of waivers whose time is over that they ended; decisions judge by the time alone."""
    now = timezone.now()
    expired = Waiver.objects.filter(ended_at=None, expires_at__lte=now)
    for waiver in expired.select_related("agent__playbook")[:_EXPIRED_AT_ONCE]:
        with transaction.atomic():
            _end(waiver, AUTOMATIC, now, "waiver_expired")


def _audit(waiver: Waiver, event: str, by: Actor, now: datetime) -> None:
    delta = waiver.delta
    data = {
        "judge": waiver.judge,
        "reason": waiver.reason,
        "until": waiver.expires_at.isoformat(),
        "delta_id": str(delta.delta_id) if delta else None,
    }
    subject = f"delta {delta.pk}" if delta else waiver.judge
    audit.record(waiver.agent.agent_id, event, by, now=now, subject=subject, data=data)
