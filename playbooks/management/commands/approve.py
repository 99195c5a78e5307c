"""Approve deltas."""

from argparse import ArgumentParser
from typing import Any

from ace_project.core.commands import AceCommand
from ace_project.core.people import operator_named
from playbooks import actors, selectors, services
from playbooks.models import Delta, DeltaStatus


class Command(AceCommand):
    help = "Approve deltas by number or delta_id; each is applied, or waits where two must approve."
    example = "approve 12 13 --reason 'checked against the traces'"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("ids", nargs="+", metavar="ID")
        parser.add_argument("--reason", default="")
        parser.add_argument("--as", dest="operator", metavar="USER")

    def carry_out(self, **options: Any) -> None:
        """Approve each in turn; the first that cannot be stops the rest."""
        user = operator_named(options["operator"])
        by = actors.person(user.username, user.pk)
        for name in options["ids"]:
            found = selectors.delta_named(name)
            delta = services.approve_delta(delta=found, by=by, reason=options["reason"])
            self.stdout.write(_told(delta))


def _told(delta: Delta) -> str:
    if delta.status == DeltaStatus.APPLIED:
        return f"delta {delta.pk} applied: {delta.playbook.agent} v{delta.applied_version}"
    return f"delta {delta.pk}: approval 1 of 2, waits for another reviewer"
