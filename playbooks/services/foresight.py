"""What approving several deltas one after the other would do; nothing is written or locked."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ace_project.core.errors import AceError
from playbooks import operations as rules
from playbooks import selectors
from playbooks.actors import Actor
from playbooks.content import Content, ContentError, same
from playbooks.models import OPEN, Delta
from playbooks.services.approvals import check_voter, quorum_of


class Prospect(StrEnum):
    """What becomes of a delta: its change is live, one approval is kept, or nothing happens."""

    LIVE = "live"
    ONCE = "once"
    STAYS = "stays"


@dataclass(frozen=True, slots=True)
class Foreseen:
    """One delta; `version` is the one that its change would be live in, `why` that it stays."""

    delta: Delta
    prospect: Prospect
    version: int | None = None
    why: str = ""


@dataclass(slots=True)
class _Ahead:
    """A playbook as it would stand after the deltas looked at so far."""

    content: Content
    version: int


def foresee_approvals(*, deltas: Sequence[Delta], by: Actor) -> list[Foreseen]:
    """Return what approving these deltas in this order would do, each on what those before make."""
    ahead: dict[int, _Ahead] = {}
    found = []
    for delta in deltas:
        playbook = delta.playbook
        if playbook.pk not in ahead:
            ahead[playbook.pk] = _Ahead(selectors.head(playbook).content, playbook.version)
        found.append(_foresee(delta, ahead[playbook.pk], by))
    return found


def _foresee(delta: Delta, ahead: _Ahead, by: Actor) -> Foreseen:
    if delta.status not in OPEN:
        return Foreseen(
            delta, Prospect.STAYS, why=f"it is {delta.get_status_display().lower()} already"
        )
    quorum = quorum_of(delta, delta.playbook.agent, delta.operations, ahead.content)
    try:
        check_voter(delta, quorum, by)
    except AceError as refusal:
        return Foreseen(delta, Prospect.STAYS, why=refusal.detail)
    rebased = rules.rebase(delta.expectations, delta.operations, ahead.content)
    if rebased.conflicts:
        moved = ahead.version != delta.playbook.version
        why = "it would not fit what comes before it here" if moved else "it is in conflict"
        return Foreseen(delta, Prospect.STAYS, why=f"{why}: open it to choose a side")
    if quorum.missing > 1:
        return Foreseen(delta, Prospect.ONCE)
    try:
        result = rules.apply(ahead.content, rebased.ok)
    except (rules.OperationError, ContentError) as refusal:
        return Foreseen(delta, Prospect.STAYS, why=str(refusal))
    if not same(result.content, ahead.content):
        ahead.content, ahead.version = result.content, ahead.version + 1
    return Foreseen(delta, Prospect.LIVE, ahead.version)
