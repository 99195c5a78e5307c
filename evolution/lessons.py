"""The controlled language of lessons: parsed and rendered here, nowhere else."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

ANY_ERROR = "(any)"
MAX_SIGNATURE = 80
MAX_KEPT = 1000


class LessonKind(StrEnum):
    """What a lesson constrains."""

    BEFORE = "before"
    FINISH = "finish"
    REPEAT = "repeat"
    NEVER = "never"
    AFTER_ERROR = "after_error"


@dataclass(frozen=True, slots=True)
class Lesson:
    """One sentence of the controlled language.

    `tool` is X. `other` is Y (BEFORE, AFTER_ERROR). `error` is E (AFTER_ERROR): an error
    signature, or ANY_ERROR for whatever error X gives. "Call Y" means that Y succeeded; an
    "identical" X excludes a retry after an error that another successful call followed; an
    AFTER_ERROR duty also holds at finish. `task_type` limits the lesson to tasks of that type.
    """

    kind: LessonKind
    tool: str
    other: str | None = None
    error: str | None = None
    task_type: str | None = None


_TOOL = r"[^\s,]*[^\s,.]"
_SENTENCES = (
    (LessonKind.BEFORE, rf"before (?P<tool>{_TOOL}), call (?P<other>{_TOOL})"),
    (LessonKind.REPEAT, rf"never repeat an identical (?P<tool>{_TOOL})"),
    (LessonKind.NEVER, rf"never call (?P<tool>{_TOOL})"),
    (LessonKind.FINISH, rf"do not finish before (?P<tool>{_TOOL})"),
    (
        LessonKind.AFTER_ERROR,
        rf"after error (?P<error>\S(?:.*\S)?) from (?P<tool>{_TOOL}), "
        rf"call (?P<other>{_TOOL}) before trying (?P=tool) again",
    ),
)
_PATTERNS = tuple(
    (
        kind,
        re.compile(rf"(?:[Ii]n (?P<task_type>\S(?:.*?\S)?) tasks, )?(?i:{words[0]}){words[1:]}\.?"),
    )
    for kind, words in _SENTENCES
)


def parse(text: str) -> Lesson | None:
    """Return the lesson that a sentence states, None where it is not in the language."""
    sentence = " ".join(text.split())
    for kind, pattern in _PATTERNS:
        match = pattern.fullmatch(sentence)
        if match:
            return Lesson(kind=kind, **match.groupdict())
    return None


def render(lesson: Lesson) -> str:
    """Return the one sentence that parses back to `lesson`.

    Raises ValueError for a lesson that the language cannot carry, such as a tool name with a
    blank in it: a sentence that would be read as another lesson is never written.
    """
    text = _sentence(lesson)
    if parse(text) != lesson:
        raise ValueError(f"not expressible in the language of lessons: {lesson!r}")
    return text


def expressible(lesson: Lesson) -> bool:
    """Tell whether `render` has a sentence for `lesson`."""
    return parse(_sentence(lesson)) == lesson


def untyped(lesson: Lesson) -> Lesson:
    """Return the same lesson for tasks of every type."""
    return replace(lesson, task_type=None)


def contradicts(lesson: Lesson, others: Iterable[Lesson]) -> bool:
    """Tell whether `lesson` cannot be obeyed together with all of `others`.

    What is never called cannot be asked for, and no two calls can each come before the other,
    directly or through further lessons. Lessons for different task types never meet.
    """
    meeting = [other for other in others if _meet(lesson, other)]
    if lesson.kind is LessonKind.NEVER:
        return any(_asks_for(other) == lesson.tool for other in meeting)
    asked = _asks_for(lesson)
    if any(other.kind is LessonKind.NEVER and other.tool == asked for other in meeting):
        return True
    if lesson.kind is not LessonKind.BEFORE:
        return False
    needs = [(other.tool, other.other) for other in meeting if other.kind is LessonKind.BEFORE]
    return lesson.tool in _needed_by(lesson.other, needs)


def _meet(one: Lesson, other: Lesson) -> bool:
    return one.task_type == other.task_type or None in (one.task_type, other.task_type)


def _asks_for(lesson: Lesson) -> str | None:
    if lesson.kind is LessonKind.FINISH:
        return lesson.tool
    return lesson.other


def _needed_by(tool: str | None, needs: Sequence[tuple[str, str | None]]) -> set[str | None]:
    """Return every tool that must come before `tool`, itself included."""
    found: set[str | None] = set()
    waiting = [tool]
    while waiting:
        found.add(waiting[0])
        reached = waiting.pop(0)
        waiting += [first for then, first in needs if then == reached and first not in found]
    return found


def _sentence(lesson: Lesson) -> str:
    words = _clause(lesson)
    if lesson.task_type is None:
        return f"{words[0].upper()}{words[1:]}."
    return f"In {lesson.task_type} tasks, {words}."


def _clause(lesson: Lesson) -> str:
    match lesson.kind:
        case LessonKind.BEFORE:
            return f"before {lesson.tool}, call {lesson.other}"
        case LessonKind.FINISH:
            return f"do not finish before {lesson.tool}"
        case LessonKind.REPEAT:
            return f"never repeat an identical {lesson.tool}"
        case LessonKind.NEVER:
            return f"never call {lesson.tool}"
        case LessonKind.AFTER_ERROR:
            return (
                f"after error {lesson.error} from {lesson.tool}, "
                f"call {lesson.other} before trying {lesson.tool} again"
            )


_PREFIX = re.compile(r"^(?:error|exception|failed|failure)\b[^:<>]{0,40}:\s*(?=\w)", re.IGNORECASE)
_QUOTED = re.compile(r"(?<!\w)(?:'[^']*'|\"[^\"]*\"|`[^`]*`)(?!\w)")
_PATH = re.compile(r"(?<!\S)\S*/\S*")
# Only from a run's first character: a search from each of them would take quadratic time.
_NUMBERED = re.compile(r"(?<![\w.@:#+-])[\w.@:#+-]*\d[\w.@:#+-]*")
_FOLDS = re.compile(r"(?:<>[\s,;]*){2,}")


def error_signature(message: str) -> str:
    """Return the stable class of an error text, at most 80 characters, never empty.

    Quoted values, paths, numbers and ids become "<>", so that the same mistake with other values
    has the same signature: "Table 'shop.cars' doesn't exist" is "Table <> doesn't exist".
    """
    lines = (" ".join(line.split()) for line in message.splitlines())
    text = next((line for line in lines if line), "")
    return _signature(text) if len(text) <= MAX_KEPT else _signature.__wrapped__(text)


# Runs meet the same errors again and again; a text of any length is not kept.
@lru_cache(maxsize=4096)
def _signature(text: str) -> str:
    if not text.isprintable():
        text = "".join(letter for letter in text if letter.isprintable())
    for pattern in (_QUOTED, _PATH, _NUMBERED):
        text = pattern.sub("<>", text)
    text = _FOLDS.sub("<> ", text).strip(" .,:;")
    while prefix := _PREFIX.match(text):
        text = text[prefix.end() :]
    return _shortened(text) or "unnamed"


def _shortened(text: str) -> str:
    if len(text) <= MAX_SIGNATURE:
        return text
    return text[:MAX_SIGNATURE].rsplit(" ", 1)[0].strip(" .,:;")
