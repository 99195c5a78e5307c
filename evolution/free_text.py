"""Whether a change says only what the controlled language can and the reflector tested. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from evolution.drafts import SECTION
from evolution.lessons import ANY_ERROR, Lesson, error_signature, parse
from evolution.runs import Run
from playbooks.content import Content, bullets
from playbooks.operations import Operation


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What a sentence of the controlled language may say: lessons that stood up when tested.

    A sentence can order harm with tools that the agent has, so the language alone is no warrant.
    `tools`, `task_types` and `errors` (signatures) are those of the agent's own runs.
    """

    tools: frozenset[str]
    task_types: frozenset[str | None]
    errors: frozenset[str | None]
    tested: frozenset[Lesson]


def vocabulary(own: Sequence[Run], tested: Iterable[Lesson]) -> Vocabulary:
    """Return what the agent's own runs (not those from outside) show, and what was `tested`."""
    steps = [step for run in own for step in run.steps]
    errors = [error_signature(step.error) for step in steps if step.error is not None]
    return Vocabulary(
        tools=frozenset(step.tool for step in steps),
        task_types=frozenset([None, *(run.task_type for run in own)]),
        errors=frozenset([None, ANY_ERROR, *errors]),
        tested=frozenset(tested),
    )


def is_controlled(operations: Sequence[Operation], content: Content, known: Vocabulary) -> bool:
    """Tell whether all that operations write or take away is in the controlled language.

    What is written was tested and names what is known alone, in a section that is there. `content`
    is the live version's.
    """
    standing = {bullet.bullet_id: bullet.text for bullet in bullets(content)}
    return all(
        _takes_controlled(operation, standing) and _writes_controlled(operation, content, known)
        for operation in operations
    )


def _takes_controlled(operation: Operation, standing: dict[str, str]) -> bool:
    names = operation.get("bullet_ids") or [operation.get("bullet_id")]
    return all(name is None or parse(standing.get(name, "")) is not None for name in names)


def _writes_controlled(operation: Operation, content: Content, known: Vocabulary) -> bool:
    match operation["op"]:
        case "remove":
            return True
        case "add" if operation["section"] not in (SECTION, *content):
            return False
        case "add" | "update" | "merge":
            return _is_known(parse(operation["text"]), known)
        case _:
            return False


def _is_known(lesson: Lesson | None, known: Vocabulary) -> bool:
    return (
        lesson in known.tested
        and lesson.task_type in known.task_types
        and lesson.error in known.errors
        and lesson.tool in known.tools
        and (lesson.other is None or lesson.other in known.tools)
    )
