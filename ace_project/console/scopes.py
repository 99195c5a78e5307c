"""What each scope of a token allows, in the words that a person chooses by."""

from collections.abc import Collection
from dataclasses import dataclass

from ace_project.core.tokens import AGENT_SCOPES, SCOPES

ALLOWS = {
    "playbooks:read": "fetch playbooks, their versions and deltas",
    "playbooks:propose": "propose changes; what then happens is decided as the mode says",
    "playbooks:review": "approve, reject and roll back; never what its own agent proposed",
    "agents:write": "make, rename and erase agents with all that belongs to them",
    "traces:write": "post traces that are trusted as the agent’s own",
    "traces:relay": "pass on traces that others report; they are trusted less",
    "traces:read": "read traces and how far learning is",
    "evolution:trigger": "ask for an evolution run now",
    "training:start": "start training jobs, which may spend money within the budget",
    "training:view": "see training jobs and what they measured",
    "training:cancel": "pause, resume and cancel training jobs",
    "training:evaluate": "measure a checkpoint, which may spend money",
    "data:export": "take out the trajectories of training jobs",
}
# Without these two an agent can neither ask nor tell.
NEEDED_TO_LEARN = ("playbooks:read", "traces:write")


@dataclass(frozen=True, slots=True)
class Choice:
    """One scope to tick: what it allows, whether it is ticked at first."""

    scope: str
    allows: str
    ticked: bool


def choices(ticked: Collection[str] = AGENT_SCOPES) -> list[Choice]:
    """Return every scope as a choice, in the order that the API lists them."""
    return [Choice(scope, ALLOWS[scope], scope in ticked) for scope in SCOPES]


def missing(scopes: Collection[str]) -> list[str]:
    """Return what a token lacks of what an agent needs to learn."""
    return [scope for scope in NEEDED_TO_LEARN if scope not in scopes]
