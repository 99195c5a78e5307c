"""Reading a model's answer strictly: what is not exactly as asked is refused, never guessed at."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from evolution.drafts import SECTION
from playbooks.content import Content, ContentError, bullets, check_text
from playbooks.operations import Operation, OperationError, parse_operations

MAX_ANSWER = 200_000
MAX_OPERATIONS, MAX_CITATIONS = 10, 20
MAX_LESSON, MAX_SECTION, MAX_REASONING, MAX_CLAIM = 1_000, 100, 2_000, 500
# What a model may do; positions and paths are for people.
OPERATIONS = ("add", "update", "remove", "merge")

# What models put around a document; what stands in the only fence is the answer.
_THOUGHTS = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_OPENING, _CLOSING = ("```", "```json"), "```"


class AnswerInvalid(ValueError):
    """An answer of which nothing can be used; `errors` are sentences that say why."""

    def __init__(self, *errors: str) -> None:
        super().__init__("; ".join(errors))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Citation:
    """A trace's alias, and what the model says that it shows."""

    alias: str
    tool: str | None = None
    error: str | None = None
    outcome: str | None = None  # "success" or "failure"


@dataclass(frozen=True, slots=True)
class ParsedDelta:
    """A delta as a model stated it; `confidence` is its own number, 0 to 1."""

    operations: list[Operation]
    confidence: float
    reasoning: str
    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """A delta that was not taken, by its place in the answer."""

    index: int
    errors: tuple[str, ...]
    raw: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """What an answer came to: good deltas, and bad ones among them."""

    deltas: tuple[ParsedDelta, ...] = ()
    refused: tuple[Refused, ...] = field(default=())


def parse_answer(text: str, content: Content, most: int) -> Parsed:
    """Return the deltas of an answer against a playbook's `content`.

    A bad delta among good ones is returned as refused. Raises AnswerInvalid where the answer is
    not `{"deltas": [...]}` with at most `most` deltas, or has deltas and none is good.
    """
    items = _deltas(_document(text), most)
    ids = {bullet.bullet_id for bullet in bullets(content)}
    good: list[ParsedDelta] = []
    bad: list[Refused] = []
    for index, item in enumerate(items):
        errors: list[str] = []
        delta = _read_delta(item, ids, f"/deltas/{index}", errors)
        if delta is None:
            raw = json.dumps(item, ensure_ascii=False)[:MAX_REASONING]
            bad.append(Refused(index, tuple(errors), raw))
        else:
            good.append(delta)
    if bad and not good:
        raise AnswerInvalid(*(error for refused in bad for error in refused.errors[:5]))
    return Parsed(tuple(good), tuple(bad))


def _document(text: str) -> object:
    if len(text) > MAX_ANSWER:
        raise AnswerInvalid(f"the answer is longer than {MAX_ANSWER:,} characters")
    said = _THOUGHTS.sub("", text)
    fenced = _fenced(said)
    try:
        return json.loads(
            fenced[0] if len(fenced) == 1 else said,
            parse_constant=_no_constant,
            object_pairs_hook=_once,
        )
    except AnswerInvalid:
        raise
    except (ValueError, RecursionError) as error:
        raise AnswerInvalid(f"the answer is not JSON: {str(error)[:200]}") from error


def _fenced(text: str) -> list[str]:
    """Return what stands between fences, line by line: fences that never close take no time."""
    found: list[str] = []
    inside: list[str] | None = None
    for line in text.split("\n"):
        mark = line.rstrip(" \t")
        if inside is None:
            inside = [] if mark in _OPENING else None
        elif mark == _CLOSING:
            found.append("\n".join(inside))
            inside = None
        else:
            inside.append(line)
    return found


