"""The safety judge: no lesson may carry orders from outside, a secret, or personal data.

Text is judged as written and in every reading that a reader might give it: plain letters, words
spelled with digits or gaps, decoded runs. Reasons name the class, never the text.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from playbooks.content import JSON
from playbooks.judges.foreign import find_foreign_orders
from playbooks.judges.orders import find_orders
from playbooks.judges.spellings import hidden_texts, readings
from playbooks.judges.verdict import Verdict
from playbooks.judges.weakening import is_weakening
from playbooks.operations import Operation
from playbooks.redaction import Folded, find_sensitive, fold
from playbooks.redaction.people import name_detector

_CLASSES = {
    "private_key": "a private key",
    "connection_string": "a connection string with a password",
    "api_key": "an API key",
    "token": "an access token",
    "secret": "a password or secret",
    "name": "a person's name",
    "email": "an e-mail address",
    "iban": "a bank account number",
    "card": "a payment card number",
    "national_id": "a national identity number",
    "phone": "a phone number",
    "address": "a postal address",
    "hidden_unicode": "invisible characters",
    "lookalike": "words of mixed alphabets",
    "encoded_payload": "an encoded payload",
    "override": "an instruction to ignore rules",
    "exfiltration": "an instruction to send data away",
    "concealment": "an instruction to hide something from people",
}
# Characters of a text that are read closely: some seconds of work at the worst. A longer one is
# searched for secrets and personal data to its end, and left to a person (the quarantine judge).
MAX_READ = 100_000
_WORD = re.compile(r"[^\W\d_]{3,}")
# Greek, Cyrillic, Armenian, Cherokee, Lisu, Coptic.
_ALPHABETS = re.compile("[\u0370-\u03ff\u0400-\u058f\u13a0-\u13fd\u2c80-\u2cff\ua4d0-\ua4ff]")


@dataclass(frozen=True, slots=True)
class SafetyContext:
    """What the judges of safety may know of the agent; what is empty is not looked at.

    `known_tools` are the tools that the agent has called, `known_hosts` the hosts it may name
    (those of its live playbook are known anyway), `names` people's names, `trace_texts` the texts
    of the traces that the delta rests on. `examined` holds kinds found before, by text.
    """

    known_tools: frozenset[str] = frozenset()
    known_hosts: frozenset[str] = frozenset()
    names: tuple[str, ...] = ()
    trace_texts: Sequence[str] = ()
    examined: Mapping[str, frozenset[str]] = field(default_factory=dict)


def judge_safety(operations: Sequence[Operation], context: SafetyContext | None = None) -> Verdict:
    """Return a block naming the classes of what is unsafe in the operations' texts, or a pass."""
    known = context or SafetyContext()
    texts = [written(operation) for operation in operations]
    found = [
        {"index": index, "kind": kind}
        for index, text in enumerate(texts)
        for kind in sorted(_kinds(text, known))
    ]
    if not found and (joined := _joined(texts)):
        # An order may be cut in two: each half is harmless.
        found = [{"index": 0, "kind": kind} for kind in sorted(_orders(fold(joined)) & _ORDERS)]
    if not found:
        return Verdict("safety", "pass", "no orders from outside, secrets or personal data")
    kinds = {item["kind"] for item in found}
    classes = ", ".join(words for kind, words in _CLASSES.items() if kind in kinds)
    return Verdict("safety", "block", f"carries {classes}", {"found": found})


def examine(
    operations: Iterable[Mapping[str, JSON]], context: SafetyContext | None
) -> SafetyContext:
    """Return the context with every text of the operations examined, for `judge_safety` to reuse.

    The expensive part of judging: to be done before a lock is taken. Malformed operations are left
    to the schema judge.
    """
    known = context or SafetyContext()
    wellformed = [o for o in operations if isinstance(o, dict) and isinstance(o.get("op"), str)]
    texts = {text for operation in wellformed if (text := written(operation))}
    found = {text: frozenset(unsafe_kinds(text, known.names)) for text in texts}
    return replace(known, examined={**known.examined, **found})


def _kinds(text: str, known: SafetyContext) -> Iterable[str]:
    return known.examined[text] if text in known.examined else unsafe_kinds(text, known.names)


def unsafe_kinds(text: str, names: Sequence[str] = ()) -> set[str]:
    """Return the kinds of what is unsafe in a text; empty where nothing is."""
    detectors = (name_detector(names),) if names else ()
    kinds = {finding.kind for finding in find_sensitive(text, detectors)}
    if not text.isascii() and _ALPHABETS.search(text) and _has_lookalikes(text):
        kinds.add("lookalike")
    return kinds | (_orders(fold(text[:MAX_READ])) & _ORDERS)


_ORDERS = frozenset({"override", "exfiltration", "concealment", "encoded_payload"})


def _orders(folded: Folded) -> set[str]:
    """Return the orders in every reading; what only a decoded one gives is a payload as well."""
    found: set[str] = set()
    for reading in readings(folded):
        found |= find_orders(reading) | find_foreign_orders(reading)
    for hidden in hidden_texts(folded):
        orders = find_orders(hidden) | find_foreign_orders(hidden)
        if orders & _ORDERS or is_weakening(hidden):
            found |= orders | {"encoded_payload"}
    return found


def weakens(text: str) -> bool:
    """Tell whether a text asks, in any reading, for less care."""
    folded = fold(text[:MAX_READ])
    return any(
        is_weakening(reading) or "weakening" in find_foreign_orders(reading)
        for reading in readings(folded)
    )


def _has_lookalikes(text: str) -> bool:
    return any(_is_lookalike(word) for word in set(_WORD.findall(text)))


def _is_lookalike(word: str) -> bool:
    """Tell whether a word mixes Latin letters with those of others that pass for Latin ones."""
    foreign = _ALPHABETS.findall(word)
    latin = any(char.isascii() for char in word)
    return latin and bool(foreign) and all(fold(char).text.isascii() for char in foreign)


def _joined(texts: Sequence[str]) -> str:
    """Return the texts of several operations as one, where sentences may run on."""
    if len(texts) < 2:
        return ""
    return " ".join(text.partition("\n\n")[2] or text for text in texts)


def written(operation: Operation) -> str:
    """Return every text that an operation would write, one a line (many small ones at once)."""
    if operation["op"] == "unset":
        return ""
    texts = [operation[key] for key in ("section", "text", "path") if key in operation]
    # A blank line between them: a section's name is no part of a lesson's first sentence.
    return "\n\n".join([*map(str, texts), *_lines(operation.get("value"))])


def _lines(value: JSON, key: str = "") -> Iterator[str]:
    """Yield a value's scalars; with its key, because that tells a password from a word."""
    if isinstance(value, list):
        for item in value:
            yield from _lines(item, key)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _lines(item, name)
    elif value is not None and not isinstance(value, bool):
        yield f"{key} = {value}" if key else str(value)
