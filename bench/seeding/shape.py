"""How large a made-up installation is, and how unevenly it is spread over its agents."""

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

NAME = "seeded-"
# How far back everything reaches.
SPAN = timedelta(days=30)
# The first agent of all works the most and knows the most, the second one's queue is the longest.
BUSIEST, QUEUED = 0, 1
# How flat the rest is: the weight of agent n is 1 / (n + 10) to the power of this.
_FLATNESS = 0.5


@dataclass(frozen=True, slots=True)
class Shape:
    """Counts of what is seeded, all of it of agents that are marked as simulated, unless told."""

    agents: int
    deltas: int
    traces: int
    simulated: bool = True
    seed: int = 1
    # The first agent's number: an installation may be seeded more than once.
    first: int = 0
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def busiest_versions(self) -> int:
        """How many versions the busiest agent's playbook has: one of 200 deltas of all."""
        return max(3, self.deltas // 200)

    @property
    def busiest_bullets(self) -> int:
        """How many bullets the busiest agent's playbook has in the end, the deltas' included."""
        return max(12, self.deltas // 50)

    @property
    def busiest_traces(self) -> int:
        """How many traces the busiest agent has: a fifth of all."""
        return self.traces // 5

    @property
    def queued_deltas(self) -> int:
        """How many deltas wait for one agent alone: a fifth of all."""
        return self.deltas // 5

    @property
    def jobs(self) -> int:
        """How many training jobs there are."""
        return max(4, self.agents // 5)

    def rng(self, purpose: str) -> random.Random:
        """Return a source of chance of its own."""
        return random.Random(f"{self.seed}:{self.first}:{purpose}")

    def agent_id(self, number: int) -> str:
        """Return an agent's name."""
        return f"{NAME}{self.first + number:05d}"

    def trace_id(self, number: int, trace: int) -> str:
        """Return the name of an agent's trace."""
        return f"{self.agent_id(number)}-t{trace}"

    def moment(self, place: int, of: int) -> datetime:
        """Return when the `place`-th of so many things happened, the last of them just now."""
        return self.now - SPAN * (1 - (place + 1) / of)

    def traces_of(self) -> list[int]:
        """Return how many traces each agent has."""
        rest = spread(self.traces - self.busiest_traces, self.weights()[1:])
        return [self.busiest_traces, *rest]

    def owners_of_deltas(self) -> list[int]:
        """Return whose each delta is, in the order of time."""
        special = [BUSIEST] * (self.busiest_versions * 6 // 5) + [QUEUED] * self.queued_deltas
        rest = range(2, self.agents)
        drawn = self.rng("owners").choices(
            rest, self.weights()[2:], k=max(0, self.deltas - len(special))
        )
        owners = [*special, *drawn][: self.deltas]
        self.rng("order").shuffle(owners)
        return owners

    def weights(self) -> list[float]:
        """Return how busy each agent is against the others."""
        return [(number + 10) ** -_FLATNESS for number in range(self.agents)]


def spread(total: int, weights: Sequence[float]) -> list[int]:
    """Return whole numbers that add up to `total`, in proportion to the weights."""
    whole = sum(weights)
    ends = [round(total * part / whole) for part in itertools.accumulate(weights)]
    return [end - start for start, end in itertools.pairwise([0, *ends])]
