"""A delta before it is proposed: what every generator makes and the pipeline brings."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from playbooks.content import canonical

# Where learned lessons stand in a playbook.
SECTION = "strategies"


@dataclass(frozen=True, slots=True)
class Draft:
    """A delta before it is proposed; `key` tells it apart within its run.

    `raw_confidence` is the generator's own number where `confidence` was calibrated.
    """

    key: str
    source: str
    confidence: float
    operations: list[dict[str, Any]] | None = None
    changes: dict[str, Any] | None = None
    raw_confidence: float | None = None
    reasoning: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)
    may_apply: bool = True
    # The language model that wrote it, where one did.
    model: str = ""


def draft_key(value: Any) -> str:
    """Return the name of a draft within its run: 16 hex digits of what it says."""
    return hashlib.sha256(canonical(value)).hexdigest()[:16]
