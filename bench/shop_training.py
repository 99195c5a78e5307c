"""Training jobs in the workshop: what 2,016 trajectories teach of 30 lessons of known worth.

    python -m bench grpo workshop [--seeds 6] [--base N] [--runtime workshop http] [--verbose]

The playbook holds all candidates; a job through the real path finds out which of them to tell.
Policy and delta are measured on cases of the same world that no job ever sees. Everything is
simulated. With the `http` runtime the agent works in another process, which fails 10 % of its
calls and never answers 2 %.
"""

import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from bench.scratch import scratch_database

ITERATIONS, TASKS, SIZE = 18, 14, 8  # 2,016 trajectories
HELD_OUT = 600
SUCCESS_BAR, FALSE_FLAG_BAR = 0.75, 0.05
FAILS, HANGS, TIMEOUT_SECONDS = 0.1, 0.02, 3.0
RUNTIMES = ("workshop", "http")


@dataclass(frozen=True, slots=True)
class Result:
    """One world's job: shares of held-out tasks that succeeded, and what was flagged."""

    seed: int
    empty: float
    all_on: float
    policy: float
    delta: float
    # Worth of a lesson -> (how many were flagged, how many there are).
    flags: dict[str, tuple[int, int]]
    trajectories: int
    failed: int
    seconds: float


def run(seeds: int, base: int | None, runtimes: Sequence[str], *, verbose: bool = False) -> int:
    """Print a table for each runtime; return 1 if a bar was missed."""
    os.environ["ACE_ALLOWED_PRIVATE_NETWORKS"] = "127.0.0.0/8"  # where the other process listens
    first = secrets.randbelow(900_000) if base is None else base
    missed = False
    with scratch_database("ace_project.settings.test"):
        for runtime in runtimes:
            print(
                f"simulated; runtime {runtime}, {ITERATIONS} iterations x {TASKS} tasks x {SIZE}, "
                f"{HELD_OUT} held-out tasks of each world",
                flush=True,
            )
            missed |= _table([_world(first + n, runtime, verbose) for n in range(seeds)])
    return int(missed)


def _world(seed: int, runtime: str, verbose: bool) -> Result:
    from training.workshop.advice import candidate_lessons
    from training.workshop.world import World

    candidates = candidate_lessons(World(seed))
    agent = _agent(f"bench-{runtime}-{seed}", seed, [c.text for c in candidates])
    with _spec(runtime, agent, seed) as spec:
        job = _trained(agent, spec, seed)
    scores = _held_out(job, seed)
    worth = {candidate.text: candidate.worth for candidate in candidates}
    if verbose:
        _tell(job, worth)
    return Result(
        seed=seed,
        **scores,
        flags=_flags(job, worth),
        trajectories=job.trajectories,
        failed=job.failed_trajectories,
        seconds=(job.finished_at - job.started_at).total_seconds(),
    )


def _agent(name: str, seed: int, lessons: list[str]) -> Any:
    from playbooks import services as playbooks
    from playbooks.actors import AUTOMATIC
    from playbooks.models import Mode
    from training import services

    agent = services.make_workshop_agent(
        agent_id=name, seed=seed, mode=Mode.STRICT, author=AUTOMATIC
    )
    content = {"strategies": lessons}
    playbooks.import_playbook(agent=agent, content=content, author=AUTOMATIC, reason="candidates")
    agent.playbook.refresh_from_db()
    return agent


@contextmanager
def _spec(runtime: str, agent: Any, seed: int) -> Iterator[dict[str, Any]]:
    if runtime == "workshop":
        yield {"name": "workshop", "seed": seed}
        return
    from bench.http_agent import running
    from training.runtimes.signing import secret_of

    with running(secret_of(agent, 1), world=seed, fails=FAILS, hangs=HANGS, seed=seed) as url:
        yield {"name": "http", "url": url, "timeout": TIMEOUT_SECONDS}


def _trained(agent: Any, spec: dict[str, Any], seed: int) -> Any:
    from training.runtimes.registry import own_tasks
    from training.services import jobs

    workshop = {"name": "workshop", "seed": seed}
    train, held_out = (
        [{"query": t.query, "task_type": t.task_type} for t in own_tasks(workshop, name, n) or ()]
        for name, n in (("train", ITERATIONS * TASKS), ("validation", 200))
    )
    job = jobs.start_job(
        agent=agent,
        config={
            "n_iterations": ITERATIONS,
            "batch_size": TASKS,
            "n_trajectories_per_query": SIZE,
            # Checkpoints are chosen on few evaluations: each is more calls of the agent.
            "eval_interval": ITERATIONS // 3,
            "seed": seed,
        },
        runtime=spec,
        training_data=train,
        evaluation_data=held_out,
        requested_by="bench",
    )
    return jobs.run_in_foreground(job=job, progress=lambda _: None)


