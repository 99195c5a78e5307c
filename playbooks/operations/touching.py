"""Which sections of the content a change touches."""

from collections.abc import Iterator, Sequence
from typing import Any

from playbooks.content import Content
from playbooks.operations import pointer as paths
from playbooks.operations.rebasing import expectations
from playbooks.operations.shape import Operation


def sections_touched(
    content: Content, operations: Sequence[Operation], seen: Sequence[Any] | None = None
) -> list[str]:
    """Return the sections that operations change on `content`, in order, each once.

    `seen`: their expectations, where these are those of another version. A change of the whole
    content touches every section that there is, before or after it.
    """
    found: list[str] = []
    seen = expectations(content, operations) if seen is None else seen
    for operation, saw in zip(operations, seen, strict=True):
        met: dict[str, Any] = saw if isinstance(saw, dict) else {}
        found += _sections(operation, met.get("bullets", {}), content)
    return list(dict.fromkeys(found))


def _sections(
    operation: Operation, bullets: dict[str, dict[str, str] | None], content: Content
) -> Iterator[str]:
    if "section" in operation:
        yield operation["section"]
    elif "path" in operation:
        tokens = paths.split(operation["path"])
        value = operation.get("value")
        whole = [*content, *(value if isinstance(value, dict) else ())]
        yield from tokens[:1] or whole
    else:
        yield from (bullet["section"] for bullet in bullets.values() if bullet)
