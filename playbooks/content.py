"""What a playbook holds: JSON that survives PostgreSQL, its bullets, hashes and differences."""

import difflib
import hashlib
import itertools
import json
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from math import isfinite
from typing import Literal, TypeAlias

JSON: TypeAlias = None | bool | int | float | str | list["JSON"] | dict[str, "JSON"]
Content: TypeAlias = dict[str, JSON]
Token = tuple[Literal["same", "del", "ins"], str]

MAX_DEPTH = 64
MAX_BYTES = 5_000_000
MAX_BULLET = 20_000
# Python refuses to read or write longer integers (sys.get_int_max_str_digits).
MAX_INT_DIGITS = 4_300
SLUG_LENGTH = 64
DIFF_WORDS = 4_000

_INT_BOUND = 10**MAX_INT_DIGITS
_WORD = re.compile(r"\s+|\S+")


class ContentError(ValueError):
    """A value that a playbook cannot hold; `pointer` is the JSON Pointer to it."""

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(f"{pointer or 'the whole value'}: {message}")
        self.pointer = pointer
        self.message = message


@dataclass(frozen=True, slots=True)
class Bullet:
    """One lesson: a string in a list section. `position` counts from 0."""

    section: str
    text: str
    position: int
    bullet_id: str


def normalise(value: object, pointer: str = "") -> JSON:
    """Return `value` as JSON that a jsonb round trip gives back unchanged under `canonical`.

    Raises ContentError for what JSON or PostgreSQL cannot hold (NaN, NUL, lone surrogates, keys
    that are no strings), for nesting over 64, more than 5 MB, and bullets over 20,000 characters.
    `pointer` is put in front of every error's pointer.
    """
    clean = _normalise(value, pointer, 0)
    check_limits(clean, pointer)
    return clean


def check_limits(value: JSON, pointer: str = "") -> None:
    """Raise ContentError where a normalised value is over 5 MB or has an over-long bullet."""
    for section, items in value.items() if isinstance(value, dict) else ():
        check_bullets(items, f"{pointer}/{escape(section)}")
    if len(canonical(value)) > MAX_BYTES:
        raise ContentError(pointer, f"larger than {MAX_BYTES:,} bytes")


def check_bullets(value: JSON, pointer: str) -> None:
    """Raise ContentError where `value` is a list of strings and one is over 20,000 characters."""
    if not isinstance(value, list) or not is_bullet_list(value):
        return
    for position, text in enumerate(value):
        if isinstance(text, str) and len(text) > MAX_BULLET:
            where = f"{pointer}/{position}"
            raise ContentError(where, f"a bullet of more than {MAX_BULLET:,} characters")


def normalise_content(value: object, pointer: str = "") -> Content:
    """Return `value` normalised; raises ContentError also where it is not a JSON object."""
    clean = normalise(value, pointer)
    if not isinstance(clean, dict):
        raise ContentError(pointer, "must be a JSON object of sections")
    return clean


def _normalise(value: object, pointer: str, depth: int) -> JSON:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        check_text(value, pointer)
        return value
    if isinstance(value, int):
        return _checked_int(value, pointer)
    if isinstance(value, float):
        return _stored_float(value, pointer)
    if not isinstance(value, list | dict):
        raise ContentError(pointer, f"a {type(value).__name__} is not JSON")
    if depth == MAX_DEPTH:
        raise ContentError(pointer, f"nested deeper than {MAX_DEPTH}")
    if isinstance(value, list):
        return [_normalise(v, f"{pointer}/{i}", depth + 1) for i, v in enumerate(value)]
    return {
        key: _normalise(item, f"{pointer}/{escape(key)}", depth + 1)
        for key, item in _checked_items(value, pointer)
    }


def _checked_items(value: dict[object, object], pointer: str) -> Iterator[tuple[str, object]]:
    for key, item in value.items():
        if not isinstance(key, str):
            raise ContentError(pointer, f"a key is not a string: {key!r:.40}")
        check_text(key, pointer)
        yield key, item


