"""Write a playbook to standard output."""

import json
from argparse import ArgumentParser
from typing import Any

from ace_project.core.commands import AceCommand
from ace_project.core.errors import InvalidInput
from playbooks import paper_format, selectors
from playbooks.paper_format import PaperFormatError


class Command(AceCommand):
    help = "Write an agent's playbook to standard output, as JSON or in the ACE paper's text form."
    example = "export_playbook airline-support --format paper > playbook.txt"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("agent")
        parser.add_argument("--format", choices=["json", "paper"], default="json")
        parser.add_argument("--number", type=int, metavar="N")

    def carry_out(self, **options: Any) -> None:
        """Export the live version, or that number."""
        agent = selectors.agent_by_id(options["agent"])
        number = options["number"] or agent.playbook.version
        content = selectors.snapshot(agent.playbook.pk, number).content
        if options["format"] == "json":
            text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
        else:
            try:
                text = paper_format.render_paper(content, selectors.aliases(agent, content))
            except PaperFormatError as error:
                raise InvalidInput(f"the text form cannot hold it: {error}") from error
        self.stdout.write(text, ending="")
