"""What a trace is found by: words and facets as terms of one full-text index. Pure.

A word stands as it is; a facet is `=`, a letter and its value, which no word can look like.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

# The facets, by the letter that their terms begin with.
TYPE, VERSION, TOOL, ERROR, TASK, GROUP, STATE = "k", "v", "t", "e", "i", "g", "x"
FACETS = {
    "type": TYPE,
    "version": VERSION,
    "tool": TOOL,
    "error": ERROR,
    "task": TASK,
    "group": GROUP,
}

# One trace of 5,000 steps must not weigh more in the index than a few others.
MOST_WORDS = 60
MOST_TOOLS = 40
MOST_ERRORS = 12
MOST_CHARS = 1_000  # of each error
WORD_CHARS = 40
SIGNATURE_CHARS = 100
MOST_ASKED = 8
# Shorter words are found whole, longer ones by their beginning.
PREFIX_CHARS = 3

_WORD = re.compile(r"[^\W_]+")
# What tells two instances of one error apart: numbers, and ids with a digit in them.
_INSTANCE = re.compile(r"\b(?=\w*\d)[0-9a-fA-F]{8,}\b|\d+(?:[.,]\d+)*")
_ORIGINS = {"agent": "a", "imported": "i", "third_party": "t", "workshop": "w", "test": "x"}


def words(text: str) -> list[str]:
    """Return the words of a text in lower case, each cut to WORD_CHARS characters."""
    return [word[:WORD_CHARS] for word in _WORD.findall(text.lower())]


def signature(error: str) -> str:
    """Return what errors of one kind have in common: the first line with a # for each number."""
    line = next((line for line in error[:MOST_CHARS].splitlines() if line.strip()), "")
    return _INSTANCE.sub("#", " ".join(line.split()))[:SIGNATURE_CHARS].strip()


def facet(kind: str, value: str) -> str:
    """Return the term of a facet's value; a task or a group is found in whichever case."""
    return f"={kind}{value.lower() if kind in (TASK, GROUP) else value}"


def state(success: bool, has_errors: bool, origin: str) -> str:
    """Return the one term for outcome, errors and origin, which everything has one of."""
    return f"={STATE}{'s' if success else 'f'}{'e' if has_errors else 'n'}{_ORIGINS[origin]}"


def terms_of(
    *,
    success: bool,
    origin: str,
    task_id: str,
    task_group: str,
    task_type: str,
    version: int | None,
    error_message: str,
    steps: Iterable[Mapping[str, object]],
) -> str:
    """Return a trace's terms as PostgreSQL reads a tsvector."""
    tools, errors, failed = _of_steps(steps)
    if error_message and len(errors) < MOST_ERRORS:
        errors[error_message[:MOST_CHARS]] = None
    named = (
        (TASK, task_id),
        (GROUP, task_group if task_group != task_id else ""),
        (VERSION, str(version or "")),
        (ERROR, signature(next(iter(errors))) if errors else ""),
    )
    found = [state(success, failed or bool(error_message), origin)]
    found += [_quoted(facet(kind, value)) for kind, value in named if value]
    found += _calls(task_type, tuple(tools))
    found += map(_quoted, _distinct(errors))
    return " ".join(found)


# The runs of an agent are much alike, and every trace recorded comes by here.
@lru_cache(maxsize=512)
def _calls(task_type: str, tools: tuple[str, ...]) -> list[str]:
    """Return the terms for a task's type and the tools called."""
    found = [facet(TOOL, tool) for tool in tools]
    found += [facet(TYPE, task_type)] if task_type else []
    return [_quoted(term) for term in (*found, *_distinct((task_type, *tools)))]


def _of_steps(
    steps: Iterable[Mapping[str, object]],
) -> tuple[dict[str, None], dict[str, None], bool]:
    """Return the tools and the errors of steps in order, each once, and whether any failed."""
    tools: dict[str, None] = {}
    errors: dict[str, None] = {}
    failed = False
    for step in steps:
        tool, error = step.get("tool"), step.get("error")
        if isinstance(tool, str) and len(tools) < MOST_TOOLS:
            tools[tool] = None
        if error is not None:
            failed = True
            if isinstance(error, str) and error and len(errors) < MOST_ERRORS:
                errors[error[:MOST_CHARS]] = None
    return tools, errors, failed


def _distinct(texts: Iterable[str]) -> Iterator[str]:
    """Yield the words of the texts, each once, at most MOST_WORDS."""
    seen: set[str] = set()
    for text in texts:
        for word in words(text):
            if word not in seen:
                if len(seen) == MOST_WORDS:
                    return
                seen.add(word)
                yield word


def _quoted(term: str) -> str:
    return "'" + term.replace("\\", "\\\\").replace("'", "''") + "'"


def asked_words(text: str) -> str | None:
    """Return the tsquery for what somebody typed; None where it has no word.

    Every word must be there, or the text must begin the name of the task.
    """
    typed = list(dict.fromkeys(words(text)))[:MOST_ASKED]
    if not typed:
        return None
    every = " & ".join(_beginning(word) for word in typed)
    return f"({every} | {_beginning(facet(TASK, text.strip()))})"


def _beginning(term: str) -> str:
    return _quoted(term) + (":*" if len(term.lstrip("=")) >= PREFIX_CHARS else "")


def asked_facet(kind: str, value: str) -> str:
    """Return the tsquery for one value of a facet."""
    return _quoted(facet(kind, value))


def asked_state(success: bool | None, has_errors: bool | None, origin: str) -> str | None:
    """Return the tsquery for outcome, errors and origin; None where none of them is asked for."""
    if success is None and has_errors is None and not origin:
        return None
    found = (
        state(outcome, errors, source)
        for outcome in _either(success)
        for errors in _either(has_errors)
        for source in ([origin] if origin else _ORIGINS)
    )
    return f"({' | '.join(map(_quoted, found))})"


def _either(value: bool | None) -> Sequence[bool]:
    return (True, False) if value is None else (value,)


def read_state(term: str) -> tuple[bool, bool, str]:
    """Return success, has_errors and origin of a term of `state`."""
    origin = next(name for name, letter in _ORIGINS.items() if letter == term[4])
    return term[2] == "s", term[3] == "e", origin
