"""The settings of one reflection."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of one reflection; the defaults are the product's."""

    max_deltas: int = 5
    max_candidates: int = 30
    max_marks: int = 12  # shown; none are looked for at 0
    discovery_share: float = 0.5
    propose_q: float = 0.2
    exploratory_q: float = 0.05
    automatic_q: float = 0.002
    min_runs: int = 8  # each way, for a lesson to be looked at
    min_groups: int = 20  # held out, for evidence between groups to be more than a hint
    min_mixed_groups: int = 2  # the same for evidence within groups
    horizon: int = 2
    resamples: int = 400
    draws_per_candidate: int = 500
    min_draws: int = 5000
    confidence_cap: float = 0.95
    existing: tuple[str, ...] = ()  # texts already in the playbook
    rejected: Mapping[str, int] = field(default_factory=dict)  # text -> runs in `counts` then
