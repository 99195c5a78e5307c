"""Looking after a playbook: counters, and offers of what may leave it, decided by people alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from evolution import counters, offers
from evolution.bullet_effects import ENOUGH_USES, measure
from evolution.drafts import Draft, draft_key
from evolution.offers import Near, Offer, Standing
from playbooks.content import Content, bullets, canonical
from playbooks.judges.evidence import UPKEEP
from playbooks.models import OPEN, Agent, Bullet, Delta, DeltaStatus, Source
from playbooks.selectors import setting
from playbooks.tokens import estimate_tokens

# Offers that one run makes; what is beyond is said in numbers, and comes with the next.
MOST_OFFERS = 20
KINDS = UPKEEP
# What was turned down is offered again when the runs behind it have grown so many times.
GREW = 2
REMEMBERED = 1_000
_TAKING = ("remove", "merge", "update")


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What a look at a playbook came to: `left` counts the offers beyond those of one run."""

    drafts: list[Draft]
    left: dict[str, int]
    waiting: int  # offers found that wait for a person already
    pairs: list[Near]
    tokens: int
    budget: int

    @property
    def withheld(self) -> list[Near]:
        """Return the pairs that are near-duplicates by their cosine, and yet not offered."""
        return [pair for pair in self.pairs if pair.cosine >= offers.MERGE and not pair.offered]

    def nearest(self, count: int) -> tuple[list[Near], list[Near]]:
        """Return the `count` pairs next to the threshold, from there up and from there down."""
        above = [pair for pair in self.pairs if pair.cosine >= offers.MERGE]
        below = [pair for pair in self.pairs if pair.cosine < offers.MERGE]
        return above[-count:][::-1], below[:count]


def look_after(agent: Agent, content: Content) -> Upkeep:
    """Look for twins, harmful and stale bullets and for what is over the token budget.

    No offer applies itself. A bullet that an open delta would take, or that a person left in, is
    not offered.
    """
    standing = known_bullets(agent, content)
    tokens = estimate_tokens(canonical(content).decode())
    budget = int(setting(agent, "ACE_PLAYBOOK_MAX_TOKENS"))
    past = _Past(agent)
    twins = offers.merges(standing, past.is_apart)
    found = [*offers.harmful(standing), *twins.offers, *offers.stale(standing)]
    fresh = [offer for offer in found if past.allows(offer)]
    taken = {name for offer in fresh for name in offer.names} | past.touched
    if budget:
        rest = [known for known in standing if known.name not in taken and past.may_go(known)]
        leaving = sum(offer.tokens for offer in _apart(fresh)) + past.leaving(standing)
        fresh += offers.over_budget(rest, tokens, budget, leaving)
    fresh = _apart(fresh)
    return Upkeep(
        drafts=[_draft(offer) for offer in fresh[:MOST_OFFERS]],
        left=_by_kind(fresh[MOST_OFFERS:]),
        waiting=past.waiting,
        pairs=twins.pairs,
        tokens=tokens,
        budget=budget,
    )


def _apart(found: Sequence[Offer]) -> list[Offer]:
    """Return the offers, the first of those that touch one bullet alone."""
    kept: list[Offer] = []
    taken: set[str] = set()
    for offer in found:
        if taken.isdisjoint(offer.names):
            kept.append(offer)
            taken.update(offer.names)
    return kept


def _by_kind(found: Sequence[Offer]) -> dict[str, int]:
    kinds = [offer.kind for offer in found]
    return {kind: kinds.count(kind) for kind in KINDS if kind in kinds}


def _draft(offer: Offer) -> Draft:
    return Draft(
        key=draft_key([offer.kind, offer.operations]),
        source=Source.STATISTICAL,
        confidence=offer.confidence,
        operations=offer.operations,
        reasoning=offer.reasoning,
        evidence=offer.evidence | {"bullets": list(offer.names), "seen": offer.seen},
        may_apply=False,
    )


def known_bullets(agent: Agent, content: Content) -> list[Standing]:
    """Return the bullets of `content` with their counters and their effects in the newest runs."""
    recent = counters.recent_uses(agent, content, settings.ACE_EVOLUTION_MAX_TRACES)
    effects = measure(recent.uses, recent.success, recent.kind, recent.group)
    rows = Bullet.objects.filter(playbook=agent.playbook, bullet_id__in=recent.names)
    fields = ("bullet_id", "used", "introduced_version")
    records = {name: (used, version) for name, used, version in rows.values_list(*fields)}
    kinds = [recent.kinds[number] for number in recent.kind]
    columns = {name: column for column, name in enumerate(recent.names)}
    standing = []
    for bullet in bullets(content):
        column = columns[bullet.bullet_id]
        used, introduced = records.get(bullet.bullet_id, (0, 1))
        able = offers.able_runs(bullet, introduced, recent.versions, kinds)
        idle = offers.idle_since(recent.uses[:, column], able)
        standing.append(Standing(bullet, effects[column], used, int(able.sum()), idle))
    return standing


class _Past:
    """What waits for a person, and what people turned down: neither is offered again."""

    def __init__(self, agent: Agent) -> None:
        rows = Delta.objects.filter(playbook=agent.playbook).order_by("-id")
        fields = ("operations", "evidence")
        waiting = [*rows.filter(status__in=OPEN).values_list(*fields)[:REMEMBERED]]
        self.touched = {name for operations, _ in waiting for name in _taken(operations)}
        self._kept = {evidence.get("kept") for _, evidence in waiting}
        self.waiting = sum(evidence.get("kind") in KINDS for _, evidence in waiting)
        ended = rows.filter(
            status__in=(DeltaStatus.REJECTED, DeltaStatus.UNDONE), evidence__kind__in=KINDS
        )
        self._apart: set[frozenset[str]] = set()
        self._seen: dict[str, int] = {}
        for evidence in ended.values_list("evidence", flat=True)[:REMEMBERED]:
            self._remember(evidence)

    def _remember(self, evidence: dict[str, Any]) -> None:
        names = [str(name) for name in evidence.get("bullets", [])]
        if evidence["kind"] == "near_duplicates":
            self._apart |= {frozenset((a, b)) for a in names for b in names if a != b}
            return
        for name in names:
            self._seen[name] = max(self._seen.get(name, 0), int(evidence.get("seen", 0)))

    def is_apart(self, one: str, other: str) -> bool:
        """Tell whether a person kept two bullets that were offered as one."""
        return frozenset((one, other)) in self._apart

    def allows(self, offer: Offer) -> bool:
        """Tell whether an offer is new, or rests on many more runs than what was turned down."""
        if not self.touched.isdisjoint(offer.names):
            return False
        return offer.kind == "near_duplicates" or self._grew(offer.names[0], offer.seen)

    def may_go(self, known: Standing) -> bool:
        """Tell whether a bullet may be offered for the room that it takes."""
        return self._grew(known.name, known.used)

    def _grew(self, name: str, seen: int) -> bool:
        before = self._seen.get(name)
        return before is None or seen >= GREW * max(before, ENOUGH_USES)

    def leaving(self, standing: Sequence[Standing]) -> int:
        """Return the tokens that go if everything that waits is approved."""
        going = self.touched - self._kept
        return sum({known.name: known.tokens for known in standing if known.name in going}.values())


def _taken(operations: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the bullets that operations would take away or reword."""
    for operation in operations:
        if operation["op"] in _TAKING:
            yield from operation.get("bullet_ids", ())
            if "bullet_id" in operation:
                yield operation["bullet_id"]
