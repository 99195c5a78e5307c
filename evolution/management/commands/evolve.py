"""One evolution cycle in the foreground."""

import json
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from ace_project.core.commands import AceCommand
from ace_project.core.work.leases import JobStatus
from evolution import delta_generator, selectors, services
from evolution.llm import gateway
from evolution.models import EvolutionRun, Generator, Trigger
from playbooks import operations
from playbooks.models import Agent, Delta
from playbooks.selectors import agent_by_id, deltas_for_lists


class Command(AceCommand):
    help = (
        "Run one evolution cycle in the foreground: select, reflect, judge, apply or queue.\n"
        "Progress goes to stderr. Nothing proposed is a success (exit 0)."
    )
    example = "evolve airline-support --dry-run --json"

    def add_arguments(self, parser: ArgumentParser) -> None:
        choices = ["auto", "statistical", "llm", "scripted"]
        parser.add_argument("agent")
        parser.add_argument("--generator", choices=choices, default="auto")
        parser.add_argument("--script", type=Path, metavar="FILE", help="deltas for scripted")
        parser.add_argument("--dry-run", action="store_true", help="record, apply nothing")
        parser.add_argument("--json", action="store_true", help="one document on stdout")

    def carry_out(self, **options: Any) -> None:
        """Wait for a run that is under way, then carry out one of our own."""
        agent = agent_by_id(options["agent"])
        generator, script = _generator(options["generator"], options["script"])
        run = self._own_run(agent, generator, script, options["dry_run"])
        run = services.run_in_foreground(run=run, progress=self._progress)
        if run.status != JobStatus.COMPLETED:
            raise CommandError(f"run {run.pk} {run.status}: {run.error or run.reason}")
        deltas = list(deltas_for_lists().filter(run_id=run.pk).order_by("pk"))
        if options["json"]:
            self.stdout.write(json.dumps(_document(run, deltas), ensure_ascii=False, indent=2))
        else:
            self._print(run, deltas)

    def _progress(self, message: str) -> None:
        self.stderr.write(f"  {message}")

    def _own_run(
        self, agent: Agent, generator: Generator | None, script: list[Any] | None, dry_run: bool
    ) -> EvolutionRun:
        waited = False
        while True:
            started = services.start_run(
                agent=agent,
                trigger=Trigger.COMMAND,
                requested_by="command",
                force=True,
                generator=generator,
                script=script,
                dry_run=dry_run,
            )
            if started.run is None:
                raise CommandError(started.reason)
            if started.created:
                return started.run
            if not waited:
                self._progress(f"waiting for run {started.run.pk} to end")
            waited = True
            time.sleep(0.2)

    def _print(self, run: EvolutionRun, deltas: list[Delta]) -> None:
        write = self.stdout.write
        write(f"run {run.pk}: {run.traces_selected} traces, {len(deltas)} deltas")
        if repeated := run.report.get("repeated"):
            write(f"{repeated} of what the model proposed was proposed before: left out")
        for delta in deltas:
            write(f"\ndelta {delta.pk}  {delta.status}  confidence {delta.confidence:.2f}")
            write(f"  {operations.describe(delta.operations, delta.expectations)}")
            write(f"  {delta.reasoning}")
            for verdict in delta.verdicts:
                write(f"  {verdict['outcome']:>7}  {verdict['judge']}: {verdict['reason']}")
        for note in run.report.get("notes", []):
            write(f"\n{note}")
        for row in run.report.get("candidates", [])[:5]:
            write(f"  {row['text']}  {row['account']}")


def _generator(name: str, script: Path | None) -> tuple[Generator | None, list[Any] | None]:
    if name == "llm" and not gateway.is_configured():
        raise CommandError(
            "no language model is configured: set ACE_LLM_BASE_URL or ACE_LLM_API_KEY, "
            "or use --generator statistical"
        )
    if name != "scripted":
        if script:
            raise CommandError("--script goes with --generator scripted")
        return None if name == "auto" else Generator(name), None
    if not script:
        raise CommandError("--generator scripted needs --script FILE")
    try:
        return Generator.SCRIPTED, delta_generator.read_script(script.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{script} cannot be read: {error}") from error


def _document(run: EvolutionRun, deltas: list[Delta]) -> dict[str, Any]:
    return {
        "run_id": run.pk,
        "agent_id": run.agent.agent_id,
        "status": run.status,
        "traces_selected": run.traces_selected,
        "pending_traces": selectors.pending_traces(run.agent),
        "report": run.report,
        "deltas": [
            {
                "delta_id": str(delta.delta_id),
                "number": delta.pk,
                "status": delta.status,
                "operations": delta.operations,
                "confidence": delta.confidence,
                "reasoning": delta.reasoning,
                "evidence": delta.evidence,
                "verdicts": delta.verdicts,
                "applied_version": delta.applied_version,
            }
            for delta in deltas
        ],
    }
