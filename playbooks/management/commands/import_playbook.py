"""Make a file's content an agent's live playbook."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from ace_project.core.commands import AceCommand
from ace_project.core.people import operator_named
from playbooks import actors, paper_format, services


class Command(AceCommand):
    help = "Make a file (JSON, or the ACE paper's text form) an agent's next version."
    example = "import_playbook playbook.txt --agent airline-support"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--agent", required=True)
        parser.add_argument("--as", dest="operator", metavar="USER")

    def carry_out(self, **options: Any) -> None:
        """Read the file, make the agent if it is new, and publish."""
        path: Path = options["file"]
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{path} cannot be read: {error}") from error
        user = operator_named(options["operator"])
        by = actors.person(user.username, user.pk)
        content, aliases = _parse(text)
        agent = services.get_or_create_agent(agent_id=options["agent"], author=by)
        version = services.import_playbook(
            agent=agent,
            content=content,
            author=by,
            reason=f"import of {path.name}",
            aliases=aliases,
        )
        if version is None:
            self.stdout.write(f"{agent} has this content already")
        else:
            self.stdout.write(f"{agent} is at version {version.number}")


def _parse(text: str) -> tuple[Any, dict[str, Any]]:
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text), {}
        except (ValueError, RecursionError) as error:
            raise CommandError(f"not JSON: {error}") from error
    try:
        found = paper_format.parse_paper(text)
    except ValueError as error:
        raise CommandError(f"not a playbook in the ACE paper's text form: {error}") from error
    return found.content, found.aliases
