"""Runtimes through the job path: CartPole, FrozenLake and an agent that is called back.

    python -m bench runtimes [cartpole|lake|http] [--seeds 8] [--base 0] [--ppo-python PYTHON]

`cartpole`: trajectories and CPU seconds of a job until the mean of the last 100 returns is 475,
beside stable-baselines3's PPO. `lake`: greedy success after 10,000 trajectories, for each way of
sharing credit. `http`: a group of eight beside one attempt alone; an agent that fails and hangs.
Settings were chosen on seeds from 100 on.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np

from bench.http_agent import running
from bench.ppo import solved_at
from bench.scratch import scratch_database

TRAJECTORIES_BAR, MOST_BAR = 300, 1_000
LAKE_BAR, LAKE_SEEDS_BAR, LAKE_EPISODES = 0.70, 0.75, 1_000
GROUP_BAR, GROUP = 2.0, 8
MODES = ("broadcast", "reward_to_go", "anchor", "td_lambda")
CHOSEN = "td_lambda"
SECRET = "whsec_" + "A" * 43 + "="
INSTALL = "python3 -m venv ppo && ppo/bin/pip install torch==2.13.0 stable-baselines3"


def main(arguments: list[str]) -> int:
    """Run the parts that are named, or all; return 1 if a bar was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench runtimes")
    parser.add_argument("part", choices=[*_PARTS, "all"], nargs="?", default="all")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--base", type=int, default=0, help="the first seed")
    parser.add_argument("--ppo-python", default=sys.executable, help="a Python with the package")
    parser.add_argument("--ppo-seeds", type=int, default=8)
    options = parser.parse_args(arguments)
    os.environ["ACE_ALLOWED_PRIVATE_NETWORKS"] = "127.0.0.1"
    with scratch_database("ace_project.settings.test"):
        chosen = _PARTS if options.part == "all" else {options.part: _PARTS[options.part]}
        missed = [part(options) for part in chosen.values()]
    return int(any(missed))


def _cartpole(options: argparse.Namespace) -> bool:
    print("CartPole-v1, until the mean of 100 returns is 475", flush=True)
    seeds = range(options.base, options.base + options.seeds)
    found = [_solve_cartpole(seed) for seed in seeds]
    _print_solved("job", found)
    for settings in ("default", "tuned"):
        _print_ppo(options, settings, seeds[: options.ppo_seeds])
    took = [count for count, _ in found if count is not None]
    return len(took) < len(found) or median(took) >= TRAJECTORIES_BAR or max(took) > MOST_BAR


def _solve_cartpole(seed: int) -> tuple[int | None, float]:
    """Return trajectories and CPU seconds of a job, its evaluations and its rows included."""
    from playbooks.actors import AUTOMATIC
    from training.services import jobs

    returns: list[float] = []
    job = _started(f"cartpole-{seed}", {"name": "gymnasium", "env": "CartPole-v1"}, seed=seed)

    def look(_: str) -> None:
        """Read what came; once it is solved, end the job."""
        rows = job.rollouts.order_by("id").values_list("reward", flat=True)
        for reward in rows[len(returns) :]:
            returns.append(reward)
            if solved_at(returns) is not None:
                jobs.cancel_job(job=job, by=AUTOMATIC, reason="solved")
                return

    began = time.process_time()
    jobs.run_in_foreground(job=job, progress=look)
    return solved_at(returns), time.process_time() - began


