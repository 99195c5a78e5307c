"""Stable-baselines3's PPO on CartPole-v1: `PYTHON bench/ppo.py default|tuned SEED...`.

Run by `python -m bench runtimes` under a Python that has the package. It prints, for each seed, one
line of JSON: trajectories until the mean of the last 100 returns is 475 (null: not within
MOST_STEPS), and CPU seconds until then, without the import.
"""

import json
import sys
import time
from importlib import import_module
from typing import Any

SOLVED, WINDOW, MOST_STEPS = 475.0, 100, 400_000
# Those that rl-baselines3-zoo lists for CartPole-v1 (hyperparams/ppo.yml), with its 8 environments.
TUNED: dict[str, Any] = {
    "n_steps": 32,
    "batch_size": 256,
    "gae_lambda": 0.8,
    "gamma": 0.98,
    "n_epochs": 20,
    "ent_coef": 0.0,
    "learning_rate": lambda left: 0.001 * left,
    "clip_range": lambda left: 0.2 * left,
}


def main(settings: str, seeds: list[str]) -> None:
    """Train once for each seed."""
    import_module("torch").set_num_threads(1)
    for seed in seeds:
        print(json.dumps(solve(settings, int(seed))), flush=True)


def solve(settings: str, seed: int) -> dict[str, Any]:
    """Return what one run took."""
    package: Any = import_module("stable_baselines3")
    vectors: Any = import_module("stable_baselines3.common.env_util")
    returns: list[float] = []

    def go_on(local: dict[str, Any], _: Any) -> bool:
        """Note the episodes that ended; tell whether it is still unsolved."""
        returns.extend(info["episode"]["r"] for info in local["infos"] if "episode" in info)
        return solved_at(returns) is None

    tuned = settings == "tuned"
    environments = vectors.make_vec_env("CartPole-v1", n_envs=8 if tuned else 1, seed=seed)
    options = TUNED if tuned else {}
    began = time.process_time()
    model = package.PPO("MlpPolicy", environments, seed=seed, device="cpu", **options)
    model.learn(100_000 if tuned else MOST_STEPS, callback=go_on)
    return {"trajectories": solved_at(returns), "seconds": time.process_time() - began}


def solved_at(returns: list[float]) -> int | None:
    """Return after how many returns the mean of the last WINDOW was SOLVED, None if it never was.

    The last ones only: it is asked after each.
    """
    for end in range(max(WINDOW, len(returns) - 8), len(returns) + 1):
        if sum(returns[end - WINDOW : end]) / WINDOW >= SOLVED:
            return end
    return None


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
