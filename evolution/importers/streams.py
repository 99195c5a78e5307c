"""Cut a file into JSON documents with their line numbers: one a line, or the items of one array."""

import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

MAX_RECORD = 32 * 1024 * 1024
_CHUNK = 256 * 1024
_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
# A whole string, or a lone quote where the string goes on past what has been read.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|["{}\[\],]', re.DOTALL)
_UNREADABLE = (OSError, EOFError, zlib.error)


@dataclass(frozen=True, slots=True)
class Piece:
    """The bytes of one document and the line it begins on."""

    line: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Fault:
    """Why there is no document at this line."""

    line: int
    message: str


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a plain or gzip file, told apart by their first bytes, past a byte order mark."""
    with path.open("rb") as raw:
        packed = raw.read(2) == _GZIP
        raw.seek(0)
        file = gzip.GzipFile(fileobj=raw) if packed else raw
        if _peek(file, 3) == _BOM:
            file.read(3)
        yield cast(BinaryIO, file)


def _peek(file: BinaryIO | gzip.GzipFile, size: int) -> bytes:
    # Short reads cannot happen here: both kinds hold back at least a few kilobytes.
    try:
        start = file.peek(size)[:size]  # type: ignore[union-attr]
    except _UNREADABLE:
        # The reader that comes next meets the same fault and gives it a line.
        return b""
    return bytes(start)


def holds_an_array(path: Path) -> bool:
    """Return whether the first character of a file that is not white space opens an array."""
    with opened(path) as file:
        try:
            return file.read(4096).lstrip()[:1] == b"["
        except _UNREADABLE:
            return False


def lines(file: BinaryIO) -> Iterator[Piece | Fault]:
    """Yield each line that is not blank; a line over MAX_RECORD is skipped and named."""
    number = 0
    try:
        while line := file.readline(MAX_RECORD + 1):
            number += 1
            if len(line) > MAX_RECORD:
                yield Fault(number, f"the line is longer than {MAX_RECORD:,} bytes")
                while line and not line.endswith(b"\n"):
                    line = file.readline(_CHUNK)
            elif line.strip():
                yield Piece(number, line)
    except _UNREADABLE as error:
        yield Fault(number + 1, f"the rest of the file cannot be read: {error}")


def elements(file: BinaryIO) -> Iterator[Piece | Fault]:
    """Yield each item of the array that a file holds; one without an end ends the reading."""
    reader = _ArrayReader()
    try:
        while chunk := file.read(_CHUNK):
            yield from reader.feed(chunk)
            if reader.ended:
                return
            if len(reader.buffer) > MAX_RECORD:
                yield Fault(reader.place, f"the record is longer than {MAX_RECORD:,} bytes")
                return
    except _UNREADABLE as error:
        yield Fault(reader.place, f"the rest of the file cannot be read: {error}")
        return
    yield Fault(reader.place, "the file ends in the middle of the array")


class _ArrayReader:
    """Finds where items end by counting brackets outside strings; what they hold is not judged."""

    def __init__(self) -> None:
        self.buffer = b""
        self.line = 1
        self.ended = False
        self._scanned = 0
        self._depth = 0

    @property
    def place(self) -> int:
        """Return the line on which the item that has not ended begins."""
        blank = len(self.buffer) - len(self.buffer.lstrip())
        return self.line + self.buffer.count(b"\n", 0, blank)

    def feed(self, chunk: bytes) -> Iterator[Piece]:
        """Yield the items that are complete with `chunk`."""
        self.buffer += chunk
        start = 0
        for token in _TOKEN.finditer(self.buffer, self._scanned):
            kind = token[0]
            if kind == b'"':
                self._scanned = token.start()
                break
            self._scanned = token.end()
            if kind in (b"{", b"["):
                self._depth += 1
                if self._depth == 1:
                    start = self._pass(start, token.end())
            elif kind in (b"}", b"]"):
                self._depth -= 1
            if self._depth == 0 or (self._depth == 1 and kind == b","):
                self.ended = self._depth == 0
                yield from self._item(start, token.start())
                start = self._pass(start, token.end())
            if self.ended:
                return
        self.buffer = self.buffer[start:]
        self._scanned = max(0, self._scanned - start)

    def _item(self, start: int, end: int) -> Iterator[Piece]:
        text = self.buffer[start:end]
        data = text.lstrip()
        # A comma before the closing bracket is forgiven, an empty array has nothing in it.
        if data or not self.ended:
            yield Piece(self.line + text.count(b"\n", 0, len(text) - len(data)), data)

    def _pass(self, start: int, end: int) -> int:
        self.line += self.buffer.count(b"\n", start, end)
        return end
