"""Reject deltas."""

from argparse import ArgumentParser
from typing import Any

from ace_project.core.commands import AceCommand
from ace_project.core.people import operator_named
from playbooks import actors, selectors, services


class Command(AceCommand):
    help = "Reject deltas by number or delta_id, with a reason that is kept."
    example = "reject 12 --reason 'it names one customer'"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("ids", nargs="+", metavar="ID")
        parser.add_argument("--reason", required=True)
        parser.add_argument("--as", dest="operator", metavar="USER")

    def carry_out(self, **options: Any) -> None:
        """Reject each in turn; the first that cannot be stops the rest."""
        user = operator_named(options["operator"])
        by = actors.person(user.username, user.pk)
        for name in options["ids"]:
            found = selectors.delta_named(name)
            delta = services.reject_delta(delta=found, by=by, reason=options["reason"])
            self.stdout.write(f"delta {delta.pk} rejected")