def _no_constant(name: str) -> None:
    raise AnswerInvalid(f"the answer is not JSON: {name} is no number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise AnswerInvalid("the answer is not clear: an object names a key twice")
    return found


def _deltas(document: object, most: int) -> list[object]:
    if not isinstance(document, dict) or not isinstance(document.get("deltas"), list):
        raise AnswerInvalid('the answer must be {"deltas": [...]}')
    others = sorted(set(document) - {"deltas"})
    if others:
        raise AnswerInvalid(f'only "deltas" is asked for, not {_named(others)}')
    items: list[object] = document["deltas"]
    if len(items) > most:
        raise AnswerInvalid(f"{len(items)} deltas are more than the {most} allowed")
    return items


def _named(keys: list[str]) -> str:
    return ", ".join(f"{key!r:.40}" for key in keys[:5])


def _read_delta(item: object, ids: set[str], where: str, errors: list[str]) -> ParsedDelta | None:
    """Return a delta, or None with every reason added to `errors`."""
    if not isinstance(item, dict):
        errors.append(f"{where}: must be an object")
        return None
    fields = ("operations", "confidence", "reasoning", "citations")
    errors += _strange(item, fields, where)
    errors += [f"{where}/{name}: is needed" for name in fields if name not in item]
    if errors:
        return None
    operations = _operations(item["operations"], ids, f"{where}/operations", errors)
    confidence = _confidence(item["confidence"], f"{where}/confidence", errors)
    reasoning = _text(item["reasoning"], MAX_REASONING, f"{where}/reasoning", errors)
    citations = _citations(item["citations"], f"{where}/citations", errors)
    if errors:
        return None
    return ParsedDelta(operations, confidence, reasoning, citations)


def _strange(item: Mapping[str, Any], known: tuple[str, ...], where: str) -> Iterator[str]:
    for key in item:
        if key in ("agent_id", "agent", "playbook_id"):
            yield f"{where}/{key}: a delta is for the agent asked about and names none"
        elif key not in known:
            yield f"{where}: there is no field {key!r:.40}"


def _operations(value: object, ids: set[str], where: str, errors: list[str]) -> list[Operation]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_OPERATIONS:
        errors.append(f"{where}: must be a list of 1 to {MAX_OPERATIONS} operations")
        return []
    for index, item in enumerate(value):
        name = item.get("op") if isinstance(item, dict) else None
        if name not in OPERATIONS:
            errors.append(f"{where}/{index}/op: must be {', '.join(OPERATIONS)}")
        elif "position" in item:
            errors.append(f"{where}/{index}/position: is not for a model to choose")
    if errors:
        return []
    try:
        found = parse_operations([_with_section(item) for item in value])
    except OperationError as error:
        errors += [f"{where}{e['pointer']}: {e['message']}" for e in error.errors[:10]]
        return []
    for index, operation in enumerate(found):
        errors += _misfits(operation, ids, f"{where}/{index}")
    return found


def _with_section(item: dict[str, Any]) -> dict[str, Any]:
    return {"section": SECTION, **item} if item["op"] == "add" else item


def _misfits(operation: Operation, ids: set[str], where: str) -> Iterator[str]:
    """Yield what is wrong with a well-formed operation: its size, or bullets that are not there."""
    if len(operation.get("text", "")) > MAX_LESSON:
        yield f"{where}/text: a lesson of more than {MAX_LESSON:,} characters"
    if len(operation.get("section", "")) > MAX_SECTION:
        yield f"{where}/section: a name of more than {MAX_SECTION} characters"
    named = operation.get("bullet_ids") or [operation.get("bullet_id")]
    for name in named:
        if name is not None and name not in ids:
            yield f"{where}: the playbook has no bullet {name!r:.100}"


def _confidence(value: object, where: str, errors: list[str]) -> float:
    real = isinstance(value, int | float) and not isinstance(value, bool)
    if not real or not 0 <= value <= 1 or not math.isfinite(value):  # type: ignore[operator,arg-type]
        errors.append(f"{where}: must be a number from 0 to 1")
        return 0.0
    return float(value)  # type: ignore[arg-type]


def _text(value: object, most: int, where: str, errors: list[str]) -> str:
    if not isinstance(value, str) or not value.strip():
        errors.append(f"{where}: must be a text")
        return ""
    if len(value) > most:
        errors.append(f"{where}: longer than {most:,} characters")
    try:
        check_text(value, where)
    except ContentError as error:
        errors.append(str(error))
    return value.strip()


def _citations(value: object, where: str, errors: list[str]) -> tuple[Citation, ...]:
    if not isinstance(value, list) or len(value) > MAX_CITATIONS:
        errors.append(f"{where}: must be a list of at most {MAX_CITATIONS} citations")
        return ()
    return tuple(_citation(item, f"{where}/{n}", errors) for n, item in enumerate(value))


def _citation(item: object, where: str, errors: list[str]) -> Citation:
    shows = item.get("shows") if isinstance(item, dict) else None
    if not isinstance(item, dict) or not isinstance(shows, dict):
        errors.append(f'{where}: must be {{"trace": "T1", "shows": {{...}}}}')
        return Citation("")
    errors += _strange(item, ("trace", "shows"), where)
    errors += _strange(shows, ("tool", "error", "outcome"), f"{where}/shows")
    alias = _text(item.get("trace"), MAX_CLAIM, f"{where}/trace", errors)
    claims = {
        name: _text(shows[name], MAX_CLAIM, f"{where}/shows/{name}", errors)
        for name in ("tool", "error", "outcome")
        if shows.get(name) is not None
    }
    if claims.get("outcome", "success") not in ("success", "failure"):
        errors.append(f'{where}/shows/outcome: must be "success" or "failure"')
    return Citation(alias, **claims)


def answer_schema(most: int) -> dict[str, Any]:
    """Return the JSON schema of an answer, in the subset that strict structured output takes."""
    text = {"type": "string"}
    claim = {"type": ["string", "null"]}
    outcome = {"type": ["string", "null"], "enum": ["success", "failure", None]}
    operation = {
        "anyOf": [
            _object(op=_only("add"), section=text, text=text),
            _object(op=_only("update"), bullet_id=text, text=text),
            _object(op=_only("remove"), bullet_id=text),
            _object(op=_only("merge"), bullet_ids={"type": "array", "items": text}, text=text),
        ]
    }
    citation = _object(trace=text, shows=_object(tool=claim, error=claim, outcome=outcome))
    delta = _object(
        operations={"type": "array", "items": operation},
        confidence={"type": "number"},
        reasoning=text,
        citations={"type": "array", "items": citation},
    )
    description = f"at most {most} deltas"
    return _object(deltas={"type": "array", "items": delta, "description": description})


def _only(name: str) -> dict[str, Any]:
    return {"type": "string", "enum": [name]}


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
