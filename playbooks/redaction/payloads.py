"""Hidden characters, and what is encoded: where it is and what it says."""

import base64
import binascii
import html
import math
import re
from collections import Counter
from collections.abc import Iterator
from urllib.parse import unquote

from playbooks.redaction.finding import Finding
from playbooks.redaction.folding import Folded

# Zero-width, bidirectional controls and marks, invisible operators and fillers, tag characters.
HIDDEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\u2800\u3164\ufeff\uffa0\ufff9-\ufffb\U0001bca0-\U0001bca3\U000e0000-\U000e01ef]+"
    # One selector after a picture is ordinary; a chain of them carries bytes.
    "|[\ufe00-\ufe0f]{2,}|(?<=[\x20-\x7e])[\ufe00-\ufe0e](?!\u20e3)"
)
# Zero-width joiners spell words in some scripts and join emoji; between ASCII they only hide.
_JOINER = re.compile("(?<=[\x00-\x7f])[\u200c\u200d]+|[\u200c\u200d]+(?=[\x00-\x7f])")
_CONTROL = re.compile("[\x01-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]+")
MIN_BASE64 = 60
MAX_RUN = 20_000
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{16,}+={0,2}")
_HEX = re.compile(r"(?:0x|\\x)?(?:[0-9a-fA-F]{2}(?:\\x|[ :])?){8,}")
_HEX_START = re.compile(r"(?:[0-9a-fA-F]{2}){8}|(?:\\x[0-9a-fA-F]{2}){8}|(?:[0-9a-fA-F]{2}:){8}")
_HEX_PAIRS = re.compile(r"[0-9a-fA-F](?<![0-9a-zA-Z].)[0-9a-fA-F] (?:[0-9a-fA-F]{2} ){7}")
_ESCAPED = re.compile(
    r"[^\s\"'<>]*?(?:%[0-9a-fA-F]{2}|&#x?[0-9a-fA-F]{1,6};|&[a-z]{2,8};"
    r"|\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2})[^\s\"'<>]*"
)
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})")
_SPACED = re.compile(r" (?:\S ){11,}+(?:\S(?!\S))?")
_DOTTED = re.compile(r"(?<![^\W_])(?:[^\s._-][._-]){11,}+(?:[^\W_](?![^\W_]))?")
# One selector after a picture is ordinary; the rest of what hides needs no context.
_MAY_HIDE = re.compile(f"{HIDDEN.pattern.partition('|')[0]}|[\u200c\u200d\ufe00-\ufe0f]")


def hidden(text: str) -> Iterator[Finding]:
    """Find characters that nobody sees; positions are the original's."""
    suspect = not text.isascii() and _MAY_HIDE.search("".join(set(text)))
    patterns = (HIDDEN, _JOINER, _CONTROL) if suspect else (_CONTROL,)
    for pattern in patterns:
        for found in pattern.finditer(text):
            yield Finding("hidden_unicode", *found.span())


def decoded(folded: Folded) -> Iterator[tuple[int, int, str]]:
    """Yield what is encoded in a text: its place, and what it says.

    Base64, hexadecimal, per cent, HTML and backslash escapes, letters set apart by blanks.
    """
    text = folded.text
    for found in _base64_runs(folded):
        if found.end() - found.start() <= MAX_RUN and (plain := from_base64(found[0])):
            yield *found.span(), plain
    for found in _hex_runs(folded):
        if plain := from_hex(found[0]):
            yield *found.span(), plain
    if "%" in text or "&" in text or "\\" in text:
        for start, end in _escaped_runs(text):
            plain = unescaped(text[start:end])
            if plain != text[start:end]:
                yield start, end, plain
    for found in _SPACED.finditer(f" {text} "):
        yield found.start(), min(found.end() - 1, len(text)), found[0][1:MAX_RUN:2]
    for start, end in folded.long_runs:
        for found in _DOTTED.finditer(text, start, end):
            yield *found.span(), found[0][:MAX_RUN:2]


