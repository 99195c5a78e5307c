"""What a training job asks of a runtime, and what it gets back. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, Protocol

from training.engine.action_policy import ActionPolicy
from training.engine.distributions import Bools, Floats, Ints

# Why there is nothing to score. None of these is the agent's failure at the task.
Failure = Literal["timeout", "refused", "broken"]
Step = dict[str, Any]  # {tool, arguments, result | error, seconds?, tokens?, reward?}


class InvalidRuntime(ValueError):
    """A runtime that cannot be; `field` names what is wrong, as in `runtime.url`."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field, self.problem = field, problem


@dataclass(frozen=True, slots=True)
class Task:
    """A task to try. `number` is its place in its split."""

    number: int
    query: Any
    expected_outcome: Any = None
    task_type: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a task under a composed context.

    `bullets` are (bullet id, section, text) let in; `context` is the whole playbook with these as
    text. The same attempt (seed included) of a deterministic runtime gives the same outcome.
    """

    job_id: int
    task: Task
    trial: int
    seed: int
    bullets: Sequence[tuple[str, str, str]]
    context: str
    heads: Mapping[str, int] = field(default_factory=dict)
    max_steps: int = 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt; with a `failure` it is recorded and not scored."""

    steps: Sequence[Step] = ()
    success: bool | None = None
    output_quality: float | None = None
    answer: Any = None
    tokens: int | None = None
    cost_usd: Decimal | None = None  # None: unknown
    seconds: float = 0.0
    truncated: bool = False
    failure: Failure | None = None
    error: str = ""


class ContextRuntime(Protocol):
    """Runs an agent that is told a context."""

    simulated: bool
    metered: bool  # whether every call it makes is reserved and settled by itself

    def worst_case_usd(self, max_steps: int) -> Decimal:
        """Return what one attempt may cost at most, in US dollars; 0 where it costs us nothing."""
        ...

    def run(self, attempt: Attempt) -> Outcome:
        """Carry out one attempt; many threads call at once. Never raises for what went wrong."""
        ...


@dataclass(frozen=True, slots=True)
class Rollout:
    """One episode of an environment, T steps."""

    observations: Floats  # (T, D)
    actions: Ints  # (T,)
    rewards: Floats  # (T,)
    log_prob: Floats  # (T,)
    last_observation: Floats  # (D,)
    truncated: bool
    success: bool | None
    seconds: float
    states: Ints | None = None  # (T,) keys of discrete states
    last_state: int | None = None
    allowed: Bools | None = None  # (T, A)


class ActionRuntime(Protocol):
    """Plays an environment with an action policy."""

    simulated: bool
    n_inputs: int
    n_actions: int
    n_states: int | None  # how many discrete states there are; None: their number has no end

    def play(
        self, policy: ActionPolicy, seeds: Sequence[int], *, max_steps: int, greedy: bool
    ) -> list[Rollout]:
        """Play one episode per seed; a seed fixes the environment and the drawn actions."""
        ...
