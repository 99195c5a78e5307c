"""What a new installation still needs until a real agent learns."""

from dataclasses import dataclass

from django.conf import settings

from ace_project.console.connect import Connection, connection_of
from playbooks import selectors
from playbooks.models import Agent

_NUMBERS = {1: "One step", 2: "Two steps", 3: "Three steps"}


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """The newest real agent, if any, how far it has come, and how many traces start a run."""

    agent: Agent | None
    connection: Connection | None
    needed: int

    @property
    def left(self) -> int:
        """How many of the three steps are left."""
        if self.connection is None:
            return 3
        return 1 if self.connection.used_at else 2

    @property
    def heading(self) -> str:
        """What is left, as the page's heading."""
        return f"{_NUMBERS[self.left]} until your first agent learns"


def first_steps() -> FirstSteps:
    """Return where the newest real agent stands."""
    real = Agent.objects.select_related("playbook").filter(simulated=False)
    agent = real.order_by("-pk").first()
    if agent is None:
        return FirstSteps(None, None, settings.ACE_MIN_TRACES_FOR_EVOLUTION)
    needed = int(selectors.setting(agent, "ACE_MIN_TRACES_FOR_EVOLUTION"))
    return FirstSteps(agent, connection_of(agent), needed)
