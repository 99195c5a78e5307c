"""The kill switch from a terminal."""

from argparse import ArgumentParser
from typing import Any

from ace_project.core.commands import AceCommand
from ace_project.core.people import operator_named
from evolution import services
from playbooks import actors
from playbooks.selectors import agent_by_id


class Command(AceCommand):
    help = (
        "Hold evolution back, for one agent or for all: nothing starts, no model is called, runs\n"
        "under way go back to the queue after their stage. Traces are still recorded."
    )
    example = "pause airline-support --reason 'the tool is being replaced'"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("agent", nargs="?", help="without it, all agents")
        parser.add_argument("--reason", default="")
        parser.add_argument("--as", dest="operator", metavar="USER")

    def carry_out(self, **options: Any) -> None:
        """Pause and say since when."""
        user = operator_named(options["operator"])
        agent = agent_by_id(options["agent"]) if options["agent"] else None
        pause = services.pause_evolution(
            agent=agent, by=actors.person(user.username, user.pk), reason=options["reason"]
        )
        whose = agent or "all agents"
        since = f"since {pause.created_at:%Y-%m-%d %H:%M:%S} UTC, by {pause.paused_by}"
        self.stdout.write(f"the evolution of {whose} is paused {since}")
