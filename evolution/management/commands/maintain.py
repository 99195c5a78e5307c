"""Look after one playbook: count uses, offer what may leave it."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from ace_project.core.commands import AceCommand
from ace_project.core.people import operator_named
from evolution import counters, maintenance, offers
from evolution.drafts import Draft
from evolution.maintenance import Upkeep
from evolution.offers import Near
from playbooks import actors, operations
from playbooks import services as playbooks
from playbooks.content import bullets
from playbooks.models import Agent, Delta, Source
from playbooks.selectors import agent_by_id, head

NEAREST = 5
SHOWN = 100  # characters of a text


class Command(AceCommand):
    help = (
        "Count the uses of an agent's bullets in its new traces, and offer what may leave its\n"
        "playbook: merges of near-duplicates, removals of harmful and stale bullets and of what\n"
        "is over the token budget. Every offer waits for a person."
    )
    example = "maintain airline-support --json"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("agent")
        parser.add_argument("--dry-run", action="store_true", help="count and show, offer nothing")
        parser.add_argument("--json", action="store_true", help="one document on stdout")
        parser.add_argument("--as", dest="operator", metavar="USER")

    def carry_out(self, **options: Any) -> None:
        """Count, look, propose, and show the pairs nearest to the threshold on both sides."""
        by = None
        if options["operator"]:
            user = operator_named(options["operator"])
            by = actors.person(user.username, user.pk)
        agent = agent_by_id(options["agent"])
        counted = counters.update_counters(agent)
        content = head(agent.playbook).content
        found = maintenance.look_after(agent, content)
        deltas = [] if options["dry_run"] else [_propose(agent, d, by) for d in found.drafts]
        if options["json"]:
            document = _document(counted, found, deltas)
            self.stdout.write(json.dumps(document, ensure_ascii=False, indent=2))
        else:
            texts = {bullet.bullet_id: bullet.text for bullet in bullets(content)}
            self._print(counted, found, deltas, texts)

    def _print(
        self, counted: int, found: Upkeep, deltas: list[Delta], texts: dict[str, str]
    ) -> None:
        write = self.stdout.write
        limit = f" of {found.budget:,}" if found.budget else ", no budget"
        write(f"{counted:,} new traces counted; {found.tokens:,} tokens by estimate{limit}")
        count = f"{len(found.drafts)} offer{'s' if len(found.drafts) != 1 else ''}"
        write(f"{count}, {found.waiting} waiting already{_rest(found)}")
        for number, draft in enumerate(found.drafts):
            title = (
                f"delta {deltas[number].pk}  {deltas[number].status}" if deltas else "not offered"
            )
            write(f"\n{title}  {draft.evidence['kind']}")
            write(f"  {operations.describe(draft.operations or [])}")
            write(f"  {draft.reasoning}")
            for name in draft.evidence["bullets"]:
                write(f"         {texts[name][:SHOWN]}")
        above, below = found.nearest(NEAREST)
        self._pairs(f"Nearest to the threshold of {offers.MERGE}, from there up", above, texts)
        self._pairs("from there down", below, texts)
        self._pairs("Near-duplicates by their cosine that are not offered", found.withheld, texts)

    def _pairs(self, title: str, pairs: list[Near], texts: dict[str, str]) -> None:
        self.stdout.write(f"\n{title}:" + ("" if pairs else " none"))
        for pair in pairs:
            why = "offered as one" if pair.offered else pair.why
            self.stdout.write(f"  {pair.cosine:.3f}  {why}")
            for name in (pair.first, pair.second):
                self.stdout.write(f"         {texts[name][:SHOWN]}")


def _propose(agent: Agent, draft: Draft, by: actors.Actor | None) -> Delta:
    outcome = playbooks.propose_delta(
        agent=agent,
        operations=draft.operations,
        confidence=draft.confidence,
        source=Source(draft.source),
        author=by or actors.AUTOMATIC,
        reasoning=draft.reasoning,
        evidence=draft.evidence,
        may_apply=draft.may_apply,
    )
    return outcome.delta


def _rest(found: Upkeep) -> str:
    rest = ", ".join(f"{count} {kind}" for kind, count in found.left.items())
    return f"; beyond one run's share: {rest}" if rest else ""


def _document(counted: int, found: Upkeep, deltas: list[Delta]) -> dict[str, Any]:
    above, below = found.nearest(NEAREST)
    return {
        "traces_counted": counted,
        "tokens": found.tokens,
        "budget": found.budget,
        "waiting": found.waiting,
        "left": found.left,
        "threshold": offers.MERGE,
        "offers": [
            {
                "delta_id": str(deltas[number].delta_id) if deltas else None,
                "status": deltas[number].status if deltas else None,
                "operations": draft.operations,
                "confidence": draft.confidence,
                "reasoning": draft.reasoning,
                "evidence": draft.evidence,
            }
            for number, draft in enumerate(found.drafts)
        ],
        "nearest_above": [asdict(pair) for pair in above],
        "nearest_below": [asdict(pair) for pair in below],
        "withheld": [asdict(pair) for pair in found.withheld],
    }
