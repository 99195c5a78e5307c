"""Roll a playbook back."""

from argparse import ArgumentParser
from typing import Any

from ace_project.core.commands import AceCommand
from ace_project.core.people import operator_named
from playbooks import actors, selectors, services


class Command(AceCommand):
    help = "Publish a new version with the content of an earlier one."
    example = "rollback airline-support --to 3 --reason 'v4 lost 7 points'"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("agent")
        parser.add_argument("--to", type=int, required=True, metavar="N")
        parser.add_argument("--reason", required=True)
        parser.add_argument("--as", dest="operator", metavar="USER")

    def carry_out(self, **options: Any) -> None:
        """Roll back and say which version is live now."""
        user = operator_named(options["operator"])
        agent = selectors.agent_by_id(options["agent"])
        version = services.roll_back_to(
            agent=agent,
            to_version=options["to"],
            reason=options["reason"],
            author=actors.person(user.username, user.pk),
        )
        self.stdout.write(f"{agent} is at version {version.number}, the content of {options['to']}")
