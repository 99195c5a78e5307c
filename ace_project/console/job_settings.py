"""The settings of a training job as a form shows them: what each does, and in which unit."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ace_project.core.errors import InvalidInput
from training.engine.config import Config, InvalidConfig

_DEFAULTS: Mapping[str, Any] = {field.name: field.default for field in fields(Config)}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting; with `choices` one of these, otherwise a number."""

    name: str
    label: str
    meaning: str
    choices: tuple[str, ...] = ()

    @property
    def default(self) -> str:
        """The default as text, where the runtime has none of its own."""
        value = _DEFAULTS[self.name]
        if value is None:
            return "none"
        if isinstance(value, bool):
            return str(value).lower()
        return value if isinstance(value, str) else f"{value:g}"

    @property
    def is_whole(self) -> bool:
        """Whether only whole numbers are taken."""
        value = _DEFAULTS[self.name]
        return isinstance(value, int) and not isinstance(value, bool)

    def read(self, raw: str) -> Any:
        """Return the value that was typed; raises InvalidInput."""
        value: Any = raw
        if isinstance(_DEFAULTS[self.name], bool):
            value = {"true": True, "false": False}.get(raw, raw)
        elif not self.choices:
            value = self._number(raw)
        try:
            Config.parse({self.name: value})
        except InvalidConfig as error:
            raise InvalidInput(error.problem) from error
        return value

    def _number(self, raw: str) -> float:
        try:
            return int(raw) if self.is_whole else float(raw)
        except ValueError:
            kind = "a whole number" if self.is_whole else "a number"
            raise InvalidInput(f"must be {kind}") from None


IMPORTANT = (
    Setting("n_iterations", "Iterations", "at most; it ends sooner once it converges"),
    Setting("batch_size", "Tasks an iteration", "tried side by side"),
    Setting(
        "n_trajectories_per_query",
        "Tries of each task",
        "compared with each other: only where they differ is anything learned",
    ),
    Setting("max_budget_usd", "Budget, US dollars", "nothing is spent past it"),
    Setting("learning_rate", "Learning rate", "smaller is slower and steadier"),
    Setting("eval_interval", "Iterations between evaluations", "on the held-out tasks"),
)
FURTHER = (
    Setting("checkpoint_interval", "Iterations between checkpoints", "the best five are kept"),
    Setting("max_steps_per_trajectory", "Steps a try", "at most"),
    Setting("target_reward", "Target reward", "it ends once the mean reward is there"),
    Setting("seed", "Seed", "the same seed gives the same job, where the agent is deterministic"),
    Setting(
        "advantage",
        "Advantage",
        "how a try is compared with its group: less the mean, also over the deviation, or "
        "against the others alone",
        ("mean", "mean_std", "rloo"),
    ),
    Setting(
        "credit",
        "Credit over steps",
        "which steps a reward is laid to",
        ("broadcast", "reward_to_go", "anchor", "td_lambda"),
    ),
    Setting("gamma", "Discount", "what a reward one step later is worth"),
    Setting("trace_decay", "Trace decay", "the lambda of TD(lambda)"),
    Setting("value_memory", "Value memory", "how much of a value estimate an iteration keeps"),
    Setting("clip_low", "Clip, low", "how far a probability may fall in one update"),
    Setting("clip_high", "Clip, high", "how far it may rise"),
    Setting("kl_beta", "KL weight", "pulls the policy back to where it began"),
    Setting("entropy_bonus", "Entropy bonus", "keeps the policy undecided for longer"),
    Setting("max_grad_norm", "Gradient norm", "longer gradients are shortened to it"),
    Setting("positive_only", "Learn from successes alone", "usually slower", ("false", "true")),
    Setting("optimiser", "Optimiser", "", ("adam", "sgd")),
    Setting("epochs", "Epochs", "passes over the tries of an iteration"),
    Setting("minibatches", "Minibatches", "steps a pass"),
    Setting("type_rate", "Rate for single task types", "as a share of the learning rate"),
    Setting("hidden_units", "Hidden units", "of an action policy; 0 is linear"),
)
EVERY = (*IMPORTANT, *FURTHER)
