"""When a delta is a matter for the council, and the sign that it waits for it.

Asked for: what touches the constraints, what loses a lesson, and what a generator proposes on
little evidence. People, agents and scripts owe no evidence, so theirs is never too little. Asked
for as well: what a language model says in its own words, for which no rule alone may speak. The
council itself deliberates above this app (`evolution.council`) and answers with verdicts named
as in `MANDATES`.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from playbooks.content import JSON, Content, normal_text, section_slug
from playbooks.judges.verdict import Verdict
from playbooks.operations import Operation
from playbooks.operations.pointer import MISSING, Missing, NotApplicable, get, put, split

COUNCIL = "council"
# The judges of the council with what each is there for, in the order they are shown.
MANDATES = {
    "council_constitution": "keeps to the rules that people wrote for this kind of agent",
    "council_evidence": "rests on enough runs, of enough tasks, from sources that are trusted",
    "council_quality": "is one clear instruction that an agent can follow",
    "council_consistency": "does not contradict, repeat or orphan what the playbook says",
}
# Says that a language model was to be asked, and why it was not.
COUNCIL_MODEL = "council_model"
# What a model's own words need before they apply themselves.
AGREEMENT = "free text of a model: a second model or a person must agree"

CONSTRAINTS = "constraints"
GENERATORS = ("statistical", "llm", "training")
# Under these a generator's evidence is little. Lessons of the workshop that apply themselves rest
# on 40 runs of 34 task groups at the least (19 lessons of three worlds, 800 runs each).
FEW_RUNS = 20
FEW_GROUPS = 10
FEW_GROUPS_WITHIN = 5
FEW_CITATIONS = 3


def council_reasons(
    operations: Sequence[Operation],
    content: Content,
    source: str,
    evidence: Mapping[str, Any],
) -> list[str]:
    """Return why a delta needs the council, as ends of "it ..."; empty where it does not.

    `content` is what the operations meet. A merge loses the texts it merges, and a `set` that
    leaves out what stood there loses it as a removal does.
    """
    reasons = []
    if is_free_text(source, evidence):
        reasons.append("is free text of a model")
    if any(map(touches_constraints, operations)):
        reasons.append("touches the constraints")
    losing = sum(_loses_something(operation, content) for operation in operations)
    if losing:
        reasons.append(f"loses what stands there by {_counted(losing, 'operation')}")
    little = little_evidence(source, evidence)
    if little:
        reasons.append(f"rests on little evidence: {little}")
    return reasons


def is_free_text(source: str, evidence: Mapping[str, Any]) -> bool:
    """Tell whether a language model says something in its own words.

    `controlled` in a generator's evidence tells whether all of a change is in the controlled
    language, of names that are known. A model's delta that does not say so is free text.
    """
    return source in GENERATORS and evidence.get("controlled", source != "llm") is not True


def unagreed() -> Verdict:
    """Return the verdict that keeps a model's own words from applying themselves."""
    return Verdict(COUNCIL, "block", AGREEMENT)


def waiting(reason: str, asked: Sequence[str]) -> Verdict:
    """Return the verdict that holds a delta back until the council has spoken."""
    data = {"waiting": True, "asked": list(asked)}
    return Verdict(COUNCIL, "block", f"waits for the council: {reason}", data)


def asked_of(verdicts: Sequence[Mapping[str, Any]]) -> list[str] | None:
    """Return why the council is waited for, from stored verdicts; None where it is not."""
    for verdict in verdicts:
        if is_waiting(verdict):
            return list(verdict["data"].get("asked") or [])
    return None


def is_waiting(verdict: Mapping[str, Any]) -> bool:
    """Tell whether a stored verdict is the sign that the council was not heard yet."""
    return verdict["judge"] == COUNCIL and bool((verdict.get("data") or {}).get("waiting"))


def is_models_word(verdict: Mapping[str, Any]) -> bool:
    """Tell whether a stored verdict is what a model said, or that none could be asked."""
    said_by = (verdict.get("data") or {}).get("by")
    return verdict["judge"] == COUNCIL_MODEL or (
        verdict["judge"] in MANDATES and said_by == "model"
    )


