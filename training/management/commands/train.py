"""One training job in the foreground, or in the queue."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from ace_project.core.commands import AceCommand
from ace_project.core.work.leases import JobStatus
from playbooks.models import Agent
from playbooks.selectors import agent_by_id
from training import selectors
from training.models import TrainingJob
from training.money import Estimate
from training.services import jobs


class Command(AceCommand):
    help = (
        "Train an agent on its tasks: which bullets to tell it, or which action to take.\n"
        "Progress goes to stderr. --estimate shows what it may cost and starts nothing."
    )
    example = 'train shop --runtime \'{"name": "workshop"}\' --iterations 16'

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("agent")
        parser.add_argument("--runtime", metavar="JSON", help="else the one stored on the agent")
        parser.add_argument("--data", type=Path, metavar="FILE", help="tasks, as JSON or JSONL")
        parser.add_argument("--evaluation-data", type=Path, metavar="FILE")
        parser.add_argument("--candidates", type=Path, metavar="FILE", help="lessons to try too")
        parser.add_argument("--config", metavar="JSON", default="{}")
        parser.add_argument("--iterations", type=int, help="n_iterations of the config")
        parser.add_argument("--reward", metavar="JSON")
        parser.add_argument(
            "--warm-start", action="store_true", help="start from traces that explored"
        )
        parser.add_argument("--title", default="")
        parser.add_argument("--estimate", action="store_true", help="show the cost, start nothing")
        parser.add_argument("--queue", action="store_true", help="leave it to the workers")
        parser.add_argument("--json", action="store_true", help="one document on stdout")

    def carry_out(self, **options: Any) -> None:
        """Estimate, or start and carry through; a job that fails is exit 1."""
        agent = agent_by_id(options["agent"])
        asked = _asked(agent, options)
        if options["estimate"]:
            self._show_estimate(jobs.estimate(**asked), options["json"])
            return
        warm = {"traces": True} if options["warm_start"] else None
        job = jobs.start_job(
            **asked, requested_by="command", title=options["title"], warm_start=warm
        )
        if not options["queue"]:
            job = jobs.run_in_foreground(job=job, progress=self._progress)
        status = selectors.status_of(job)
        if options["json"]:
            self.stdout.write(json.dumps(status, indent=2))
        else:
            self._show(job, status)
        if job.status == JobStatus.FAILED:
            raise CommandError(f"training job {job.pk} failed: {job.reason}: {job.error}")

    def _progress(self, message: str) -> None:
        self.stderr.write(f"  {message}")

    def _show_estimate(self, found: Estimate, as_json: bool) -> None:
        if as_json:
            document = {
                "usd": str(found.usd),
                "usd_per_trajectory": str(found.usd_per_trajectory),
                "trajectories": found.trajectories,
                "evaluation_trajectories": found.evaluation_trajectories,
                "lines": found.lines,
            }
            self.stdout.write(json.dumps(document, indent=2))
            return
        for line in found.lines:
            self.stdout.write(line)

    def _show(self, job: TrainingJob, status: dict[str, Any]) -> None:
        label = " (simulated)" if job.simulated else ""
        self.stdout.write(
            f"training job {job.pk}{label}: {status['status']} {status['reason'] or ''}, "
            f"{job.iteration} iterations, {job.trajectories:,} trajectories"
        )
        for key in ("split", "stopped", "conclusion"):
            if key in job.report:
                self.stdout.write(f"  {job.report[key]}")
        for found in selectors.evaluations(job):
            if found.success_rate is not None:
                self.stdout.write(
                    f"  {found.kind} after {found.iteration}: {found.success_rate:.1%} of "
                    f"{found.tasks} tasks (before: {found.baseline_success_rate or 0:.1%})"
                )


def _asked(agent: Agent, options: dict[str, Any]) -> dict[str, Any]:
    config = _json("--config", options["config"])
    if options["iterations"] is not None and isinstance(config, dict):
        config["n_iterations"] = options["iterations"]
    return {
        "agent": agent,
        "config": config,
        "runtime": _json("--runtime", options["runtime"]),
        "training_data": _read(options["data"]),
        "evaluation_data": _read(options["evaluation_data"]),
        "candidates": _read(options["candidates"]),
        "reward": _json("--reward", options["reward"]),
    }


def _json(name: str, text: str | None) -> Any:
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise CommandError(f"{name} is not JSON: {error}", returncode=2) from error


def _read(path: Path | None) -> Any:
    """Return what a file of JSON holds, or a list of the lines of one of JSONL."""
    if path is None:
        return None
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".jsonl":
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        return json.loads(text)
    except (OSError, ValueError) as error:
        raise CommandError(f"{path} cannot be read: {error}") from error
