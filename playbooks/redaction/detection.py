"""All detectors over one text: what is sensitive in it, and where."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from playbooks.redaction import addresses, numbers, payloads, people, secrets
from playbooks.redaction.finding import Detector, Finding
from playbooks.redaction.folding import Folded, fold

# A secret inside a secret encoding of it is found; a third layer is not unwrapped.
MAX_LAYERS = 2
MAX_DECODED = 400_000
MIN_DECODED = 6

# The first of overlapping findings stays, so the more telling kinds come first.
_DETECTORS: tuple[Detector, ...] = (
    secrets.private_keys,
    secrets.connections,
    secrets.keys,
    secrets.named,
    people.emails,
    numbers.ibans,
    numbers.identities,
    numbers.numbers,
    addresses.addresses,
)


def find_sensitive(text: str, detectors: Sequence[Detector] = ()) -> list[Finding]:
    """Return what is sensitive in `text`, in reading order, without overlaps.

    Kinds: private_key, connection_string, api_key, token, secret, email, iban, card, national_id,
    phone, address, hidden_unicode, encoded_payload, and those of further `detectors`.
    """
    folded = fold(text)
    return _without_overlaps(text, _all_findings(folded, detectors, MAX_LAYERS))


def _all_findings(folded: Folded, more: Sequence[Detector], layers: int) -> Iterator[Finding]:
    """Yield every finding with its place in the original, the more telling ones first."""
    for detect in (*more, *_DETECTORS):
        for kind, start, end in detect(folded):
            yield Finding(kind, *folded.span(start, end))
    for kind, start, end in _encoded(folded, more, layers):
        yield Finding(kind, *folded.span(start, end))
    yield from payloads.hidden(folded.source)
    for kind, start, end in payloads.payloads(folded):
        yield Finding(kind, *folded.span(start, end))


def _encoded(folded: Folded, more: Sequence[Detector], layers: int) -> Iterator[Finding]:
    """Find runs that decode to something sensitive."""
    places: list[tuple[int, int]] = []
    begins: list[int] = []
    texts: list[str] = []
    size = 0
    for start, end, plain in payloads.decoded(folded) if layers else ():
        if len(plain) >= MIN_DECODED and size + len(plain) < MAX_DECODED:
            places.append((start, end))
            begins.append(size)
            texts.append(fold(plain).text)
            size += len(texts[-1]) + 1
    # All of them at once: a text may hold thousands of short runs.
    for kind, start, _ in _inner_findings(fold("\n".join(texts)), more, layers - 1):
        yield Finding(kind, *places[bisect_right(begins, start) - 1])


def _inner_findings(inner: Folded, more: Sequence[Detector], layers: int) -> Iterator[Finding]:
    if not inner.text:
        return
    for detect in (*more, *_DETECTORS):
        yield from detect(inner)
    yield from _encoded(inner, more, layers)


def _without_overlaps(text: str, findings: Iterable[Finding]) -> list[Finding]:
    found: list[Finding] = []
    taken = bytearray(len(text))
    for finding in findings:
        _, start, end = finding
        if taken.find(1, start, end) < 0:
            taken[start:end] = b"\x01" * (end - start)
            found.append(finding)
    return sorted(found, key=lambda finding: finding.start)