def touches_constraints(operation: Operation) -> bool:
    """Tell whether an operation's section, path or bullet is of the constraints."""
    if "section" in operation and section_slug(operation["section"]) == CONSTRAINTS:
        return True
    if "path" in operation:
        tokens = split(operation["path"])
        return not tokens or section_slug(tokens[0]) == CONSTRAINTS
    return any(name.rpartition("-")[0] == CONSTRAINTS for name in bullets_named(operation))


def bullets_named(operation: Operation) -> list[str]:
    """Return the ids of the bullets that an operation changes."""
    single = [operation["bullet_id"]] if "bullet_id" in operation else []
    return [*operation.get("bullet_ids", ()), *single]


def _loses_something(operation: Operation, content: Content) -> bool:
    if operation["op"] in ("remove", "unset", "merge"):
        return True
    if operation["op"] != "set":
        return False
    tokens = split(operation["path"])
    # What stands around the path counts too: a list under a deeper path may stop to be one.
    head = tokens[:1]
    before = get(content, head)
    try:
        after = get(put(content, tokens, operation["value"]), head)
    except NotApplicable:
        return False  # The conflict judge reports it.
    return before is not MISSING and _leaves_out(before, after)


def _leaves_out(before: JSON, after: JSON | Missing) -> bool:
    """Tell whether `after` lacks a key or a text of `before`; another value is no loss."""
    if isinstance(before, dict):
        return not isinstance(after, dict) or any(
            key not in after or _leaves_out(item, after[key]) for key, item in before.items()
        )
    if isinstance(before, list):
        if not isinstance(after, list) or len(after) < len(before):
            return True
        kept = {normal_text(text) for text in _texts(after)}
        return any(normal_text(text) not in kept for text in _texts(before))
    return before not in (None, "") and after in (None, "")


def _texts(items: list[JSON]) -> Iterator[str]:
    yield from (item for item in items if isinstance(item, str))


def little_evidence(source: str, evidence: Mapping[str, Any]) -> str:
    """Return what is little about a generator's evidence; empty where it is enough, or not owed."""
    if source not in GENERATORS:
        return ""
    if not evidence:
        return "none was given"
    if evidence.get("exploratory") is True:
        return "it is exploratory"
    runs, groups = runs_counted(evidence), groups_compared(evidence)
    if runs is not None and runs < FEW_RUNS:
        return f"{_counted(runs, 'run')}"
    enough = FEW_GROUPS_WITHIN if evidence.get("within_group") is True else FEW_GROUPS
    if groups is not None and groups < enough:
        return f"{_counted(groups, 'task group')}"
    cited = len(citations(evidence, "for"))
    if source == "llm" and cited < FEW_CITATIONS:
        return f"{_counted(cited, 'trace')} cited"
    return ""


def runs_counted(evidence: Mapping[str, Any]) -> int | None:
    """Return how many runs the counts are of; None where there are none to be read."""
    counts = evidence.get("counts")
    if not isinstance(counts, dict):
        return None
    pairs = [pair for pair in counts.values() if isinstance(pair, list) and len(pair) == 2]
    numbers = [pair[1] for pair in pairs] or list(counts.values())
    usable = list(_numbers(numbers))
    return int(sum(usable)) if usable else None


def groups_compared(evidence: Mapping[str, Any]) -> int | None:
    """Return how many task groups the evidence that counts most compares."""
    sides = ("within",) if evidence.get("within_group") is True else ("within", "between")
    parts = [evidence.get(side) for side in sides]
    groups = [part.get("groups") for part in parts if isinstance(part, dict)]
    found = max(_numbers(groups), default=None)
    return None if found is None else int(found)


def citations(evidence: Mapping[str, Any], *sides: str) -> list[str]:
    """Return the distinct trace ids cited for or against, in order."""
    lists = [evidence.get(side) for side in sides]
    names = [name for found in lists if isinstance(found, list) for name in found]
    return list(dict.fromkeys(name for name in names if isinstance(name, str)))


def _numbers(values: Iterable[object]) -> Iterator[float]:
    for value in values:
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            yield value


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
