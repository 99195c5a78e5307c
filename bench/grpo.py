"""The training engine beside other ways of doing the same.

    python -m bench grpo update [--hidden 32] [--rounds 5]
    python -m bench grpo bullets [--worlds 300] [--base N]
    python -m bench grpo workshop [--seeds 6] [--base N] [--runtime workshop http] [--verbose]

`update`: one iteration's update of 1,024 trajectories of 10 steps at 1,000 features, on one core,
beside a loop over the steps in plain NumPy and, where `pip install torch` was done, PyTorch on the
CPU. All take the same four steps from the same start; the ends are compared before the times are.
`bullets`: `bench.bullets`; `workshop`: `bench.shop_training`; `jobs` and `runtimes` are benchmarks
of their own too. Without a name the first three run.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from bench import bullets, jobs, runtimes, shop_training
from training.engine.action_policy import ActionPolicy, Observations
from training.engine.config import Config
from training.engine.credit import credit
from training.engine.grpo import Experience, update
from training.engine.optimisers import make_optimiser
from training.engine.trajectories import Trajectories

Floats = npt.NDArray[np.float64]
Data = Experience[Any]

GROUPS, SIZE, STEPS, FEATURES, ACTIONS = 128, 8, 10, 1000, 8
SECONDS_BAR = 1.0
CONFIG = Config(learning_rate=0.01, gamma=1.0)
ONE_CORE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def main(arguments: list[str]) -> int:
    """Run the part that is named; return 1 if a bar was missed."""
    if arguments[:1] == ["jobs"]:
        return jobs.main(arguments[1:])
    if arguments[:1] == ["runtimes"]:
        return runtimes.main(arguments[1:])
    parser = argparse.ArgumentParser(prog="python -m bench grpo")
    parser.add_argument("part", choices=["update", "bullets", "workshop"], nargs="?")
    parser.add_argument("--hidden", type=int, default=32, help="units of the hidden layer, 0: none")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--worlds", type=int, default=300)
    parser.add_argument("--base", type=int, default=None, help="first world; fresh ones without")
    parser.add_argument("--seeds", type=int, default=6, help="worlds of the workshop")
    parser.add_argument("--runtime", nargs="+", choices=shop_training.RUNTIMES)
    parser.add_argument("--verbose", action="store_true", help="show what is said of each lesson")
    options = parser.parse_args(arguments)
    if any(os.environ.get(name) != value for name, value in ONE_CORE.items()):
        # The linear algebra behind NumPy reads these once, when it is loaded.
        command = [sys.executable, "-m", "bench", "grpo", *arguments]
        return subprocess.run(command, env=os.environ | ONE_CORE).returncode
    missed = 0
    if options.part in (None, "update"):
        missed |= _update(options.hidden, options.rounds)
    if options.part in (None, "bullets"):
        missed |= bullets.run(options.worlds, options.base)
    if options.part in (None, "workshop"):
        named = options.runtime or shop_training.RUNTIMES
        missed |= shop_training.run(options.seeds, options.base, named, verbose=options.verbose)
    return missed


def _update(hidden: int, rounds: int) -> int:
    policy, data = _made(hidden)
    rows, size = len(data.choices), len(policy.parameters)
    print(f"{GROUPS * SIZE} trajectories x {STEPS} steps, {FEATURES} features, {ACTIONS} actions,")
    print(f"{hidden} hidden units: {rows} rows, {size} parameters, {CONFIG.epochs} steps of Adam")
    end, seconds = _timed(_engine, policy, data, rounds)
    print(f"{'engine':<24}{seconds:8.3f} s   bar {SECONDS_BAR:g} s on one core")
    others: dict[str, tuple[Callable[..., Floats], int]] = {"loop over steps": (_loop, 1)}
    try:
        import_module("torch")
        others["PyTorch, float64"] = (_torch, rounds)
    except ImportError as error:
        print(f"without PyTorch, for which nothing is printed: {error}")
    agree = True
    for name, (way, times) in others.items():
        other, took = _timed(way, policy, data, times)
        gap = float(np.abs(other - end).max())
        agree &= gap < 1e-6
        print(
            f"{name:<24}{took:8.3f} s   {took / seconds:6.1f} x the engine's, ends {gap:.0e} apart"
        )
    return int(seconds >= SECONDS_BAR or not agree)


def _made(hidden: int) -> tuple[ActionPolicy, Data]:
    rng = np.random.default_rng(0)
    policy = ActionPolicy(FEATURES, ACTIONS, hidden, rng)
    policy.parameters = policy.parameters + rng.normal(0, 0.01, len(policy.parameters))
    trajectories = GROUPS * SIZE
    seen = Observations(rng.normal(size=(trajectories * STEPS, FEATURES)))
    choices = policy.sample(seen, rng)
    rewards = (choices.actions == 0) + rng.normal(size=len(choices))
    lengths = np.full(trajectories, STEPS)
    data = Trajectories(np.repeat(np.arange(GROUPS), SIZE), lengths, rewards)
    return policy, Experience(data, choices, policy.log_prob(choices))


def _timed(
    way: Callable[[ActionPolicy, Data], Floats], policy: ActionPolicy, data: Data, rounds: int
) -> tuple[Floats, float]:
    """Return the parameters it ends with, and the median of its seconds."""
    took = []
    for _ in range(rounds):
        copy = ActionPolicy.from_bytes(policy.to_bytes())
        start = perf_counter()
        end = way(copy, data)
        took.append(perf_counter() - start)
    return end, median(took)


def _engine(policy: ActionPolicy, data: Data) -> Floats:
    optimiser = make_optimiser("adam", len(policy.parameters))
    update(policy, optimiser, data, CONFIG, np.random.default_rng(0))
    return policy.parameters


def _loop(policy: ActionPolicy, data: Data) -> Floats:
    """The same update, one step of a trajectory after the other."""
    rows = credit(data.trajectories, CONFIG).advantages
    optimiser = make_optimiser("adam", len(policy.parameters))
    for _ in range(CONFIG.epochs):
        gradient = np.zeros(len(policy.parameters))
        for row in range(len(rows)):
            gradient -= _one(policy, data, rows, row)
        gradient /= len(rows)
        gradient *= min(1.0, CONFIG.max_grad_norm / float(np.linalg.norm(gradient)))
        change = CONFIG.learning_rate * optimiser.direction(gradient)
        policy.parameters = policy.parameters - change
    return policy.parameters


def _one(policy: ActionPolicy, data: Data, rows: Floats, row: int) -> Floats:
    choice = data.choices.take(np.array([row]))
    ratio = float(np.exp(policy.log_prob(choice)[0] - data.log_prob[row]))
    over = rows[row] > 0 and ratio > 1 + CONFIG.clip_high
    if over or (rows[row] < 0 and ratio < 1 - CONFIG.clip_low):
        return np.zeros(len(policy.parameters))
    return policy.grad(choice, np.array([ratio * rows[row]]))


def _torch(policy: ActionPolicy, data: Data) -> Floats:
    """The same update with PyTorch's layers, differentiation, clipping and Adam."""
    torch: Any = import_module("torch")
    torch.set_num_threads(1)
    layers = _layers(torch, policy)
    seen = torch.from_numpy(data.choices.observations.values)
    actions = torch.from_numpy(data.choices.actions)[:, None]
    old = torch.from_numpy(data.log_prob)
    rows = torch.from_numpy(credit(data.trajectories, CONFIG).advantages)
    adam = torch.optim.Adam(layers.parameters(), lr=CONFIG.learning_rate)
    for _ in range(CONFIG.epochs):
        now = torch.log_softmax(layers(seen), dim=1).gather(1, actions)[:, 0]
        ratio = (now - old).exp()
        bounded = ratio.clamp(1 - CONFIG.clip_low, 1 + CONFIG.clip_high)
        loss = -torch.minimum(ratio * rows, bounded * rows).mean()
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(layers.parameters(), CONFIG.max_grad_norm)
        adam.step()
    parts = [part for layer in layers if hasattr(layer, "weight") for part in _flat(layer)]
    return np.concatenate(parts)


def _layers(torch: Any, policy: ActionPolicy) -> Any:
    """Return PyTorch's layers with the weights of `policy`."""
    wide = [FEATURES, policy.hidden, ACTIONS] if policy.hidden else [FEATURES, ACTIONS]
    layers, start = [], 0
    for below, above in zip(wide, wide[1:], strict=False):
        layer = torch.nn.Linear(below, above, dtype=torch.float64)
        weights = policy.parameters[start : start + (below + 1) * above].reshape(below + 1, above)
        layer.weight.data = torch.from_numpy(weights[:-1].T.copy())
        layer.bias.data = torch.from_numpy(weights[-1].copy())
        layers += [layer, torch.nn.Tanh()]
        start += (below + 1) * above
    return torch.nn.Sequential(*layers[:-1])


def _flat(layer: Any) -> list[Floats]:
    return [layer.weight.detach().numpy().T.ravel(), layer.bias.detach().numpy()]
