"""Quoting data for a prompt: redacted, on one line, cut, and between marks nobody can guess."""

import json
import re
from typing import Any

from playbooks.redaction import Redactor

# Past its limit a text is read a little further, or to the end of what has no blank in it or of
# a key in lines, so that a secret is recognised whole; then it is cut.
NEAR, MARGIN = 300, 2500
_ARMOUR = "-----BEGIN"
_BLANK = re.compile(r"\s")
# What could pass for one of our marks, or for the marks by which chat models tell who speaks.
_LOOKALIKE = re.compile(
    "[<\uff1c\ufe64\u2039\u27e8\u3008\u276e\u00ab]"
    r"(?=[\s/\uff0f\\]*(?:d\W{0,2}a\W{0,2}t\W{0,2}a\b|\||</?sys|s>|/s>))"
    r"|\[(?=/?inst\])",
    re.IGNORECASE,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": " ", "f": " "}
_ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)


class Quoter:
    """Turns what others wrote into data of one prompt; `nonce` must be unguessable."""

    def __init__(self, nonce: str, redactor: Redactor) -> None:
        self.nonce = nonce
        self.redactor = redactor
        self._nonce = re.compile(re.escape(nonce), re.IGNORECASE)

    def text(self, raw: str, limit: int) -> str:
        """Return a text on one line of at most `limit` characters, safe to stand in a block."""
        near = raw[: _end(raw, limit)]
        # On one line before it is redacted: joined afterwards, lines could show what was split.
        return self._fitted(self.redactor.redact(_line(near)), limit, is_cut=len(near) < len(raw))

    def json(self, raw: str, limit: int) -> str:
        """Return JSON text (perhaps cut off) like `text`, with its strings read as they mean."""
        if len(raw) <= limit + MARGIN:
            try:
                value = self.redactor.redact_value(_lines(json.loads(raw)))
                return self._fitted(json.dumps(value, ensure_ascii=False), limit, is_cut=False)
            except (ValueError, RecursionError):
                pass
        return self.text(_ESCAPED.sub(_unescaped, raw[: 2 * (limit + MARGIN)]), limit)

    def block(self, kind: str, lines: list[str], name: str = "") -> str:
        """Return quoted lines as one block; `kind` and `name` are ours."""
        opening = f"<data-{self.nonce} {kind}{' ' if name else ''}{name}>"
        return "\n".join([opening, *lines, f"</data-{self.nonce}>"])

    def _fitted(self, line: str, limit: int, *, is_cut: bool) -> str:
        """Return a redacted line escaped; the end of a cut one may be half of a secret: it goes."""
        if is_cut:
            line = line[: max(0, len(line) - NEAR // 2)]
        line = _LOOKALIKE.sub("(", self._nonce.sub("(removed)", line))
        return line if len(line) <= limit else f"{line[: limit - 1]}…"


def _line(text: str) -> str:
    """Return a text on one line, without what does not show."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())


def _lines(value: Any) -> Any:
    """Return JSON with every string and key on one line."""
    if isinstance(value, str):
        return _line(value)
    if isinstance(value, list):
        return [_lines(item) for item in value]
    if isinstance(value, dict):
        return {_line(key): _lines(item) for key, item in value.items()}
    return value


def _unescaped(found: re.Match[str]) -> str:
    if found[1]:
        return chr(int(found[1], 16))
    return _ESCAPES.get(found[2], found[2])


def _end(raw: str, limit: int) -> int:
    """Return how much of a text to look at in order to show `limit` characters of it."""
    most = limit + MARGIN
    if _ARMOUR in raw[: limit + NEAR]:
        return most
    blank = _BLANK.search(raw, limit + NEAR, most)
    return blank.start() if blank else most