def _print_ppo(options: argparse.Namespace, settings: str, seeds: range) -> None:
    probe = [options.ppo_python, "-c", "import stable_baselines3"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        print(f"stable-baselines3 is not installed; to set it beside: {INSTALL}")
        print("python -m bench runtimes cartpole --ppo-python ppo/bin/python")
        return
    script = str(Path(__file__).parent / "ppo.py")
    command = [options.ppo_python, script, settings, *map(str, seeds)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    found = [json.loads(line) for line in lines]
    _print_solved(f"PPO, {settings}", [(run["trajectories"], run["seconds"]) for run in found])


def _print_solved(name: str, found: list[tuple[int | None, float]]) -> None:
    solved = sorted(count for count, _ in found if count is not None)
    told = f"median {median(solved):.0f}, most {max(solved)}" if solved else "none"
    seconds = median(seconds for _, seconds in found)
    print(
        f"{name:<14} {len(solved)} of {len(found)} solved, trajectories {told}, "
        f"median CPU {seconds:.1f} s   {solved}",
        flush=True,
    )


def _lake(options: argparse.Namespace) -> bool:
    print(f"FrozenLake-v1, slippery: greedy success of {LAKE_EPISODES} episodes", flush=True)
    missed = True
    for mode in MODES:
        seeds = range(options.base, options.base + options.seeds)
        rates = [_walk_lake(mode, seed) for seed in seeds]
        enough = [rate >= LAKE_BAR for rate in rates]
        told = " ".join(f"{rate:.2f}" for rate in rates)
        mark = "  (the default)" if mode == CHOSEN else ""
        print(f"{mode:<13} {sum(enough)} of {len(rates)}   {told}{mark}", flush=True)
        if mode == CHOSEN:
            missed = mean(enough) < LAKE_SEEDS_BAR
    return missed


def _walk_lake(mode: str, seed: int) -> float:
    from training.learner import Learner
    from training.models import TrainingState
    from training.runtimes.registry import make_runtime
    from training.services import jobs

    spec = {"name": "gymnasium", "env": "FrozenLake-v1"}
    job = _started(f"lake-{mode}-{seed}", spec, seed=seed, credit=mode)
    jobs.run_in_foreground(job=job, progress=lambda _: None)
    state = TrainingState.objects.get(job=job)
    policy: Any = Learner.from_bytes(bytes(state.state)).policy
    runtime: Any = make_runtime(spec)
    # Far from every seed that a job plays with.
    fresh = [2**62 + LAKE_EPISODES * seed + place for place in range(LAKE_EPISODES)]
    rollouts = runtime.play(policy, fresh, max_steps=100, greedy=True)
    return float(np.mean([rollout.success for rollout in rollouts]))


def _started(agent_id: str, spec: dict[str, Any], **config: Any) -> Any:
    from playbooks import services as playbooks
    from playbooks.actors import AUTOMATIC
    from playbooks.selectors import agent_by_id
    from training.services import jobs

    playbooks.create_agent(agent_id=agent_id, author=AUTOMATIC)
    return jobs.start_job(
        agent=agent_by_id(agent_id),
        config=config,
        runtime=spec,
        training_data=None,
        requested_by="bench",
    )


def _http(options: argparse.Namespace) -> bool:
    print(f"An agent that is called back: a group of {GROUP} beside one alone", flush=True)
    missed = False
    for seconds in (0.5, 2.0):
        with running(SECRET, seconds=seconds) as url:
            _called_back(url, 1)
            one = median(_called_back(url, 1)[0] for _ in range(3))
            group = median(_called_back(url, GROUP)[0] for _ in range(3))
        missed |= group >= GROUP_BAR * one
        print(
            f"it takes {seconds} s: one {one:.2f} s, {GROUP} {group:.2f} s, {group / one:.2f} times"
        )
    with running(SECRET, seconds=0.5, fails=0.1, hangs=0.02) as url:
        took, ends = _called_back(url, 32 * GROUP, timeout=5.0)
    told = ", ".join(f"{count} {end}" for end, count in sorted(ends.items()))
    print(f"it takes 0.5 s, fails 10 % and hangs 2 % of calls: {told} in {took:.1f} s")
    return missed or ends["ended"] < 0.9 * 32 * GROUP


def _called_back(url: str, count: int, timeout: float = 60.0) -> tuple[float, Counter[str]]:
    """Return the seconds that `count` attempts took as a job makes them, and how they ended."""
    from training.collector import Limits, collect
    from training.runtimes.base import Attempt
    from training.runtimes.http import HttpRuntime
    from training.runtimes.registry import check_runtime, own_tasks

    spec = check_runtime({"name": "http", "url": url, "timeout": timeout})
    tasks = own_tasks({"name": "workshop", "seed": 0}, "train", count) or []
    attempts = [Attempt(1, task, 0, task.number, [], "") for task in tasks]
    began = time.perf_counter()
    outcomes = collect(HttpRuntime(spec, SECRET), attempts, Limits(4 * GROUP, 60.0))
    return time.perf_counter() - began, Counter(end.failure or "ended" for end in outcomes)


_PARTS: dict[str, Callable[[argparse.Namespace], bool]] = {
    "cartpole": _cartpole,
    "lake": _lake,
    "http": _http,
}
