"""The steps of a trace as rows with a waterfall; templates/parts/trail.html draws them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ace_project.console.templatetags.figures import duration
from ace_project.console.templatetags.plots import coordinate

WIDTH = 200
# A page stays readable and quick with one huge tool answer in it; the API gives the whole.
_MAX_SHOWN = 20_000


@dataclass(frozen=True, slots=True)
class Row:
    """One step, placed on the time line of its trace; `more` counts the characters cut off."""

    number: int
    tool: str
    arguments: str
    brief: str
    result: str
    error: str
    failed: bool
    is_first_error: bool
    seconds: float | None
    tokens: int | None
    reward: float | None
    left: str
    width: str
    times: str
    more: int


@dataclass(frozen=True, slots=True)
class Span:
    """A time line in seconds: from `origin`, `total` long, with rows that begin at `start`."""

    start: float
    total: float
    origin: float = 0.0

    def left(self, elapsed: float) -> float:
        """Return where a bar begins that many seconds after the rows do."""
        return (self.start - self.origin + elapsed) * self._scale

    def width(self, seconds: float) -> float:
        """Return how long the bar of so many seconds is; one too short to see gets two units."""
        return max(2.0, seconds * self._scale)

    @property
    def ends(self) -> tuple[str, str, str]:
        """Return where the time line begins, has its middle and ends, in words."""
        half = self.origin + self.total / 2
        end = self.origin + self.total
        return _clock(self.origin, end), _clock(half, end), _clock(end)

    @property
    def _scale(self) -> float:
        return (WIDTH - 2.0) / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class Trail:
    """Steps in a row, and what is known of the trace that they are of."""

    rows: list[Row]
    timed: bool
    failed: int
    first_error: int | None
    ends: tuple[str, str, str]
    total_width: int = WIDTH


def as_text(value: object, most: int = _MAX_SHOWN) -> str:
    """A JSON value for reading: text as it is, anything else indented; cut with its true length."""
    if value is None:
        return ""
    text = (
        value
        if isinstance(value, str)
        else json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True, default=str)
    )
    if len(text) <= most:
        return text
    return f"{text[:most]}\n… {len(text) - most:,} more characters"


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


def _row(
    step: Mapping[str, object], number: int, first: bool, elapsed: float, span: Span, most: int
) -> Row:
    seconds, tokens = _seconds(step), _number(step, "tokens")
    begin = span.start + elapsed
    cut = step.get("cut")
    return Row(
        number=number,
        tool=str(step.get("tool") or "unnamed"),
        arguments=as_text(step.get("arguments"), most),
        brief=_brief(step.get("arguments")),
        result=as_text(step.get("result"), most),
        error=as_text(step.get("error"), most),
        failed=step.get("error") is not None,
        is_first_error=first,
        seconds=seconds,
        tokens=None if tokens is None else int(tokens),
        reward=_number(step, "reward"),
        left=coordinate(span.left(elapsed)),
        width=coordinate(span.width(seconds or 0.0)),
        times=""
        if seconds is None
        else f"{_clock(begin, begin + seconds)} to {_clock(begin + seconds)}",
        more=sum(cut.values()) if isinstance(cut, Mapping) else 0,
    )


def _clock(seconds: float, end: float = 0.0) -> str:
    """Return a place on a time line: `4.2 s`; where it goes on past two minutes, `10:15`."""
    if max(seconds, end) < 120 or not seconds:
        return duration(seconds) if seconds else "0 s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def trail(
    steps: Sequence[Mapping[str, object]],
    *,
    first: int = 1,
    span: Span | None = None,
    first_error: int | None = None,
    most: int = _MAX_SHOWN,
) -> Trail:
    """Rows in order from number `first` on, each bar starting where the step before it ended.

    `span` and `first_error` are those of the whole trace, where these are only a part of it.
    """
    total = sum(_seconds(step) or 0.0 for step in steps)
    span = span or Span(0.0, total)
    failed = [n for n, step in enumerate(steps, first) if step.get("error") is not None]
    first_error = first_error or (failed[0] if failed else None)
    rows, elapsed = [], 0.0
    for number, step in enumerate(steps, first):
        rows.append(_row(step, number, number == first_error, elapsed, span, most))
        elapsed += _seconds(step) or 0.0
    return Trail(rows, span.total > 0, len(failed), first_error, span.ends)
