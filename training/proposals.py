"""From what a job's trajectories say of each candidate to a change of the playbook. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evolution.lessons import expressible, parse, render
from playbooks.operations import MAX_OPERATIONS
from playbooks.tokens import estimate_tokens
from training.engine.effects import LEVEL, BulletEffect, Estimate

Entry = dict[str, Any]
Operation = dict[str, Any]
# What a decision changes; the others leave the playbook as it is.
CHANGING = ("drop", "restrict", "add", "add_restricted")


@dataclass(frozen=True, slots=True)
class Change:
    """The operations that follow from the entries, and what is said about them."""

    operations: list[Operation]
    # Ids of the candidates whose change found no room in one delta.
    left_out: list[str]
    confidence: float
    words: str


def entries(
    candidates: Sequence[Mapping[str, Any]],
    effects: Sequence[BulletEffect] | None,
    types: Sequence[str],
) -> list[Entry]:
    """Return one entry per candidate: its effect, overall and by type, and what is decided.

    `effects` belong to those that are not fixed, in their order; None where nothing was scored.
    """
    found = iter(effects or ())
    rows = []
    for candidate in candidates:
        effect = None if candidate["fixed"] else next(found, None)
        rows.append(_entry(candidate, effect, types))
    return rows


def change(rows: Sequence[Entry]) -> Change:
    """Return what the entries lead to; no operations where nothing is significant.

    The strongest come first where not all fit in one delta. The confidence is the share of the
    changes that is expected to be right: one less the highest false discovery rate among them.
    """
    changing = [row for row in rows if row["decision"] in CHANGING]
    changing.sort(key=lambda row: (row["q_value"], row["bullet_id"]))
    operations: list[Operation] = []
    done, left_out = [], []
    for row in changing:
        own = _operations(row)
        if len(operations) + len(own) > MAX_OPERATIONS:
            left_out.append(row["bullet_id"])
            continue
        operations += own
        done.append(row)
    if not done:
        return Change([], left_out, 0.0, _nothing(rows))
    confidence = 1 - max(row["q_value"] for row in done)
    return Change(operations, left_out, confidence, _told(done, rows))


def in_type(text: str, task_type: str) -> str:
    """Return the lesson for tasks of one type alone: `In T tasks, ...`."""
    lesson = parse(text)
    if lesson is not None:
        typed = replace(lesson, task_type=task_type)
        if expressible(typed):
            return render(typed)
    first = text[:1].lower() if text[1:2].islower() else text[:1]
    return f"In {task_type} tasks, {first}{text[1:]}"


def _entry(
    candidate: Mapping[str, Any], effect: BulletEffect | None, types: Sequence[str]
) -> Entry:
    overall = effect.overall if effect else None
    decision, where = _decision(candidate, effect, types)
    by_type = effect.by_type if effect else ()
    return {
        "bullet_id": candidate["bullet_id"],
        "section": candidate["section"],
        "text": candidate["text"],
        "in_playbook": candidate["in_playbook"],
        "decision": decision,
        "types": where,
        "tokens": estimate_tokens(candidate["text"]),
        **_figures(overall),
        # What the decision rests on: the estimate overall, or that of the type that told.
        "q_value": _q_value(decision, overall, by_type),
        "by_type": [
            {"type": name, **_figures(estimate)}
            for name, estimate in zip(types, by_type, strict=False)
            if estimate is not None
        ],
    }


def _figures(estimate: Estimate | None) -> Entry:
    if estimate is None:
        return dict.fromkeys(("effect", "low", "high", "p_value", "q_value", "uses", "tasks"))
    low, high = estimate.interval
    return {
        "effect": estimate.effect,
        "low": low,
        "high": high,
        "p_value": estimate.p_value,
        "q_value": estimate.q_value,
        "uses": estimate.uses,
        "tasks": estimate.tasks,
    }


def _decision(
    candidate: Mapping[str, Any], effect: BulletEffect | None, types: Sequence[str]
) -> tuple[str, list[str]]:
    """Return what becomes of a candidate, and the task types it is then told in."""
    if candidate["fixed"]:
        return "fixed", []
    if effect is None or (effect.overall is None and not any(effect.by_type)):
        return "unknown", []
    stays = [types[number] for number in effect.types]
    if candidate["in_playbook"]:
        return _kept(candidate["text"], effect.action, stays)
    return _added(candidate["text"], effect, types, stays)


def _kept(text: str, action: str, stays: list[str]) -> tuple[str, list[str]]:
    lesson = parse(text)
    if action != "restrict" or lesson is None or lesson.task_type is None:
        return action, stays if action == "restrict" else []
    # It is told in one type alone already.
    return ("keep" if lesson.task_type in stays else "drop"), []


def _added(
    text: str, effect: BulletEffect, types: Sequence[str], stays: list[str]
) -> tuple[str, list[str]]:
    """Add what proved itself, everywhere or in some types; anything else is left out."""
    proved = effect.overall is not None and effect.overall.sign > 0
    if proved and effect.action == "keep":
        return "add", []
    signs = [0 if estimate is None else estimate.sign for estimate in effect.by_type]
    good = [name for name, sign in zip(types, signs, strict=True) if sign > 0]
    where = stays if proved and effect.action == "restrict" else good
    if not where:
        return "leave_out", []
    lesson = parse(text)
    if lesson is not None and lesson.task_type is not None:
        return ("add", []) if lesson.task_type in where else ("leave_out", [])
    return "add_restricted", where


def _q_value(
    decision: str, overall: Estimate | None, by_type: Sequence[Estimate | None]
) -> float | None:
    if decision not in CHANGING:
        return overall.q_value if overall else None
    told = [e for e in by_type if e is not None and e.sign]
    if overall is not None and overall.sign:
        told.append(overall)
    return min(estimate.q_value for estimate in told)


def _operations(row: Entry) -> list[Operation]:
    match row["decision"]:
        case "drop":
            return [{"op": "remove", "bullet_id": row["bullet_id"]}]
        case "add":
            return [{"op": "add", "section": row["section"], "text": row["text"]}]
    texts = [in_type(row["text"], name) for name in row["types"]]
    if row["decision"] == "add_restricted":
        return [{"op": "add", "section": row["section"], "text": text} for text in texts]
    first = {"op": "update", "bullet_id": row["bullet_id"], "text": texts[0]}
    return [first, *({"op": "add", "section": row["section"], "text": t} for t in texts[1:])]


def _nothing(rows: Sequence[Entry]) -> str:
    known = sum(row["decision"] not in ("fixed", "unknown") for row in rows)
    return (
        f"Nothing is proposed: of {known} bullet{'' if known == 1 else 's'} that could be "
        "compared, none has an effect that is significant at a false discovery rate of "
        f"{LEVEL:.0%}."
    )


_WORDS = {
    "drop": "drops {} that did harm",
    "restrict": "restricts {} to the task types where it does no harm",
    "add": "adds {} that proved itself",
    "add_restricted": "adds {} for the task types where it proved itself",
}


def _told(done: Sequence[Entry], rows: Sequence[Entry]) -> str:
    counts = {name: sum(row["decision"] == name for row in done) for name in CHANGING}
    parts = [_WORDS[name].format(count) for name, count in counts.items() if count]
    return f"Of {len(rows)} bullets it {', '.join(parts)}."
