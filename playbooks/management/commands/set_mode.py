"""Set how an agent's deltas are decided."""

from argparse import ArgumentParser
from typing import Any

from ace_project.core.commands import AceCommand
from ace_project.core.people import operator_named
from playbooks import actors, selectors, services
from playbooks.models import Mode


class Command(AceCommand):
    help = "Set an agent's mode: strict (a person decides), auto (judges decide) or dry_run."
    example = "set_mode airline-support auto"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("agent")
        parser.add_argument("mode", choices=Mode.values)
        parser.add_argument("--as", dest="operator", metavar="USER")

    def carry_out(self, **options: Any) -> None:
        """Set the mode and say so."""
        user = operator_named(options["operator"])
        agent = selectors.agent_by_id(options["agent"])
        by = actors.person(user.username, user.pk)
        services.set_mode(agent=agent, mode=Mode(options["mode"]), author=by)
        self.stdout.write(f"{agent} is in mode {agent.mode}")