def _held_out(job: Any, seed: int) -> dict[str, float]:
    """Return the success of each playbook on the world's unseen cases; none of them fails."""
    from playbooks import actors
    from playbooks import services as playbooks
    from playbooks.selectors import snapshot
    from training import checkpoints, measuring
    from training.runtimes.base import Task
    from training.runtimes.registry import make_runtime
    from training.sandbox import UNSEEN, world_of
    from training.scene import scene_of

    scene = replace(scene_of(job), runtime=make_runtime({"name": "workshop", "seed": seed}))
    cases = world_of(seed).tasks(UNSEEN, HELD_OUT)
    tasks = [Task(n, case.query, task_type=case.task_type) for n, case in enumerate(cases)]
    changed = scene.content
    if job.delta is not None:
        playbooks.approve_delta(delta=job.delta, by=actors.person("bench"))
        playbook = job.agent.playbook
        playbook.refresh_from_db()
        changed = snapshot(playbook.pk, playbook.version).content
    best = checkpoints.best(job)
    if best is None:
        raise RuntimeError(f"the job of world {seed} left no checkpoint: {job.reason} {job.error}")
    arms = {
        "empty": measuring.try_content(scene, {}, tasks, None),
        "all_on": measuring.try_content(scene, scene.content, tasks, None),
        "policy": measuring.try_policy(scene, checkpoints.read(best), tasks, None),
        "delta": measuring.try_content(scene, changed, tasks, None),
    }
    return {name: fmean(map(bool, arm.successes)) for name, arm in arms.items()}


def _flags(job: Any, worth: Mapping[str, str]) -> dict[str, tuple[int, int]]:
    """Count by worth the lessons that the job would drop, or restrict to some types."""
    found = {}
    for kind in ("harmful", "right", "neutral"):
        rows = [row for row in job.effects if worth[row["text"]] == kind]
        flagged = sum(row["decision"] in ("drop", "restrict") for row in rows)
        found[kind] = (flagged, len(rows))
    return found


def _tell(job: Any, worth: Mapping[str, str]) -> None:
    for row in sorted(job.effects, key=lambda row: (worth[row["text"]], row["decision"])):
        bad = [f"{e['type']} {e['effect']:+.2f}" for e in row["by_type"] if e["q_value"] <= 0.05]
        print(
            f"  {worth[row['text']]:<8} {row['decision']:<9} {_figure(row['effect'], '+.3f')} "
            f"q {_figure(row['q_value'], '.3f')} {row['text']}  [{', '.join(bad)}] {row['types']}"
        )
    for key in ("conclusion", "delta_test", "stopped"):
        print(f"  {key}: {job.report.get(key)}", flush=True)


def _figure(value: float | None, form: str) -> str:
    return "unknown" if value is None else format(value, form)


def _table(rows: list[Result]) -> bool:
    print(
        f"{'world':>8} {'empty':>7} {'all on':>7} {'policy':>7} {'delta':>7} {'harmful':>8} "
        f"{'right':>7} {'neutral':>8} {'tried':>6} {'failed':>6} {'seconds':>8}"
    )
    for row in rows:
        flags = {kind: f"{n}/{of}" for kind, (n, of) in row.flags.items()}
        print(
            f"{row.seed:>8} {row.empty:>7.1%} {row.all_on:>7.1%} {row.policy:>7.1%} "
            f"{row.delta:>7.1%} {flags['harmful']:>8} {flags['right']:>7} {flags['neutral']:>8} "
            f"{row.trajectories:>6} {row.failed:>6} {row.seconds:>8.1f}"
        )
    policy = fmean(row.policy for row in rows)
    worst = min(row.delta for row in rows)
    harmful, right, neutral = (_total(rows, kind) for kind in ("harmful", "right", "neutral"))
    good = (right[0] + neutral[0], right[1] + neutral[1])
    bars = [
        (f"policy, mean {policy:.1%}", f"{SUCCESS_BAR:.0%}", policy >= SUCCESS_BAR),
        (f"delta, worst world {worst:.1%}", f"{SUCCESS_BAR:.0%}", worst >= SUCCESS_BAR),
        (f"harmful flagged {harmful[0]} of {harmful[1]}", "all", harmful[0] == harmful[1]),
        (f"right flagged {right[0]} of {right[1]}", "at most 5 %", _few(right)),
        (f"right or neutral flagged {good[0]} of {good[1]}", "at most 5 %", _few(good)),
    ]
    for words, bar, met in bars:
        print(f"{words:<44} bar {bar:<12} {'met' if met else 'MISSED'}", flush=True)
    return not all(met for _, _, met in bars)


def _total(rows: list[Result], kind: str) -> tuple[int, int]:
    return sum(row.flags[kind][0] for row in rows), sum(row.flags[kind][1] for row in rows)


def _few(flagged: tuple[int, int]) -> bool:
    return flagged[0] <= FALSE_FLAG_BAR * flagged[1]