def check_text(text: str, pointer: str) -> None:
    """Raise ContentError where PostgreSQL could not store `text`."""
    if "\x00" in text:
        raise ContentError(pointer, "contains a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ContentError(pointer, "contains a lone surrogate") from None


def _checked_int(value: int, pointer: str) -> int:
    if not -_INT_BOUND < value < _INT_BOUND:
        raise ContentError(pointer, f"an integer of more than {MAX_INT_DIGITS:,} digits")
    return value


def _stored_float(value: float, pointer: str) -> int | float:
    """Return what jsonb gives back: numeric has no exponent and no negative zero.

    json writes floats from 1e16 as `1e+16`, which numeric stores, and gives back, as an integer
    of the shortest decimal's digits (1e23 is 10**23, not int(1e23)). Everything smaller keeps a
    decimal point and reads back as the same float.
    """
    if not isfinite(value):
        raise ContentError(pointer, "NaN and Infinity are not JSON")
    if value == 0:
        return 0.0
    text = repr(float(value))
    return int(Decimal(text)) if "e+" in text else float(value)


def escape(key: str) -> str:
    """Return a key as a JSON Pointer token (RFC 6901, section 3)."""
    return key.replace("~", "~0").replace("/", "~1")


def canonical(value: JSON) -> bytes:
    """Return the one spelling of a JSON value: sorted keys, no space, UTF-8."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def same(a: JSON, b: JSON) -> bool:
    """Tell whether two values are the same JSON; unlike `==`, 1, 1.0 and true differ."""
    return canonical(a) == canonical(b)


def content_hash(content: JSON) -> str:
    """Return the SHA-256 of the canonical content, in hex."""
    return hashlib.sha256(canonical(content)).hexdigest()


def chain_hash(parent_hash: str, fields: Mapping[str, JSON]) -> str:
    """Return the hash of a link (a version, an audit event) that follows `parent_hash`."""
    link = hashlib.sha256(parent_hash.encode() + b"\n")
    link.update(canonical(dict(fields)))
    return link.hexdigest()


def normal_text(text: str) -> str:
    """Return `text` in NFC, trimmed, with every inner run of whitespace as one space."""
    composed = text if text.isascii() else unicodedata.normalize("NFC", text)
    return " ".join(composed.split())


def section_slug(section: str) -> str:
    """Return a section's name in lower-case ASCII letters, digits and '-', never empty."""
    slug = re.sub(r"[^a-z0-9]+", "-", section.lower()).strip("-")
    return slug[:SLUG_LENGTH].rstrip("-") or "section"


def bullet_id(section: str, text: str) -> str:
    """Return `<section slug>-<16 hex>` of SHA-256 over section, NUL and normalised text."""
    return bullet_ids(section, (text,))[0]


def bullet_ids(section: str, texts: Sequence[str]) -> list[str]:
    """Return the id of each text of one section; equal texts share one."""
    return [*_hashed(section, tuple(texts))]


# A proposal looks at the same section half a dozen times; 10,000 hashes take 10 ms.
@lru_cache(maxsize=32)
def _hashed(section: str, texts: tuple[str, ...]) -> tuple[str, ...]:
    slug = section_slug(section)
    start = hashlib.sha256(section.encode() + b"\x00")
    ids = []
    for text in texts:
        digest = start.copy()
        digest.update(normal_text(text).encode())
        ids.append(f"{slug}-{digest.digest()[:8].hex()}")
    return tuple(ids)


def is_bullet_list(value: object) -> bool:
    """Tell whether a section's value is a list of strings; an empty list is one."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def bullet_texts(content: Content, section: str) -> list[str] | None:
    """Return the bullets' texts of a section, or None where it is not a list of strings."""
    value = content.get(section)
    if not isinstance(value, list):
        return None
    texts = [item for item in value if isinstance(item, str)]
    return texts if len(texts) == len(value) else None


def bullets(content: Content) -> list[Bullet]:
    """Return every bullet of a playbook, in the order of its sections and places."""
    found = []
    for section in content:
        texts = bullet_texts(content, section) or []
        ids = bullet_ids(section, texts)
        found += [
            Bullet(section, text, place, name)
            for place, (text, name) in enumerate(zip(texts, ids, strict=True))
        ]
    return found


def kept_in_order(old: Sequence[str], new: Sequence[str]) -> set[str]:
    """Return a largest set of items that stand in the same order in both lists (unique items).

    It is the longest increasing subsequence of old places, by patience sorting: O(n log n).
    """
    places = {item: place for place, item in enumerate(old)}
    shared = [item for item in new if item in places]
    tails: list[int] = []
    top: list[int] = []  # top[k]: index into shared of the item that ends a run of length k + 1
    before: list[int] = []
    for index, item in enumerate(shared):
        length = bisect_left(tails, places[item])
        before.append(top[length - 1] if length else -1)
        tails[length : length + 1] = [places[item]]
        top[length : length + 1] = [index]
    kept = set()
    index = top[-1] if top else -1
    while index >= 0:
        kept.add(shared[index])
        index = before[index]
    return kept


def diff(old: Content, new: Content) -> dict[str, JSON]:
    """Return what changed from `old` to `new`.

    `{"sections": {name: {"added": [{bullet_id, text, position}], "removed": [the same],
    "moved": [{bullet_id, text, from, to}], "respaced": [{bullet_id, old, new}]}},
    "set": [{path, old?, new}], "unset": [{path, old}]}`. Sections are those whose bullets
    changed (a missing section counts as an empty one); all else is a path, a JSON Pointer, and
    `old` is absent where there was nothing.
    """
    sections: dict[str, JSON] = {}
    changes: dict[str, list[JSON]] = {"set": [], "unset": []}
    for section in [*old, *(name for name in new if name not in old)]:
        before, after = old.get(section, []), new.get(section, [])
        if is_bullet_list(before) and is_bullet_list(after):
            found = _bullet_diff(section, old, new)
            if any(found.values()):
                sections[section] = found
                continue
        _path_diff(f"/{escape(section)}", old, new, section, changes)
    return {"sections": sections, "set": [*changes["set"]], "unset": [*changes["unset"]]}


def _path_diff(
    path: str,
    old: dict[str, JSON],
    new: dict[str, JSON],
    key: str,
    changes: dict[str, list[JSON]],
) -> None:
    if key not in new:
        changes["unset"].append({"path": path, "old": old[key]})
        return
    if key not in old:
        changes["set"].append({"path": path, "new": new[key]})
        return
    before, after = old[key], new[key]
    if isinstance(before, dict) and isinstance(after, dict):
        for name in [*before, *(name for name in after if name not in before)]:
            _path_diff(f"{path}/{escape(name)}", before, after, name, changes)
    elif not same(before, after):
        changes["set"].append({"path": path, "old": before, "new": after})


def _bullet_diff(section: str, old: Content, new: Content) -> dict[str, JSON]:
    before, after = _numbered(section, old), _numbered(section, new)
    kept = kept_in_order(list(before), list(after))
    shared = [key for key in after if key in before]
    return {
        "added": [_entry(key, *after[key]) for key in after if key not in before],
        "removed": [_entry(key, *before[key]) for key in before if key not in after],
        "moved": [
            {
                "bullet_id": key.partition("#")[0],
                "text": after[key][0],
                "from": before[key][1],
                "to": after[key][1],
            }
            for key in shared
            if key not in kept
        ],
        "respaced": [
            {"bullet_id": key.partition("#")[0], "old": before[key][0], "new": after[key][0]}
            for key in shared
            if before[key][0] != after[key][0]
        ],
    }


def _numbered(section: str, content: Content) -> dict[str, tuple[str, int]]:
    """Return text and place by `id#n`, the n-th of the equal bullets of a section."""
    texts = bullet_texts(content, section) or []
    count: dict[str, Iterator[int]] = {}
    return {
        f"{name}#{next(count.setdefault(name, itertools.count()))}": (text, place)
        for place, (text, name) in enumerate(zip(texts, bullet_ids(section, texts), strict=True))
    }


def _entry(key: str, text: str, position: int) -> JSON:
    return {"bullet_id": key.partition("#")[0], "text": text, "position": position}


def word_diff(old: str, new: str) -> list[Token]:
    """Return the runs of words and spaces that stayed, went and came, in reading order.

    Joined, "same" and "del" give `old`, "same" and "ins" give `new`. Past 4,000 differing words
    the middle is given as one deletion and one insertion, so that huge texts stay fast.
    """
    before, after = _WORD.findall(old), _WORD.findall(new)
    head = _common(before, after)
    tail = _common(before[head:][::-1], after[head:][::-1])
    middle_old = before[head : len(before) - tail]
    middle_new = after[head : len(after) - tail]
    runs: list[Token] = [("same", "".join(before[:head]))]
    runs += _middle(middle_old, middle_new)
    runs.append(("same", "".join(before[len(before) - tail :])))
    return [run for run in runs if run[1]]


def _common(a: list[str], b: list[str]) -> int:
    pairs = enumerate(zip(a, b, strict=False))
    return next((i for i, (x, y) in pairs if x != y), min(len(a), len(b)))


def _middle(old: list[str], new: list[str]) -> list[Token]:
    if len(old) + len(new) > DIFF_WORDS:
        return [("del", "".join(old)), ("ins", "".join(new))]
    runs: list[Token] = []
    for tag, i, j, k, m in difflib.SequenceMatcher(None, old, new).get_opcodes():
        if tag == "equal":
            runs.append(("same", "".join(old[i:j])))
            continue
        runs += [("del", "".join(old[i:j])), ("ins", "".join(new[k:m]))]
    return runs
