"""List deltas."""

from argparse import ArgumentParser
from typing import Any

from ace_project.core.commands import AceCommand
from playbooks import operations, selectors
from playbooks.models import DeltaStatus

MOST = 200


class Command(AceCommand):
    help = f"List the newest deltas (at most {MOST}), by agent and status."
    example = "deltas airline-support --status pending_review"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("agent", nargs="?")
        parser.add_argument("--status", choices=DeltaStatus.values)

    def carry_out(self, **options: Any) -> None:
        """Print a line per delta: number, agent, status, confidence, what it changes."""
        rows = selectors.deltas_for_lists()
        if options["agent"]:
            rows = rows.filter(playbook=selectors.agent_by_id(options["agent"]).playbook)
        if options["status"]:
            rows = rows.filter(status=options["status"])
        for row in rows[:MOST]:
            change = operations.describe(row.operations, row.expectations)
            agent = row.playbook.agent.agent_id
            self.stdout.write(f"{row.pk}\t{agent}\t{row.status}\t{row.confidence:.2f}\t{change}")
