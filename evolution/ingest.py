"""The shape of an execution trace as others send it, and the row that it becomes. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Annotated, Any, NamedTuple, Required, TypeAlias, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import (
    ErrorDetails,
    PydanticCustomError,
    PydanticSerializationError,
    from_json,
    to_json,
)
from typing_extensions import TypedDict

from ace_project.core.errors import InvalidInput
from evolution.terms import terms_of
from playbooks.content import ContentError, check_text, escape

MAX_STEPS = 5_000
MAX_BATCH = 1_000
MAX_BULLETS = 1_000
MAX_TEXT = 100_000
MAX_METADATA_BYTES = 1_000_000
MAX_STEPS_BYTES = 5_000_000
SHOWN_ERRORS = 20

_INT4 = 2**31 - 1
# What PostgreSQL refuses leaves a mark in JSON text: this one, NaN or Infinity. A mark may be
# innocent (the word NaN in a sentence), so it only starts the slow look.
_NUL = b"\\u0000"

Problem: TypeAlias = dict[str, str]


def _iso_8601(value: object) -> object:
    # pydantic would also read 1700000000 and "1700000000" as a time.
    if isinstance(value, str) and len(value) >= 16 and value[4] == "-":
        return value
    raise PydanticCustomError("iso_8601", "must be an ISO 8601 time with its offset from UTC")


Name = Annotated[str, Field(min_length=1, max_length=255)]
Text255 = Annotated[str, Field(max_length=255)]
LongText = Annotated[str, Field(max_length=MAX_TEXT)]
Seconds = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=10**12)]
Int4 = Annotated[int, Field(ge=0, le=_INT4)]
BulletId = Annotated[str, Field(min_length=1, max_length=320)]
CapturedAt = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_iso_8601)]

_STRICT = ConfigDict(extra="forbid", strict=True)


class Step(TypedDict, total=False):
    """One tool call, in the order it happened; `error` is null or absent where it succeeded."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]

    tool: Required[Name]
    arguments: Required[Any]
    result: Any
    error: LongText | None
    seconds: Seconds | None
    tokens: Count | None
    reward: Number | None


class Trace(BaseModel):
    """The body of POST traces; null means the same as absent."""

    model_config = _STRICT

    agent_id: Name
    trace_id: Name | None = None
    task_id: Text255 | None = None
    task_group: Text255 | None = None
    trial: Int4 | None = None
    execution_time: Seconds
    success: bool
    output_quality: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    error_message: LongText | None = None
    metadata: dict[str, Any] | None = None
    steps: Annotated[list[Step], Field(max_length=MAX_STEPS)] | None = None
    playbook_version: Annotated[int, Field(ge=1, le=_INT4)] | None = None
    bullets: Annotated[list[BulletId], Field(max_length=MAX_BULLETS)] | None = None
    session: Text255 | None = None
    captured_at: CapturedAt | None = None


class RecordedTrace(Trace):
    """A trace out of a file: recordings often do not say how long a task took."""

    execution_time: Seconds | None = None  # type: ignore[assignment]


class _Batch(BaseModel):
    model_config = _STRICT

    traces: Annotated[list[Trace], Field(max_length=MAX_BATCH)]


class _Envelope(BaseModel):
    model_config = _STRICT

    traces: Annotated[list[Any], Field(max_length=MAX_BATCH)]


