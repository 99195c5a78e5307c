"""Let evolution go on that was held back."""

from argparse import ArgumentParser
from typing import Any

from ace_project.core.commands import AceCommand
from ace_project.core.people import operator_named
from evolution import services
from playbooks import actors
from playbooks.selectors import agent_by_id


class Command(AceCommand):
    help = (
        "End the pause of one agent, or that of all. An agent that was paused by itself stays\n"
        "paused when all are resumed. Nothing to end is no failure."
    )
    example = "resume airline-support"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("agent", nargs="?", help="without it, the pause of all")
        parser.add_argument("--as", dest="operator", metavar="USER")

    def carry_out(self, **options: Any) -> None:
        """Resume and say so."""
        user = operator_named(options["operator"])
        agent = agent_by_id(options["agent"]) if options["agent"] else None
        ended = services.resume_evolution(agent=agent, by=actors.person(user.username, user.pk))
        whose = f"the evolution of {agent}" if agent else "evolution"
        self.stdout.write(f"{whose} goes on" if ended else f"{whose} was not paused")
