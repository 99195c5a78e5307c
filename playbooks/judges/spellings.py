"""The readings of a text that may hide an order: other spellings, encodings and ciphers.

A reading is lower-case text for the judges of orders. Words spelled with digits, gaps or slips are
led back only to words that orders are made of, so ordinary text reads as it is written.
"""

import base64
import binascii
import codecs
import itertools
import re
from collections.abc import Iterator

from playbooks.judges.vocabulary import KEY_WORDS, KEYS, VOCABULARY
from playbooks.redaction import Folded, fold
from playbooks.redaction.payloads import decoded, reads_as_words

_LEET = {
    "0": "o", "1": "il", "2": "z", "3": "e", "4": "a", "5": "s", "6": "g", "7": "t", "8": "b",
    "9": "g", "@": "a", "$": "s", "!": "i", "|": "il", "+": "t", "€": "e", "£": "l", "(": "c",
    "*": "oaeiu", "#": "h", "%": "x",
}  # fmt: skip
_LEET_WORD = re.compile(r"[a-z0-9@$!|+€£*(#]{2,}+")
_LEET_SIGN = re.compile(r"[0-9@$!|+€£*(#]")
_WORD = re.compile(r"[a-z]{5,16}")
_GLUED = re.compile(r"[a-z]{12,200}")
_GAPPED = re.compile(r"(?<![^\W_])(?:[a-z0-9@$!][ ._*~|/+-]{1,2}){3,}[a-z0-9@$!](?![^\W_])")
_TORN = re.compile(r"(?<=\w)[_*~|+-]([.:/@]{1,3})[_*~|+-](?=\w)")
_JOINT = re.compile(r"(?<=[a-z])(?:[_/|\\~^+=:-]{1,3}|\.)(?=[a-z])")
# Brackets, commas and courtesy in the middle of an order.
_ASIDE = re.compile(r"[()\[\]{}<>\",;]+|\b(?:please|kindly|simply|just|now) ")
_LONG_DRAWN = re.compile(r"([a-z])\1{2,}")
# Emphasis and quoting of Markdown: a reader does not see them.
_EMPHASIS = re.compile(r"[*`~]+")
# A line that does not end a sentence goes on in the next.
_LINE_END = re.compile(r"(?<![.!?:;\n])[ \t]*\r?\n[ \t]*(?!\n)")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_BASE32 = re.compile(r"(?<![A-Z2-7a-z])[A-Z2-7]{24,4000}={0,6}")
_BINARY = re.compile(r"(?:[01]{8}[ ,]?){6,2000}")
_DECIMALS = re.compile(r"\b\d{2,3}(?:[ ,;]{1,2}\d{2,3}){9,2000}\b")
_MORSE = re.compile(r"[.-]{1,5}(?:[ /|]{1,3}[.-]{1,5}){9,2000}")
_MORSE_LETTERS = dict(
    zip(
        [
            ".-",
            "-...",
            "-.-.",
            "-..",
            ".",
            "..-.",
            "--.",
            "....",
            "..",
            ".---",
            "-.-",
            ".-..",
            "--",
            "-.",
            "---",
            ".--.",
            "--.-",
            ".-.",
            "...",
            "-",
            "..-",
            "...-",
            ".--",
            "-..-",
            "-.--",
            "--..",
        ],
        "abcdefghijklmnopqrstuvwxyz",
        strict=True,
    )
)
_BRAILLE = dict(zip("⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵", "abcdefghijklmnopqrstuvwxyz", strict=True))
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ATBASH = str.maketrans(_LETTERS, _LETTERS[::-1])
_TELLING = tuple(word for word in KEY_WORDS if len(word) >= 6)
# All 25 shifts of the alphabet are tried up to a bullet's length, above it only the common one.
MAX_SHIFTED = 20_000


