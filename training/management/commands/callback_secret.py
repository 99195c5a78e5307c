"""Show the secret that calls of an agent are signed with."""

from argparse import ArgumentParser
from typing import Any

from ace_project.core.commands import AceCommand
from playbooks import selectors
from training.runtimes.signing import secret_of


class Command(AceCommand):
    help = (
        "Show the secret that training signs its calls of an agent with (docs/runtimes.md). It is\n"
        "kept nowhere; another version is another secret."
    )
    example = "callback_secret airline-support --version-number 2"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("agent", help="an agent's id")
        parser.add_argument(
            "--version-number",
            type=int,
            default=1,
            metavar="N",
            help="the runtime's secret_version (1)",
        )

    def carry_out(self, **options: Any) -> None:
        """Print the secret."""
        agent = selectors.agent_by_id(options["agent"])
        self.stdout.write(secret_of(agent, options["version_number"]))
