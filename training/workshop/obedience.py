"""Lessons of the controlled language, sorted into what they ask of one task."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from evolution.lessons import ANY_ERROR, Lesson, LessonKind, error_signature, parse


@dataclass(slots=True)
class Obedience:
    """What the lessons ask while a task of one type is worked on; deaf agents get an empty one."""

    before: dict[str, list[str]] = field(default_factory=dict)  # X -> every Y that comes first
    finish: list[str] = field(default_factory=list)
    repeat: set[str] = field(default_factory=set)
    never: set[str] = field(default_factory=set)
    after_error: dict[str, list[tuple[str, str]]] = field(default_factory=dict)  # X -> (E, Y)

    def after(self, tool: str, error: str) -> set[str]:
        """Return the tools to call before `tool`, having given `error`, is tried again."""
        duties = self.after_error.get(tool)
        if not duties:
            return set()
        signature = error_signature(error)
        return {other for text, other in duties if text in (ANY_ERROR, signature)}


def read_lessons(lessons: Sequence[str | Lesson]) -> list[Lesson]:
    """Return those texts that are lessons, parsed; any other text says nothing to this agent."""
    read = (parse(entry) if isinstance(entry, str) else entry for entry in lessons)
    return [lesson for lesson in read if lesson is not None]


def obey(lessons: Sequence[Lesson], task_type: str) -> Obedience:
    """Sort the lessons that hold for a task of this type."""
    duties = Obedience()
    for lesson in lessons:
        if lesson.task_type is None or lesson.task_type == task_type:
            _add(duties, lesson)
    return duties


def _add(duties: Obedience, lesson: Lesson) -> None:
    match lesson.kind:
        case LessonKind.BEFORE:
            duties.before.setdefault(lesson.tool, []).append(lesson.other or lesson.tool)
        case LessonKind.FINISH:
            duties.finish.append(lesson.tool)
        case LessonKind.REPEAT:
            duties.repeat.add(lesson.tool)
        case LessonKind.NEVER:
            duties.never.add(lesson.tool)
        case LessonKind.AFTER_ERROR:
            duty = (lesson.error or ANY_ERROR, lesson.other or lesson.tool)
            duties.after_error.setdefault(lesson.tool, []).append(duty)