def readings(folded: Folded) -> Iterator[str]:
    """Yield a text as written, then the other ways in which it may be read as plain words."""
    text = _LINE_END.sub(" ", folded.text) if "\n" in folded.text else folded.text
    text = _EMPHASIS.sub("", text)
    low = text.lower()
    parted = _CAMEL.sub(" ", text).lower()
    seen = set()
    for reading in (
        folded.low,
        low,
        _respelled(low),
        _respelled(_LONG_DRAWN.sub(r"\1", _ASIDE.sub("", low))),
        *_flatly_unleeted(low),
        _respelled(parted.replace("_", " ")),
        _respelled(_JOINT.sub(" ", parted)),
        _respelled(_GAPPED.sub(_closed, _TORN.sub(r"\1", low))),
    ):
        if reading not in seen:
            seen.add(reading)
            yield reading


def _is_leet(word: str) -> bool:
    return bool(_LEET_SIGN.search(word) and re.search(r"[a-z]", word))


def _flatly_unleeted(low: str) -> Iterator[str]:
    """Yield the text with every digit or sign inside a word read as the letter it looks like."""
    words = [found.span() for found in _LEET_WORD.finditer(low) if _is_leet(found[0])]
    for one in "il" if words else "":
        parts, done = [], 0
        table = str.maketrans("03457@$!1", f"oeastasi{one}")
        for start, end in words:
            parts += [low[done:start], low[start:end].translate(table)]
            done = end
        yield "".join([*parts, low[done:]])


def hidden_texts(folded: Folded) -> Iterator[str]:
    """Yield what a text says once decoded or deciphered, in lower case."""
    for first in _decoded(folded):
        inner = fold(first)
        yield from readings(inner)
        for second in _decoded(inner):
            yield fold(second).low
    yield from _deciphered(folded.low)
    tags = "".join(chr(ord(c) - 0xE0000) for c in folded.source if "\U000e0020" <= c < "\U000e007f")
    braille = "".join(_BRAILLE.get(c, " ") for c in folded.source) if "⠑" in folded.source else ""
    yield from (fold(text).low for text in (tags, braille) if text)


