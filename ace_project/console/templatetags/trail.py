"""The steps of a trace as rows with a waterfall; templates/parts/trail.html draws them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ace_project.console.templatetags.plots import coordinate

WIDTH = 160
# A page stays readable and quick with one huge tool answer in it; the API gives the whole.
_MAX_SHOWN = 20_000


@dataclass(frozen=True, slots=True)
class Row:
    """One step, placed on the time line of its trace."""

    number: int
    tool: str
    arguments: str
    brief: str
    result: str
    error: str
    is_first_error: bool
    seconds: float | None
    tokens: int | None
    reward: float | None
    left: str
    width: str


@dataclass(frozen=True, slots=True)
class Trail:
    """All steps of a trace."""

    rows: list[Row]
    timed: bool
    failed: int
    first_error: int | None
    total_width: int = WIDTH


def as_text(value: object) -> str:
    """A JSON value for reading: text as it is, anything else indented; cut with its true length."""
    if value is None:
        return ""
    text = (
        value
        if isinstance(value, str)
        else json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True, default=str)
    )
    if len(text) <= _MAX_SHOWN:
        return text
    return f"{text[:_MAX_SHOWN]}\n… {len(text) - _MAX_SHOWN:,} more characters"


def _brief(value: object) -> str:
    """The arguments on one line."""
    if isinstance(value, Mapping):
        text = ", ".join(f"{key}={_inline(item)}" for key, item in value.items())
    else:
        text = "" if value is None else _inline(value)
    return text if len(text) <= 160 else f"{text[:159]}…"


def _inline(value: object) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _seconds(step: Mapping[str, object]) -> float | None:
    value = step.get("seconds")
    return float(value) if isinstance(value, int | float) and value >= 0 else None


def _number(step: Mapping[str, object], key: str) -> float | None:
    value = step.get(key)
    return value if isinstance(value, int | float) else None


def _row(step: Mapping[str, object], number: int, first: bool, start: float, scale: float) -> Row:
    seconds, tokens = _seconds(step), _number(step, "tokens")
    return Row(
        number=number,
        tool=str(step.get("tool") or "unnamed"),
        arguments=as_text(step.get("arguments")),
        brief=_brief(step.get("arguments")),
        result=as_text(step.get("result")),
        error=as_text(step.get("error")),
        is_first_error=first,
        seconds=seconds,
        tokens=None if tokens is None else int(tokens),
        reward=_number(step, "reward"),
        left=coordinate(start * scale),
        width=coordinate(max(2.0, (seconds or 0.0) * scale)),
    )


def trail(steps: Sequence[Mapping[str, object]]) -> Trail:
    """Rows in order, each bar starting where the step before it ended (times in seconds)."""
    errors = [n for n, step in enumerate(steps, start=1) if step.get("error")]
    first_error = errors[0] if errors else None
    total = sum(_seconds(step) or 0.0 for step in steps)
    scale = (WIDTH - 2.0) / total if total else 0.0
    rows, elapsed = [], 0.0
    for number, step in enumerate(steps, start=1):
        rows.append(_row(step, number, number == first_error, elapsed, scale))
        elapsed += _seconds(step) or 0.0
    return Trail(rows=rows, timed=total > 0, failed=len(errors), first_error=first_error)
