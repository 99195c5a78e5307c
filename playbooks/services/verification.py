"""Recomputing the hash chains when a person asks: in slices, since a chain may be very long."""

from django.db import transaction
from django.utils import timezone

from ace_project.core.work.loop import every_tick
from playbooks import audit
from playbooks.actors import Actor
from playbooks.audit import Link, Stretch
from playbooks.models import (
    Agent,
    AuditEvent,
    Playbook,
    PlaybookVersion,
    Verification,
    VerificationStatus,
)

# What one slice may cost, in events; a version is dear, since its content is hashed anew.
SLICE = 4_000
COST_OF_VERSION = 40
COST_OF_CHAIN = 20
MOST_PROBLEMS = 20
# The parts of a verification, in their order.
EVENTS, VERSIONS = "events", "versions"


@transaction.atomic
def start_verification(*, chain: str | None, by: Actor) -> Verification:
    """Ask for one chain (with its agent's versions) or, with None, for all to be recomputed.

    One that goes on for the same is joined. A short one ends here, others in the worker.
    """
    rows = Verification.objects.select_for_update()
    row = rows.filter(status=VerificationStatus.RUNNING, chain=chain).first()
    if row is None:
        row = Verification.objects.create(
            chain=chain, asked_by=str(by), expected=_links(chain), place=_begin(EVENTS, chain or "")
        )
    _go_on(row)
    return row


@every_tick
def verify_what_is_asked() -> None:
    """Recompute one more slice of the oldest verification that nobody works on."""
    rows = Verification.objects.filter(status=VerificationStatus.RUNNING)
    if not rows.exists():
        return
    with transaction.atomic():
        row = rows.select_for_update(skip_locked=True).order_by("id").first()
        if row is not None:
            _go_on(row)


def _links(chain: str | None) -> int:
    events, versions = AuditEvent.objects.all(), PlaybookVersion.objects.all()
    if chain is not None:
        events = events.filter(chain=chain)
        versions = versions.filter(playbook__agent__agent_id=chain)
    return events.count() + versions.count()


def _begin(part: str, chain: str) -> dict[str, object]:
    return {"part": part, "chain": chain, "number": 0, "hash": audit.GENESIS}


def _go_on(row: Verification) -> None:
    """Recompute a slice of a locked verification, and store how far it came."""
    left = SLICE
    while left > 0 and row.status == VerificationStatus.RUNNING:
        left -= _stretch(row, left)
    row.save()


def _stretch(row: Verification, left: int) -> int:
    """Recompute the next links of the chain in hand; return what that cost."""
    place = row.place
    link = Link(place["number"], place["hash"])
    if place["part"] == EVENTS:
        found = audit.check_events(place["chain"], link, left)
        row.events += found.links
        cost = found.links
    else:
        found = _versions(place["chain"], link, -(-left // COST_OF_VERSION))
        row.versions += found.links
        cost = found.links * COST_OF_VERSION
    if found.ended:
        _end_of_chain(row, found)
    else:
        row.place = {**place, "number": found.last.number, "hash": found.last.hash}
    return cost + COST_OF_CHAIN


def _versions(agent_id: str, link: Link, at_most: int) -> Stretch:
    agent = Agent.objects.select_related("playbook").filter(agent_id=agent_id).first()
    if agent is None:
        return Stretch(0, link, None, ended=True)
    return audit.check_versions(agent, link, at_most)


def _end_of_chain(row: Verification, found: Stretch) -> None:
    part = row.place["part"]
    if found.broken and len(row.problems) < MOST_PROBLEMS:
        broken = found.broken
        problem = {"chain": broken.chain, "link": broken.link, "problem": broken.problem}
        row.problems = [*row.problems, problem]
    if found.links or found.last.number:
        row.chains += part == EVENTS
        row.playbooks += part == VERSIONS
    following = _following(row, part, row.place["chain"])
    if following is not None:
        row.place = _begin(*following)
        return
    row.status = VerificationStatus.BROKEN if row.problems else VerificationStatus.WHOLE
    row.finished_at, row.place = timezone.now(), {}


def _following(row: Verification, part: str, chain: str) -> tuple[str, str] | None:
    """Return what comes after a chain: the next one's events, then versions, None at the end."""
    if row.chain is not None:
        return (VERSIONS, chain) if part == EVENTS else None
    if part == EVENTS:
        names = AuditEvent.objects.filter(chain__gt=chain).order_by("chain")
        name = names.values_list("chain", flat=True).first()
        if name is not None:
            return EVENTS, name
        chain = ""
    rows = Playbook.objects.filter(agent__agent_id__gt=chain).order_by("agent__agent_id")
    agent_id = rows.values_list("agent__agent_id", flat=True).first()
    return None if agent_id is None else (VERSIONS, agent_id)
