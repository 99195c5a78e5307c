"""Training jobs with all that they measured, one of them with most of the trajectories."""

import json
import random
import zlib
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import numpy as np

from bench.seeding import words
from bench.seeding.copying import Tables, numbers
from bench.seeding.history import Book
from bench.seeding.shape import BUSIEST, Shape
from playbooks.content import bullets
from training.engine.config import Config
from training.models import (
    Evaluation,
    EvaluationKind,
    PolicyCheckpoint,
    TrainingIteration,
    TrainingJob,
    TrainingTask,
    Trajectory,
)

_ITERATIONS, _LARGEST_ITERATIONS = 40, 1_000
_TRAJECTORIES = 100
_TASKS = 60
_CANDIDATES, _LARGEST_CANDIDATES = 20, 300
_GROUP = 8
_KEPT = 6


class Trainings:
    """Writes one job after the other; the first is the busiest agent's, and the largest."""

    def __init__(self, shape: Shape, tables: Tables) -> None:
        self._shape, self._tables = shape, tables
        self._rng = shape.rng("trainings")
        self._jobs = numbers(TrainingJob)
        self._bodies = [_body(self._rng) for _ in range(50)]

    def write(self, place: int, book: Book) -> None:
        """Write one job with its tasks, iterations, evaluations and trajectories."""
        is_largest = place == BUSIEST
        iterations = min(_LARGEST_ITERATIONS, self._shape.deltas) if is_largest else _ITERATIONS
        tried = max(_TRAJECTORIES, self._shape.traces // 50) if is_largest else _TRAJECTORIES
        job = self._job(place, book, iterations, tried)
        self._tasks(job)
        self._iterations(job, iterations)
        self._measured(job, iterations)
        self._trajectories(job, tried)

    def _job(self, place: int, book: Book, iterations: int, tried: int) -> int:
        rng, key = self._rng, next(self._jobs)
        at = self._shape.moment(place, self._shape.jobs) - timedelta(hours=2)
        candidates = _candidates(book, _LARGEST_CANDIDATES if place == BUSIEST else _CANDIDATES)
        self._tables.add(
            TrainingJob,
            id=key,
            agent_id=book.agent.pk,
            title=f"Made-up training {place}",
            requested_by=words.person(rng),
            config=asdict(Config(n_iterations=iterations, n_trajectories_per_query=_GROUP)),
            runtime={"name": "http", "url": "https://agent.example/"},
            policy="context",
            simulated=self._shape.simulated,
            status="completed" if place == BUSIEST or rng.random() < 0.8 else "failed",
            attempts=1,
            reason="",
            base_version=1,
            candidates=candidates,
            task_types=list(words.TASK_TYPES),
            iteration=iterations,
            trajectories=tried,
            metrics={"avg_reward": 0.7},
            effects=[_effect(rng, entry) for entry in candidates],
            report={"stopped": "all iterations are done"},
            created_at=at,
            started_at=at,
            finished_at=at + timedelta(hours=1),
        )
        return key

    def _tasks(self, job: int) -> None:
        for split in ("train", "validation", "test"):
            for number in range(_TASKS):
                self._tables.add(
                    TrainingTask,
                    job_id=job,
                    split=split,
                    number=number,
                    query={"prompt": words.task(self._rng)},
                    task_type=words.TASK_TYPES[number % len(words.TASK_TYPES)],
                )

    def _iterations(self, job: int, count: int) -> None:
        rng = self._rng
        for number in range(1, count + 1):
            reward = 0.4 + 0.4 * number / count + rng.uniform(-0.05, 0.05)
            self._tables.add(
                TrainingIteration,
                job_id=job,
                number=number,
                avg_reward=reward,
                reward_std=0.2,
                success_rate=reward,
                entropy=3 - 2 * number / count,
                clip_fraction=0.05,
                frac_zero_variance_groups=0.3,
                frac_all_passed=0.2,
                frac_all_failed=0.1,
                change_norm=0.02,
                distance=1.8,
                trajectories=128,
                seconds=3.0,
            )

    def _measured(self, job: int, iterations: int) -> None:
        results = [{"reward": 1.0, "success": True} for _ in range(_TASKS)]
        every = max(1, iterations // 24)
        points = [(EvaluationKind.BASELINE, 0), (EvaluationKind.TEST, iterations)]
        points += [(EvaluationKind.VALIDATION, at) for at in range(every, iterations + 1, every)]
        for kind, at in points:
            share = 0.6 + 0.2 * at / iterations
            self._tables.add(
                Evaluation,
                job_id=job,
                kind=kind,
                iteration=at,
                tasks=_TASKS,
                success_rate=share,
                avg_reward=share,
                baseline_success_rate=0.6,
                difference=share - 0.6,
                low=share - 0.7,
                high=share - 0.5,
                p_value=0.02,
                results=results,
            )
        for at in range(iterations, max(0, iterations - _KEPT * every), -every):
            self._tables.add(
                PolicyCheckpoint,
                job_id=job,
                iteration=at,
                state=self._rng.randbytes(4096),
                sha256="0" * 64,
                size=4096,
                success_rate=0.7,
                avg_reward=0.7,
            )

    def _trajectories(self, job: int, count: int) -> None:
        rng = self._rng
        for place in range(count):
            success = rng.random() < 0.6
            steps, body = rng.choice(self._bodies)
            self._tables.add(
                Trajectory,
                job_id=job,
                iteration=1 + place // 128,
                task=place // _GROUP % _TASKS,
                trial=place % _GROUP,
                outcome="ended",
                success=success,
                reward=float(success),
                advantage=round(rng.uniform(-1, 1), 3),
                log_prob=-2.0,
                bullets=np.packbits(np.array([rng.random() < 0.6 for _ in range(20)])).tobytes(),
                step_count=steps,
                seconds=1.5,
                body=body,
            )


def _body(rng: random.Random) -> tuple[int, bytes]:
    steps = [
        {"tool": rng.choice(words.TOOLS), "arguments": {"n": n}, "result": words.task(rng)}
        for n in range(rng.randrange(2, 12))
    ]
    text = json.dumps({"steps": steps, "answer": words.task(rng)})
    return len(steps), zlib.compress(text.encode(), 1)


def _candidates(book: Book, most: int) -> list[dict[str, Any]]:
    return [
        {
            "bullet_id": bullet.bullet_id,
            "section": bullet.section,
            "text": bullet.text,
            "in_playbook": True,
            "fixed": False,
        }
        for bullet in bullets(book.content)[:most]
    ]


def _effect(rng: random.Random, entry: dict[str, Any]) -> dict[str, Any]:
    value = rng.uniform(-0.1, 0.15)
    return {
        "bullet_id": entry["bullet_id"],
        "text": entry["text"],
        "decision": rng.choice(("add", "drop", "leave_out", "fixed")),
        "effect": value,
        "low": value - 0.08,
        "high": value + 0.08,
        "p_value": 0.05,
        "uses": rng.randrange(30, 600),
        "tokens": 30,
        "by_type": [],
    }