def _escaped_runs(text: str) -> Iterator[tuple[int, int]]:
    """Yield the runs without blanks that hold an escape, up to 8,000 characters of each."""
    done = 0
    for sign in re.finditer(r"%[0-9a-fA-F]{2}|&#|&[a-z]{2,8};|\\[ux][0-9a-fA-F]{2}", text):
        if sign.start() < done:
            continue
        start = sign.start()
        while start > done and sign.start() - start < 200 and text[start - 1] not in " \t\r\n\"'<>":
            start -= 1
        end = re.compile(r"[^\s\"'<>]{0,8000}").match(text, sign.start())
        done = end.end() if end else sign.end()
        yield start, done


def unescaped(run: str) -> str:
    """Return a run with its per cent, HTML and backslash escapes read."""
    plain = _ESCAPE.sub(lambda found: chr(int(found[1] or found[2], 16)), run)
    return html.unescape(unquote(plain, errors="replace"))


def _base64_runs(folded: Folded) -> Iterator[re.Match[str]]:
    for start, end in folded.long_runs:
        yield from _BASE64.finditer(folded.text, start, end)


def _hex_runs(folded: Folded) -> Iterator[re.Match[str]]:
    text = folded.text
    done = 0
    for start, end in folded.long_runs:
        for begin in _HEX_START.finditer(text, max(start, done), end):
            if begin.start() >= done and (
                found := _HEX.match(text, begin.start(), begin.start() + MAX_RUN)
            ):
                done = found.end()
                yield found
    for begin in _HEX_PAIRS.finditer(text):
        if begin.start() < done:
            continue
        found = _HEX.match(text, begin.start(), begin.start() + MAX_RUN)
        if found:
            done = found.end()
            yield found


def from_base64(run: str) -> str | None:
    """Return the text that base64 (plain or URL-safe) holds, None where it holds none."""
    run = run.rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        plain = base64.b64decode(run + "=" * (-len(run) % 4))
    except (binascii.Error, ValueError):
        return None
    return _as_text(plain)


def from_hex(run: str) -> str | None:
    """Return the text that hexadecimal digits hold, None where they hold none."""
    digits = re.sub(r"0x|\\x|[ :]", "", run)
    return _as_text(bytes.fromhex(digits[: len(digits) // 2 * 2]))


def _as_text(plain: bytes) -> str | None:
    try:
        text = plain.decode()
    except UnicodeDecodeError:
        return None
    shown = sum(char.isprintable() or char in "\t\r\n" for char in text)
    return text if len(text) >= 6 and shown == len(text) else None


def payloads(folded: Folded) -> Iterator[Finding]:
    """Find runs of base64 or hexadecimal that hide words, or are too long to be an id."""
    for found in _hex_runs(folded):
        digits = re.sub(r"[^0-9a-fA-F]", "", found[0])
        plain = from_hex(found[0]) if len(digits) >= 24 else None
        if len(set(found[0])) > 4 and (len(digits) >= 80 or plain and reads_as_words(plain)):
            yield Finding("encoded_payload", *found.span())
    for found in _base64_runs(folded):
        run = found[0].rstrip("=")
        mixed = all(re.search(kind, run) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
        if len(run) >= MIN_BASE64 and mixed and _entropy(run[:MAX_RUN]) > 4:
            yield Finding("encoded_payload", *found.span())
        elif (mixed or found[0] != run) and len(run) >= 22:
            plain = from_base64(run[: MAX_RUN // 4 * 4])
            if plain and reads_as_words(plain):
                yield Finding("encoded_payload", *found.span())


def reads_as_words(plain: str) -> bool:
    """Tell whether a decoded text is words: prose, a command, an address."""
    words = sum(char.isalpha() or char == " " for char in plain)
    return len(plain) >= 12 and words > 0.6 * len(plain)


def _entropy(run: str) -> float:
    """Return the bits per character of a run (Shannon, over its own letters)."""
    counts = Counter(run).values()
    return -sum(n / len(run) * math.log2(n / len(run)) for n in counts)
