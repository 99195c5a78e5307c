"""Recompute the hash chains of versions and audit events."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from ace_project.core.commands import AceCommand
from playbooks import audit, selectors
from playbooks.models import Agent


class Command(AceCommand):
    help = "Recompute the hash chains; exit 1 and the first broken link if any."
    example = "verify_history airline-support"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("agent", nargs="?", help="one agent; without it, every chain")

    def carry_out(self, **options: Any) -> None:
        """Verify one agent's chains, or all and the system's."""
        if options["agent"]:
            agents = [selectors.agent_by_id(options["agent"])]
            broken = None
        else:
            agents = list(Agent.objects.select_related("playbook"))
            broken = audit.verify_events(audit.SYSTEM)
        for agent in agents:
            broken = broken or audit.verify_versions(agent) or audit.verify_events(agent.agent_id)
            if broken:
                break
        if broken:
            raise CommandError(f"{broken.chain}: {broken.link}: {broken.problem}")
        count = f"{len(agents)} agent{'s' if len(agents) != 1 else ''}"
        self.stdout.write(f"every link holds: {count}")
