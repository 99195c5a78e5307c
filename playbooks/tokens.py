"""How many tokens a text costs: an estimate on the safe side, without any model's tokenizer.

Tokenizers differ by model, and their tables are downloads. Byte-pair vocabularies (cl100k, o200k,
Llama, Gemma, Qwen) have in common what is counted here: a word with the space before it, cut
where its case changes, is a token or a few; digits and signs are one each at worst; other
scripts and emoji cost up to a token for each of their bytes but one.
"""

import re
from math import ceil

# A hash, a key or base64: letters that no vocabulary has as a word.
_DENSE = re.compile(r"[A-Za-z0-9+/=_-]{20,}")
_NO_WORD = re.compile(r"[0-9]|[a-z][A-Z]")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[A-Z]")
_OTHER = re.compile(r"[\r\n]+|[ \t]{2,}|[^A-Za-z \t\r\n\x80-\U0010ffff]")
_FOREIGN = re.compile(r"[\x80-\U0010ffff]")

_DENSE_PER_TOKEN = 1.3
_SMALL_PER_TOKEN = 4
_CAPITALS_PER_TOKEN = 2
_SPACES_PER_TOKEN = 8


def estimate_tokens(text: str) -> int:
    """Return an upper estimate of the tokens of `text`: 0 for "", never above its UTF-8 bytes."""
    pieces = [piece for piece in _DENSE.findall(text) if _NO_WORD.search(piece)]
    dense = sum(len(piece) / _DENSE_PER_TOKEN for piece in pieces)
    rest = _DENSE.sub(lambda found: " " if _NO_WORD.search(found[0]) else found[0], text)
    words = sum(_word(word) for word in _WORD.findall(rest))
    others = sum(_other(piece) for piece in _OTHER.findall(rest))
    foreign = sum(_bytes(character) - 1 for character in _FOREIGN.findall(text))
    return min(ceil(dense) + words + others + foreign, len(text.encode(errors="surrogatepass")))


def _word(word: str) -> int:
    per_token = _SMALL_PER_TOKEN if word[1:].islower() else _CAPITALS_PER_TOKEN
    return ceil(len(word) / per_token)


def _other(piece: str) -> int:
    return ceil(len(piece) / _SPACES_PER_TOKEN) if piece.isspace() else 1


def _bytes(character: str) -> int:
    return len(character.encode(errors="surrogatepass"))
