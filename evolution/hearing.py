"""What a language model is told of a matter of the council, and how its answer is read. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evolution.changes import Change
from evolution.constitution import Constitution
from evolution.mandates import Standing
from evolution.prompts import Template, template
from evolution.quoting import Quoter
from playbooks.judges.council import MANDATES
from playbooks.judges.verdict import Outcome, Verdict
from playbooks.tokens import estimate_tokens

PLAYBOOK_TOKENS, EVIDENCE_TOKENS = 2500, 900
MAX_CHANGES = 40
TEXT, FACT = 700, 300  # characters
MAX_REASON = 500
OUTCOMES: tuple[Outcome, ...] = ("pass", "warn", "block", "abstain")
# Of evidence, what a judge can weigh; trace ids say nothing to it.
_FACTS = (
    "kind", "exploratory", "q_value", "lift", "interval", "counts", "rates", "within_group",
    "within", "between", "for_total", "against_total", "origins", "doubts", "weights",
    "calibrated", "statistical",
)  # fmt: skip


class AnswerInvalid(ValueError):
    """An answer that is not one verdict of each of the four judges; the message says why."""


@dataclass(frozen=True, slots=True)
class Brief:
    """What the prompt is made of; `heard` are stored verdicts of the rules.

    The author's reasoning is no part of it, and no text of a trace: what persuades could also
    instruct. People are shown both.
    """

    changes: Sequence[Change]
    staying: Sequence[Standing]
    constitution: Constitution
    source: str
    evidence: Mapping[str, Any]
    heard: Sequence[Mapping[str, Any]]
    asked: Sequence[str]


def answer_schema() -> dict[str, Any]:
    """Return the JSON schema of the answer."""
    verdict = {
        "type": "object",
        "properties": {
            "judge": {"type": "string", "enum": list(MANDATES)},
            "outcome": {"type": "string", "enum": list(OUTCOMES)},
            "reason": {"type": "string"},
        },
        "required": ["judge", "outcome", "reason"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"verdicts": {"type": "array", "items": verdict}},
        "required": ["verdicts"],
        "additionalProperties": False,
    }


def messages(brief: Brief, quoter: Quoter) -> tuple[list[dict[str, str]], Template]:
    """Return the messages to send, every text of others redacted and quoted, and their template."""
    used = template("council")
    system = used.fill(nonce=quoter.nonce, constitution=brief.constitution.text)
    blocks = [
        quoter.block("change", list(_change_lines(brief, quoter))),
        quoter.block("evidence", list(_evidence_lines(brief, quoter))),
        quoter.block("playbook", list(_playbook_lines(brief, quoter))),
        quoter.block("heard", list(_heard_lines(brief, quoter))),
    ]
    told = [
        {"role": "system", "content": system},
        {"role": "user", "content": "\n\n".join(blocks)},
    ]
    return told, used


def _change_lines(brief: Brief, quoter: Quoter) -> Iterator[str]:
    yield f"proposed by source: {brief.source}; heard because it {' and '.join(brief.asked)}"
    for change in brief.changes[:MAX_CHANGES]:
        yield f"operation {change.op} in section {quoter.text(change.section, 100)}"
        yield from (
            f"  takes away: {quoter.text(text, TEXT)}" for text in change.lost[:MAX_CHANGES]
        )
        yield from (f"  writes: {quoter.text(text, TEXT)}" for text in change.written[:MAX_CHANGES])
    if len(brief.changes) > MAX_CHANGES:
        yield f"({len(brief.changes) - MAX_CHANGES} more operations are not shown)"


def _evidence_lines(brief: Brief, quoter: Quoter) -> Iterator[str]:
    facts = {name: brief.evidence[name] for name in _FACTS if name in brief.evidence}
    budget = EVIDENCE_TOKENS
    for name, value in facts.items():
        line = f"{name}: {quoter.json(json.dumps(value, default=str), FACT)}"
        budget -= estimate_tokens(line) + 1
        if budget >= 0:
            yield line
    for side in ("for", "against"):
        if isinstance(brief.evidence.get(side), list):
            yield f"traces cited {side} it: {len(brief.evidence[side])}"
    if not brief.evidence:
        yield "(none given)"


def _playbook_lines(brief: Brief, quoter: Quoter) -> Iterator[str]:
    """Yield the lessons that stay, those of the sections concerned first, as far as they fit."""
    concerned = {change.section for change in brief.changes}
    ordered = sorted(brief.staying, key=lambda bullet: bullet.section not in concerned)
    budget, shown = PLAYBOOK_TOKENS, 0
    for bullet in ordered:
        line = f"- {quoter.text(bullet.section, 100)}: {quoter.text(bullet.text, TEXT)}"
        budget -= estimate_tokens(line) + 1
        if budget < 0:
            break
        shown += 1
        yield line
    left = len(ordered) - shown
    if left or not ordered:
        yield f"({left} more lessons are not shown)" if left else "(no lesson stays)"


def _heard_lines(brief: Brief, quoter: Quoter) -> Iterator[str]:
    for verdict in brief.heard:
        reason = quoter.text(str(verdict["reason"]), TEXT)
        yield f"{verdict['judge']}: {verdict['outcome']}, {reason}"


def read(value: Any, quoter: Quoter) -> list[Verdict]:
    """Return the four verdicts of an answer, in the judges' order; raises AnswerInvalid.

    The reasons are redacted and cut: a model may repeat what it should not.
    """
    given = value.get("verdicts") if isinstance(value, dict) else None
    if not isinstance(given, list):
        raise AnswerInvalid('the answer must be {"verdicts": [...]}')
    found: dict[str, Verdict] = {}
    for item in given[: 2 * len(MANDATES)]:
        verdict = _read_one(item, quoter)
        if verdict.judge in found:
            raise AnswerInvalid(f"there are two verdicts of {verdict.judge}")
        found[verdict.judge] = verdict
    missing = [judge for judge in MANDATES if judge not in found]
    if missing:
        raise AnswerInvalid(f"there is no verdict of {', '.join(missing)}")
    return [found[judge] for judge in MANDATES]


def _read_one(item: Any, quoter: Quoter) -> Verdict:
    if not isinstance(item, dict):
        raise AnswerInvalid("a verdict is an object with judge, outcome and reason")
    judge, outcome, reason = item.get("judge"), item.get("outcome"), item.get("reason")
    if judge not in MANDATES:
        raise AnswerInvalid(f"a judge is one of {', '.join(MANDATES)}")
    if outcome not in OUTCOMES:
        raise AnswerInvalid(f"the outcome of {judge} is not one of {', '.join(OUTCOMES)}")
    if not isinstance(reason, str) or not reason.strip():
        raise AnswerInvalid(f"{judge} gives no reason")
    plain = reason.replace("\x00", "").encode(errors="replace").decode()
    return Verdict(judge, outcome, quoter.text(plain, MAX_REASON), {"by": "model"})
