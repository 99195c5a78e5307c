"""From what was found (or scripted) to deltas that can be proposed."""

import json
from collections.abc import Sequence
from typing import Any

from ace_project.core.errors import InvalidInput
from evolution.drafts import SECTION, Draft, draft_key
from evolution.lessons import parse
from evolution.reflect import Proposal, Reflection
from playbooks.content import Content, bullets


def read_script(text: str) -> list[dict[str, Any]]:
    """Return the deltas of a script: `{"deltas": [{operations | changes, confidence, ...}]}`.

    Raises InvalidInput naming what is wrong.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the script is not JSON: {error}") from error
    deltas = document.get("deltas") if isinstance(document, dict) else document
    if not isinstance(deltas, list) or not all(isinstance(d, dict) for d in deltas):
        raise InvalidInput('a script is {"deltas": [{...}]}')
    known = {"operations", "changes", "confidence", "reasoning", "evidence"}
    for index, delta in enumerate(deltas):
        confidence = delta.get("confidence")
        if not isinstance(confidence, int | float) or not 0 <= confidence <= 1:
            message = "a number from 0 to 1"
            where = f"/deltas/{index}/confidence"
            raise InvalidInput("the script is not valid", [{"pointer": where, "message": message}])
        unknown = sorted(set(delta) - known)
        if unknown:
            where = f"/deltas/{index}"
            message = f"unknown: {', '.join(unknown)}"
            raise InvalidInput("the script is not valid", [{"pointer": where, "message": message}])
    return deltas


def from_script(deltas: Sequence[dict[str, Any]]) -> list[Draft]:
    """Return a scripted run's deltas as they stand in its file."""
    return [
        Draft(
            key=draft_key([index, delta]),
            source="scripted",
            operations=delta.get("operations"),
            changes=delta.get("changes"),
            confidence=float(delta["confidence"]),
            reasoning=str(delta.get("reasoning", "")),
            evidence=delta.get("evidence") or {},
        )
        for index, delta in enumerate(deltas)
    ]


def from_reflection(reflection: Reflection, content: Content) -> list[Draft]:
    """Return what the statistical reflector proposes, as deltas against `content`."""
    drafts = []
    for proposal in reflection.proposals:
        operations = _operations(proposal, content)
        drafts.append(
            Draft(
                key=draft_key([proposal.action, proposal.text]),
                source="statistical",
                operations=operations,
                confidence=proposal.confidence,
                reasoning=proposal.reasoning,
                evidence=proposal.evidence,
                may_apply=proposal.automatic,
            )
        )
    return drafts


def _operations(proposal: Proposal, content: Content) -> list[dict[str, Any]]:
    if proposal.action == "add":
        return [{"op": "add", "section": SECTION, "text": proposal.text}]
    said = [b.bullet_id for b in bullets(content) if parse(b.text) == proposal.lesson]
    return [{"op": "remove", "bullet_id": bullet_id} for bullet_id in dict.fromkeys(said)]
