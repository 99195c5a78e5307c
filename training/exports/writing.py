"""Rows of an export on their way out: as lines, as parquet, or as one page of an answer."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from io import RawIOBase
from itertools import islice
from types import ModuleType
from typing import Any

import orjson

from ace_project.core.api.render import dumps
from ace_project.core.errors import InvalidInput
from training.exports.formats import Format, Row
from training.exports.trajectories import Wanted
from training.models import TrainingJob

# Bytes of lines that are sent together, and rows of a parquet file's row group.
BLOCK = 64 * 1024
ROW_GROUP = 500

_NO_PYARROW = (
    "parquet files need pyarrow, which is not installed where this server runs: "
    "pip install 'pyarrow>=21,<27'"
)


def can_write_parquet() -> bool:
    """Return whether what parquet files need is installed."""
    return find_spec("pyarrow") is not None


def stream(job: TrainingJob, form: Format, wanted: Wanted) -> Iterator[bytes]:
    """Return a file's bytes, made as they are read; raises InvalidInput before the first."""
    units = form.units(job, wanted)
    rows = (row for _, found in units for row in found)
    return _parquet(_pyarrow(), rows) if form.is_parquet else _lines(rows)


def _lines(rows: Iterator[Row]) -> Iterator[bytes]:
    block = bytearray()
    for row in rows:
        block += dumps(row) + b"\n"
        if len(block) >= BLOCK:
            yield bytes(block)
            block.clear()
    if block:
        yield bytes(block)


def _pyarrow() -> ModuleType:
    try:
        import pyarrow.parquet  # an optional extra of 45 MB
    except ImportError as error:
        raise InvalidInput(_NO_PYARROW, [{"pointer": "/format", "message": _NO_PYARROW}]) from error
    return pyarrow


class _Sink(RawIOBase):
    """Takes what a writer writes until somebody takes it away; nothing is ever sought in it."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        """Say that it may be written to."""
        return True

    def write(self, data: Any) -> int:
        """Keep the bytes."""
        self._parts.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        found = b"".join(self._parts)
        self._parts.clear()
        return found


def _parquet(arrow: Any, rows: Iterator[Row]) -> Iterator[bytes]:
    """Yield a parquet file of verl's columns, a row group at a time."""
    sink, schema = _Sink(), _verl_schema(arrow)
    with arrow.parquet.ParquetWriter(sink, schema) as writer:
        while group := list(islice(rows, ROW_GROUP)):
            writer.write_table(arrow.Table.from_pylist(group, schema))
            yield sink.taken()
    yield sink.taken()


def _verl_schema(arrow: Any) -> Any:
    text, whole = arrow.string(), arrow.int64()
    message = arrow.struct([("role", text), ("content", text)])
    extra = [("split", text), ("index", whole), ("job_id", whole), ("tries", whole)]
    return arrow.schema(
        [
            ("data_source", text),
            ("prompt", arrow.list_(message)),
            ("ability", text),
            ("reward_model", arrow.struct([("style", text), ("ground_truth", text)])),
            ("extra_info", arrow.struct([*extra, ("mean_reward", arrow.float64())])),
        ]
    )


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows as JSON; `next_offset` goes on after them, None at the end."""

    rows: list[orjson.Fragment]
    next_offset: int | None


def page(job: TrainingJob, form: Format, wanted: Wanted, *, limit: int, room: int) -> Page:
    """Return the rows of the next `limit` trajectories (verl: tasks), in at most `room` bytes.

    A group of tries that preference pairs are made of is never cut. Raises InvalidInput where
    not even the first fits.
    """
    rows: list[orjson.Fragment] = []
    used = taken = 0
    for count, found in form.units(job, wanted):
        texts = [dumps(row) for row in found]
        size = sum(len(text) + 1 for text in texts)
        if taken >= limit or used + size > room:
            if not taken:
                raise _no_room()
            return Page(rows, wanted.offset + taken)
        rows += map(orjson.Fragment, texts)
        used, taken = used + size, taken + count
    return Page(rows, None)


def _no_room() -> InvalidInput:
    message = (
        "not even one fits into what is left of this answer: ask in a request of its own, "
        "or stream the export over REST"
    )
    return InvalidInput(message, [{"pointer": "/limit", "message": message}])
