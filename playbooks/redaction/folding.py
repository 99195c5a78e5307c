"""One plain spelling for a text, so that look-alike and invisible characters hide nothing.

Folding takes compatibility forms (full-width, mathematical, circled), accents, other digits and
look-alike letters of Cyrillic, Greek and other scripts to plain characters, and drops what cannot
be seen. It keeps the case and remembers where every character came from.
"""

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property, lru_cache

# Letters that most typefaces draw like a Latin one. Compatibility forms need no entry (NFKC).
_ALIKE = {
    "a": "аɑαᎪꓮ",
    "b": "вьƄᏴ",
    "c": "сϲⲥᏟꓚ",
    "d": "ԁɗᏧꓒ",
    "e": "еєҽɛᎬꓰ",
    "f": "ϝꞙꓝ",
    "g": "ɡցԍᏀ",
    "h": "нһհᏂ",
    "i": "іιɩıӏƖᎥꓲ",
    "j": "јϳᎫ",
    "k": "кκᏦꓗ",
    "l": "ⅼɭլᏞ",
    "m": "мᎷ",
    "n": "ոռηպꓠ",
    "o": "оοσօⲟჿ",
    "p": "рρᏢ",
    "q": "ԛգ",
    "r": "гᎡꓣ",
    "s": "ѕꜱᏚ",
    "t": "тτᎢ",
    "u": "υսʋᴜ",
    "v": "ѵνᏙ",
    "w": "ԝωшѡᎳ",
    "x": "хχ",
    "y": "уүγỿʏ",
    "z": "ᏃⲌ",
    "A": "АΑ",
    "B": "ВΒ",
    "C": "СϹ",
    "E": "ЕΕ",
    "H": "НΗ",
    "I": "ІΙӀ",
    "J": "ЈͿ",
    "K": "КΚ",
    "M": "МΜ",
    "N": "Ν",
    "O": "ОΟՕ",
    "P": "РΡ",
    "S": "ЅՏ",
    "T": "ТΤ",
    "U": "Ս",
    "X": "ХΧ",
    "Y": "УΥҮ",
    "Z": "Ζ",
    ".": "。․۔",
    "@": "﹫",
    "/": "⁄∕⧸",
    ":": "∶ː꞉",
    "'": "’‘ʼ`´",
    '"': "“”„«»",
    "<": "‹",
    ">": "›",
}
_PLAIN = {letter: plain for plain, letters in _ALIKE.items() for letter in letters}
del _PLAIN["`"]  # Markdown needs it.
_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_NAMED_LETTER = re.compile(
    r"(?:LATIN (?:SMALL |CAPITAL )?LETTER (?:SMALL CAPITAL |DOTLESS |TURNED |LONG |SCRIPT )?"
    r"|(?:NEGATIVE )?(?:CIRCLED|SQUARED|CROSSED NEGATIVE SQUARED) LATIN CAPITAL LETTER "
    r"|REGIONAL INDICATOR SYMBOL LETTER )([A-Z])(?: WITH .*)?"
)


# A run long enough for a key or a payload. Most words are shorter, so detectors read little.
_LONG = re.compile(r"[^\s\"'`<>(),;{}\[\]|]{14,}+")


@dataclass(frozen=True)
class Folded:
    """A text in its plain spelling; `low` is `text` in lower case, character for character."""

    text: str
    low: str
    # Where the distance to the original changes: positions here, and there.
    here: list[int]
    there: list[int]
    source: str

    @cached_property
    def long_runs(self) -> list[tuple[int, int]]:
        """Where `text` has 14 characters or more without a blank, quote or bracket."""
        return [found.span() for found in _LONG.finditer(self.text)]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return where the characters `start:end` stood in the original."""
        if not self.here:
            return start, end
        return self._origin(start), self._origin(end - 1) + 1

    def _origin(self, position: int) -> int:
        index = bisect_right(self.here, position) - 1
        if index < 0:
            return position
        bound = self.there[index + 1] - 1 if index + 1 < len(self.there) else len(self.source) - 1
        return min(self.there[index] + position - self.here[index], max(bound, self.there[index]))


def fold(text: str) -> Folded:
    """Return `text` in its plain spelling."""
    if text.isascii():
        return Folded(text, text.lower(), [], [], text)
    strange = {char: fold_character(char) for char in set(text) if char > "\x7f"}
    plain = _translated(text, strange)
    uneven = [char for char, folded in strange.items() if len(folded) != 1]
    here, there = _breaks(text, uneven, strange) if uneven else ([], [])
    return Folded(plain, plain.lower(), here, there, text)


def _translated(text: str, strange: dict[str, str]) -> str:
    if len(strange) > 40:
        return text.translate({ord(char): folded for char, folded in strange.items()})
    for char, folded in strange.items():  # A search per character is quicker for a few.
        text = text.replace(char, folded)
    return text


def _breaks(text: str, uneven: list[str], strange: dict[str, str]) -> tuple[list[int], list[int]]:
    here, there, moved = [], [], 0
    for found in re.finditer(f"[{re.escape(''.join(uneven))}]", text):
        size = len(strange[found[0]])
        if size > 1:
            here.append(found.start() + moved)
            there.append(found.start())
        moved += size - 1
        here.append(found.end() + moved)
        there.append(found.end())
    return here, there


@lru_cache(maxsize=16_384)
def fold_character(char: str) -> str:
    """Return the plain spelling of one character: none, one or several characters."""
    if char in _PLAIN:
        return _PLAIN[char]
    if char.isupper() and (small := _PLAIN.get(char.lower(), "")):
        return small.upper()  # Both cases of a letter fold alike.
    category = unicodedata.category(char)
    if category in ("Cf", "Mn", "Me") or char in _FILLERS:
        return ""
    if category == "Zs":
        return " "
    if category == "Pd":
        return "-"
    folded = "".join(map(_base, unicodedata.normalize("NFKC", char)))
    # Of what is left only the capital I with a dot would grow in lower case.
    return "".join(c for c in folded if len(c.lower()) == 1)


def _base(char: str) -> str:
    """Return a character without its accents, in its Latin or ASCII look."""
    decimal = unicodedata.decimal(char, None)
    if decimal is not None:
        return str(decimal)
    parts = unicodedata.normalize("NFD", char)
    if len(parts) > 1 and all(unicodedata.category(part) == "Mn" for part in parts[1:]):
        char = parts[0]
    if char.isascii() or char in _PLAIN:
        return _PLAIN.get(char, char)
    named = _NAMED_LETTER.fullmatch(unicodedata.name(char, ""))
    if named:
        return named[1].lower() if char.islower() else named[1]
    return char