def _decoded(folded: Folded) -> Iterator[str]:
    """Yield decoded runs, then the text with each run replaced by what it says."""
    found = [(start, end, plain) for start, end, plain in decoded(folded) if len(plain) < 20_000]
    yield from (plain for _, _, plain in found)
    if found:
        parts, done = [], 0
        for start, end, plain in sorted(found):
            if start >= done:
                parts += [folded.text[done:start], plain]
                done = end
        yield "".join([*parts, folded.text[done:]])
    text = folded.text
    for run in _BASE32.finditer(text):
        yield from _as_words(_base32(run[0]))
    for run in _BINARY.finditer(text):
        bits = re.sub(r"[ ,]", "", run[0])
        yield from _as_words(int(bits, 2).to_bytes(len(bits) // 8, "big"))
    for run in _DECIMALS.finditer(text):
        codes = [int(code) for code in re.findall(r"\d+", run[0])]
        yield from _as_words(bytes(code for code in codes if code < 256))
    for run in _MORSE.finditer(text):
        yield _morse(run[0])


def _morse(run: str) -> str:
    words = re.split(r" *[/|] *| {2,}", run)
    return " ".join(
        "".join(_MORSE_LETTERS.get(code, "") for code in word.split()) for word in words
    )


def _base32(run: str) -> bytes:
    run = run.rstrip("=")
    try:
        return base64.b32decode(run + "=" * (-len(run) % 8))
    except binascii.Error:
        return b""


def _as_words(plain: bytes) -> Iterator[str]:
    text = plain.decode(errors="replace")
    if reads_as_words(text):
        yield text


def _deciphered(low: str) -> Iterator[str]:
    """Yield readings backwards, mirrored or shifted in which words of orders come to light."""
    yield from (
        reading
        for reading in (low[::-1], low.translate(_ATBASH), codecs.encode(low, "rot13"))
        if _comes_to_light(reading, low)
    )
    for shift in range(1, 26) if len(low) <= MAX_SHIFTED else ():
        table = str.maketrans(_LETTERS, _LETTERS[shift:] + _LETTERS[:shift])
        if _comes_to_light(reading := low.translate(table), low):
            yield reading


def _comes_to_light(reading: str, low: str) -> bool:
    """Tell whether a reading has words of orders, or more common words than the text as it is."""
    if any(word in reading and word not in low for word in _TELLING):
        return True
    gained = VOCABULARY & set(reading.split())
    return len(gained) >= 3 and len(gained) > 2 * len(VOCABULARY & set(low.split()))


def _closed(gapped: re.Match[str]) -> str:
    """Return letters set apart as words: a wider gap parts words."""
    inner = re.sub(r"[a-z0-9@$! ]", "", gapped[0])
    if len(inner) <= len(gapped[0]) / 4:
        words = re.split(r"[ ._*~|/+-]{2}", gapped[0])
        return " ".join(re.sub(r"[ ._*~|/+-]", "", word) for word in words)
    # One sign parts the letters, blanks part the words; other signs belong to the text.
    return gapped[0].replace(max(set(inner), key=inner.count), "")


def _respelled(low: str) -> str:
    low = _LEET_WORD.sub(_unleeted, low)
    low = _WORD.sub(lambda found: _corrected(found[0]), low)
    return _GLUED.sub(lambda found: _unglued(found[0]), low)


def _unleeted(found: re.Match[str]) -> str:
    """Return the vocabulary's word for one spelled with digits and signs, or the word itself."""
    word = found[0]
    if len(word) > 20 or not _LEET_SIGN.search(word) or not re.search(r"[a-z]", word):
        return word
    for core in (word, word.rstrip("!|*(")):
        choices = [_LEET.get(char, char) for char in core]
        # 1 and | have two readings, * five: a word has few of them.
        for letters in itertools.islice(itertools.product(*choices), 200):
            spelled = "".join(letters)
            if spelled in VOCABULARY or spelled in _CORRECTIONS:
                return spelled + word[len(core) :]
    return word


def _slips(word: str) -> Iterator[str]:
    """Yield a word with one letter left out, doubled, or two neighbours swapped; ends stay."""
    yield word[0] + word
    yield word + word[-1]
    for index in range(1, len(word) - 1):
        yield word[:index] + word[index + 1 :]
        yield word[:index] + word[index] + word[index:]
        if index < len(word) - 2:
            yield word[:index] + word[index + 1] + word[index] + word[index + 2 :]


# Words that a slip would make of another one, but which are themselves.
_ITSELF = frozenset(
    ["pries", "prior", "sever", "server", "polices", "polite", "form", "from", "skips", "forwards"]
)
_CORRECTIONS = {
    slip: word for word in KEYS if len(word) >= 6 for slip in _slips(word) if slip not in VOCABULARY
}
_SCRAMBLED = {
    word[0] + "".join(sorted(word[1:-1])) + word[-1]: word for word in KEYS if len(word) > 5
}


def _corrected(word: str) -> str:
    """Return the key word that a slip or a scramble of inner letters was meant for."""
    if word in VOCABULARY or word in _ITSELF:
        return word
    if word in _CORRECTIONS:
        return _CORRECTIONS[word]
    return _SCRAMBLED.get(word[0] + "".join(sorted(word[1:-1])) + word[-1], word)


def _unglued(word: str) -> str:
    """Return a run of letters as the vocabulary's words where it is made of nothing else."""
    # From each position the last word's start: -1 where no words lead there.
    starts = [0] + [-1] * len(word)
    for end in range(1, len(word) + 1):
        for start in range(max(0, end - 14), end):
            if (start == 0 or starts[start] >= 0) and word[start:end] in VOCABULARY:
                starts[end] = start
                break
    if starts[-1] < 0:
        return word
    words, end = [], len(word)
    while end > 0:
        words.append(word[starts[end] : end])
        end = starts[end]
    return " ".join(reversed(words))
