"""Issue a token for an agent or for a service."""

import re
from argparse import ArgumentParser
from textwrap import fill
from typing import Any

from ace_project.core import tokens
from ace_project.core.commands import AceCommand
from ace_project.core.errors import InvalidInput

ALL = "*"
_AGENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")


class Command(AceCommand):
    help = (
        "Issue a token; it is the last word on stdout and is shown only now. The agent need not\n"
        f"exist yet; '{ALL}' stands for a service that serves all agents. Scopes:\n"
        + fill(", ".join(tokens.SCOPES), 90, break_on_hyphens=False)
    )
    example = "issue_token airline-support --scope playbooks:read --scope traces:write --days 30"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("agent", help=f"an agent's id, or '{ALL}'")
        parser.add_argument(
            "--scope", action="append", default=[], choices=tokens.SCOPES, metavar="SCOPE"
        )
        parser.add_argument("--days", type=int, default=90, help="until it expires (90)")
        parser.add_argument("--name", default="", help="what to call it in lists and the audit")

    def carry_out(self, **options: Any) -> None:
        """Issue the token and print it last."""
        agent_id: str | None = options["agent"]
        if agent_id == ALL:
            agent_id = None
        elif not _AGENT_ID.fullmatch(agent_id or ""):
            raise InvalidInput(f"{agent_id!r} is not a valid agent_id")
        text, row = tokens.issue(
            agent_id, scopes=options["scope"], days=options["days"], name=options["name"]
        )
        who = f"agent {agent_id}" if agent_id else "all agents"
        self.stdout.write(f"for {who}, until {row.expires_at:%Y-%m-%d}: {' '.join(row.scopes)}")
        self.stdout.write(text)