class TraceRow(NamedTuple):
    """The columns of an execution trace that its sender decides; JSON columns are JSON text."""

    trace_id: str
    task_id: str
    task_group: str
    task_type: str
    trial: int | None
    success: bool
    output_quality: float | None
    execution_time: float | None
    error_message: str
    metadata: str
    steps: str
    step_count: int
    error_count: int
    tokens: int | None
    playbook_version: int | None
    bullets: str | None
    session: str
    origin: str
    captured_at: datetime
    search: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A trace of a batch that cannot be taken, and why: `{pointer, message}` each."""

    errors: list[Problem]


TraceT = TypeVar("TraceT", bound=Trace)


def parse_trace(body: bytes, shape: type[TraceT]) -> TraceT:
    """Return the trace that `body` holds as JSON; raises InvalidInput with pointers."""
    if _NUL in body:
        _refuse_nul(body)
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        raise _invalid(problems_of(error)) from None


def parse_batch(body: bytes) -> list[Trace | Refused]:
    """Return each trace of `{"traces": [...]}` in order, or why it alone is refused.

    Raises InvalidInput where the body as a whole is no batch of at most MAX_BATCH traces.
    """
    if _NUL not in body:
        try:
            return [*_Batch.model_validate_json(body).traces]
        except ValidationError:
            # Something is wrong somewhere: look at each trace by itself.
            pass
    try:
        return [_alone(item) for item in _Envelope.model_validate_json(body).traces]
    except ValidationError as error:
        raise _invalid(problems_of(error)) from None


def _refuse_nul(body: bytes) -> None:
    try:
        document = from_json(body)
    except ValueError:
        return
    found = _unstorable(document, "")
    if found:
        raise _refuse(*found)


def _alone(item: object) -> Trace | Refused:
    try:
        return parse_trace(to_json(item), Trace)
    except InvalidInput as error:
        return Refused(error.errors)


def row_of(
    trace: Trace, *, now: datetime, new_id: Callable[[], str], origin: str = "agent"
) -> TraceRow:
    """Return the row for `trace`; raises InvalidInput for what PostgreSQL cannot store.

    `captured_at` is `now` and `trace_id` is `new_id()` where the trace has none; `task_group`
    is the task's id where it has none.
    """
    steps = trace.steps or []
    metadata = trace.metadata or {}
    errors, tokens = _counted(steps)
    task_type = metadata.get("task_type")
    captured_at = trace.captured_at or now
    _check(metadata, captured_at)
    task_type = task_type if isinstance(task_type, str) else ""
    task_group = trace.task_group or trace.task_id or ""
    return TraceRow(
        trace_id=trace.trace_id or new_id(),
        task_id=trace.task_id or "",
        task_group=task_group,
        task_type=task_type,
        trial=trace.trial,
        success=trace.success,
        output_quality=trace.output_quality,
        execution_time=trace.execution_time,
        error_message=trace.error_message or "",
        metadata=_json_text(metadata, "/metadata", MAX_METADATA_BYTES),
        steps=_json_text(steps, "/steps", MAX_STEPS_BYTES),
        step_count=len(steps),
        error_count=errors,
        tokens=tokens,
        playbook_version=trace.playbook_version,
        bullets=None if trace.bullets is None else to_json(trace.bullets).decode(),
        session=trace.session or "",
        origin=origin,
        captured_at=captured_at,
        search=terms_of(
            success=trace.success,
            origin=origin,
            task_id=trace.task_id or "",
            task_group=task_group,
            task_type=task_type,
            version=trace.playbook_version,
            error_message=trace.error_message or "",
            steps=steps,
        ),
    )


def _counted(steps: list[Step]) -> tuple[int, int | None]:
    """Return how many steps failed, and the tokens of those that say; None if none does."""
    errors, tokens = 0, None
    for step in steps:
        if step.get("error") is not None:
            errors += 1
        count = step.get("tokens")
        if count is not None:
            tokens = count + (tokens or 0)
    return errors, tokens


def _check(metadata: Mapping[str, Any], captured_at: datetime) -> None:
    task_type = metadata.get("task_type")
    if isinstance(task_type, str) and len(task_type) > 255:
        raise _refuse("/metadata/task_type", "is longer than 255 characters")
    # Python's calendar ends where a change of time zone would step over year 1 or 9999.
    if not 1970 <= captured_at.year < 3000:
        raise _refuse("/captured_at", "must lie between the years 1970 and 2999")


def _json_text(value: object, pointer: str, most: int) -> str:
    try:
        text = to_json(value)
    except PydanticSerializationError:
        raise _refuse(*(_unstorable(value, pointer) or (pointer, "is not JSON"))) from None
    if len(text) > most:
        raise _refuse(pointer, f"is {len(text):,} bytes long; at most {most:,} are kept")
    if b"NaN" in text or b"Infinity" in text:
        found = _unstorable(value, pointer)
        if found:
            raise _refuse(*found)
    return text.decode()


def _unstorable(value: object, pointer: str) -> tuple[str, str] | None:
    """Return pointer and message of the first part of `value` that jsonb cannot hold."""
    if isinstance(value, str):
        try:
            check_text(value, pointer)
        except ContentError as error:
            return error.pointer, error.message
    if isinstance(value, float) and not isfinite(value):
        return pointer, "is not a finite number"
    parts: Iterable[tuple[object, object]] = ()
    if isinstance(value, dict):
        odd = next(filter(None, (_unstorable(key, pointer) for key in value)), None)
        if odd:
            return pointer, f"has a key that {odd[1]}"
        parts = value.items()
    elif isinstance(value, list):
        parts = enumerate(value)
    found = (_unstorable(part, f"{pointer}/{escape(str(name))}") for name, part in parts)
    return next(filter(None, found), None)


_WORDS = {
    "extra_forbidden": "is not a known key",
    "missing": "is required",
    "string_unicode": "contains a lone surrogate",
}


def problems_of(error: ValidationError) -> list[Problem]:
    """Return what is wrong as `{pointer, message}`, at most SHOWN_ERRORS of them."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    shown = [_problem(detail) for detail in details[:SHOWN_ERRORS]]
    if len(details) > SHOWN_ERRORS:
        more = len(details) - SHOWN_ERRORS
        shown.append({"pointer": "", "message": f"and {more} more of the kind"})
    return shown


def _problem(detail: ErrorDetails) -> Problem:
    pointer = "".join(f"/{escape(str(part))[:300]}" for part in detail["loc"])
    message = _WORDS.get(detail["type"], detail["msg"])
    # A key may be anything; what cannot be printed is not sent back.
    return {"pointer": pointer.replace("\x00", "\ufffd"), "message": message}


def _refuse(pointer: str, message: str) -> InvalidInput:
    return _invalid([{"pointer": pointer, "message": message}])


def _invalid(problems: list[Problem]) -> InvalidInput:
    return InvalidInput("the trace is not valid", problems)
