"""Which bullets to let in: the engine beside other ways of finding out, on simulated worlds.

    python -m bench grpo bullets [--worlds 300] [--base N]

Run by `bench.grpo`. Every learner has 2,000 trajectories in every world (`bench.bullet_world`) and
answers with a mask for each task type, whose success is then computed exactly from the world's
truth. The engine trains a context policy in groups of eight and answers with what all its logged
trajectories support (`off_policy.warm_start`); the policy's own best masks are printed too.
"""

import secrets
from collections.abc import Callable
from time import perf_counter

import numpy as np
import numpy.typing as npt

from bench.bandits import epsilon_greedy, factorial, tasks, thompson
from bench.bullet_world import BULLETS, TYPES, Bools, World, make_world
from training.engine.config import Config, context_defaults
from training.engine.effects import bullet_effects
from training.engine.evaluation import Comparison, compare
from training.engine.grpo import Experience, update
from training.engine.masks import stratified
from training.engine.off_policy import Log, warm_start
from training.engine.optimisers import make_optimiser
from training.engine.policy import ContextBatch, ContextPolicy, Contexts
from training.engine.shrinkage import Outcomes
from training.engine.trajectories import Trajectories

Floats = npt.NDArray[np.float64]

BUDGET = 2000
LEFT_OUT = 0.1
ALL_ON_BAR, WARM_BAR = 0.20, 0.15
ANSWER, WARM = "GRPO, answer from its log", "warm start, 10 % left out"
RIVALS: dict[str, Callable[[World, int, np.random.Generator], Bools]] = {
    "Thompson (Bayesian linear)": thompson,
    "epsilon-greedy": epsilon_greedy,
    "factorial A/B": factorial,
}
_TUNING = range(1000, 1300)  # worlds that settings were chosen on
_KINDS = Contexts(np.arange(TYPES))
Scores = dict[str, list[float]]


def run(worlds: int, base: int | None) -> int:
    """Print the table; return 1 if a bar was missed."""
    start = secrets.randbelow(10**9) + _TUNING.stop if base is None else base
    print(f"simulated: {worlds} worlds from seed {start}, {BUDGET} trajectories a learner,")
    print(f"{BULLETS} bullets, {TYPES} task types, interactions, hidden difficulty")
    began = perf_counter()
    scores = measure(range(start, start + worlds))
    print(f"{'':<30}{'success':>8}   lead of {ANSWER!r}")
    for name, values in scores.items():
        found = paired(scores[ANSWER], values)
        low, high = (100 * end for end in found.interval)
        line = f"{name:<30}{np.mean(values):8.3f}"
        if name != ANSWER:
            line += f"   {100 * found.difference:+6.2f} points, 95 % {low:+.2f} to {high:+.2f}"
        print(line)
    print(f"{(perf_counter() - began) / worlds:.2f} s a world with all learners")
    return _verdict(scores)


def measure(seeds: range) -> Scores:
    """Return the exact success of every learner's answer in every world."""
    scores: Scores = {}
    for seed in seeds:
        for name, value in _world(make_world(seed), seed).items():
            scores.setdefault(name, []).append(value)
    return scores


def paired(ours: list[float], theirs: list[float]) -> Comparison:
    """Compare two learners world by world."""
    numbers = np.arange(len(ours))
    rng = np.random.default_rng(0)
    return compare(np.array(ours), numbers, np.array(theirs), numbers, rng)


def train(world: World, budget: int, rng: np.random.Generator) -> tuple[ContextPolicy, Log]:
    """Train a context policy as a job does, with its defaults; return it and all it logged."""
    config = Config.parse(context_defaults())
    policy = ContextPolicy(BULLETS, TYPES, type_rate=config.type_rate)
    optimiser = make_optimiser(config.optimiser, len(policy.parameters))
    size, parts = config.n_trajectories_per_query, []
    for start in range(0, budget // size, config.batch_size):
        count = min(config.batch_size, budget // size - start)
        types, difficulty = tasks(count, rng)
        choices = stratified(policy, Contexts(types), size, rng)
        chances = policy.probabilities(choices.contexts.types)
        rewards = world.run(
            choices.contexts.types, np.repeat(difficulty, size), choices.bullets, rng
        ).astype(np.float64)
        groups = np.repeat(np.arange(start, start + count), size)
        found = Trajectories(groups, np.ones(len(groups), dtype=np.int64), rewards)
        update(policy, optimiser, Experience(found, choices, policy.log_prob(choices)), config, rng)
        parts.append((choices.contexts.types, groups, choices.bullets, rewards, chances))
    kinds, groups, bullets, rewards, chances = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    return policy, Log(Outcomes(kinds, groups, bullets, rewards), chances)


def leave_out_log(world: World, budget: int, rng: np.random.Generator) -> Log:
    """Return what production would log with every bullet left out a tenth of the time."""
    types, difficulty = tasks(budget, rng)
    chances = np.full((budget, BULLETS), 1 - LEFT_OUT)
    bullets = rng.random(chances.shape) < chances
    rewards = world.run(types, difficulty, bullets, rng).astype(np.float64)
    return Log(Outcomes(types, np.arange(budget), bullets, rewards), chances)


def _world(world: World, seed: int) -> dict[str, float]:
    # A stream for each learner: what one draws must not move what another meets.
    streams = [np.random.default_rng([seed, number]) for number in range(len(RIVALS) + 3)]
    policy, log = train(world, BUDGET, streams[0])
    sampled = policy.sample(Contexts(np.tile(_KINDS.types, 20)), streams[1])
    warm = warm_start(leave_out_log(world, BUDGET, streams[2]), TYPES)
    everything = np.ones((TYPES, BULLETS), dtype=bool)
    answers = {
        "oracle": world.oracle(),
        "best single mask": world.best_single(),
        ANSWER: warm_start(log, TYPES).best(_KINDS).bullets,
        "GRPO, the policy's best masks": policy.best(_KINDS).bullets,
        **{n: r(world, BUDGET, s) for (n, r), s in zip(RIVALS.items(), streams[3:], strict=True)},
        WARM: warm.best(_KINDS).bullets,
        "GRPO, significant verdicts": _verdicts(log),
        "all on": everything,
        "none": ~everything,
    }
    scores = {name: world.success(masks) for name, masks in answers.items()}
    return scores | {"GRPO, the policy as it draws": _drawn(world, sampled)}


def _verdicts(log: Log) -> Bools:
    """Return the masks (T, B) of a delta: all on, but for what is significantly bad."""
    masks = np.zeros((TYPES, BULLETS), dtype=bool)
    for number, found in enumerate(bullet_effects(log.outcomes, TYPES)):
        masks[list(found.types), number] = True
    return masks


def _drawn(world: World, batch: ContextBatch) -> float:
    drawn = batch.bullets.reshape(-1, TYPES, BULLETS)
    return float(np.mean([world.success(masks) for masks in drawn]))


def _verdict(scores: Scores) -> int:
    gain = float(np.mean(scores[ANSWER]) - np.mean(scores["all on"]))
    warm = float(np.mean(scores[WARM]) - np.mean(scores["all on"]))
    print(f"over all on: {100 * gain:+.1f} points, bar {100 * ALL_ON_BAR:+.0f}")
    print(f"warm start over all on: {100 * warm:+.1f} points, bar {100 * WARM_BAR:+.0f}")
    beaten = [paired(scores[ANSWER], scores[name]).interval[0] > 0 for name in RIVALS]
    print(f"lower bound above zero against {sum(beaten)} of {len(RIVALS)} rivals")
    return int(gain < ALL_ON_BAR or warm < WARM_BAR or not all(beaten))
