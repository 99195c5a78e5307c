"""What may be set for one agent alone: what each does, where its value comes from, who set it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from django.conf import settings
from django.db import transaction

from ace_project.console.audit_words import Entry
from ace_project.core import env
from ace_project.core.errors import InvalidInput
from playbooks import selectors, services
from playbooks.actors import Actor
from playbooks.models import Agent, AuditEvent

# What each override does, in the words of its effect.
MEANINGS = {
    "ACE_CONFIDENCE_THRESHOLD": ("Confidence threshold", "below it, a delta waits for a person"),
    "ACE_MAX_DELTAS_PER_EVOLUTION": ("Deltas per run", "at most so many are proposed in one run"),
    "ACE_EVOLUTION_INTERVAL": (
        "Traces between runs",
        "after so many new traces the next run starts",
    ),
    "ACE_MIN_TRACES_FOR_EVOLUTION": (
        "Traces for the first run",
        "before, there is no run on its own",
    ),
    "ACE_PLAYBOOK_MAX_TOKENS": (
        "Token budget of the playbook",
        "above it, bullets with the least evidence are offered for removal; 0 for no limit",
    ),
    "ACE_MONTHLY_BUDGET_USD": (
        "Monthly budget, US dollars",
        "what its runs may spend on language models in a month",
    ),
    selectors.EXPLORATION: (
        "Share of bullets left out to learn",
        "left out by chance where the agent asks for it, so that a training can start from its "
        "traces; 0\N{NO-BREAK SPACE}is\N{NO-BREAK SPACE}off",
    ),
}
# What of an agent's chain is a setting, and how much of that its page shows.
SETTINGS = (
    *("setting_set", "mode_set", "private_names_set", "two_person_set", "agent_updated"),
    *("evolution_paused", "evolution_resumed", "verdict_waived", "waiver_ended", "waiver_expired"),
)
SHOWN = 8


@dataclass(slots=True)
class Attempt:
    """What was typed into the settings, what is wrong with it, and how many it changed."""

    typed: Mapping[str, Any]
    errors: dict[str, str] = field(default_factory=dict)
    changed: int = 0


def attempt_of(agent: Agent, posted: Mapping[str, Any], by: Actor) -> Attempt:
    """Set what a form asks for, all of it or, where something is wrong, nothing."""
    attempt = Attempt(posted)
    with transaction.atomic():
        for name in selectors.OVERRIDE_RANGE:
            try:
                value = _value(posted, name)
                if value != agent.overrides.get(name):
                    services.set_override(agent=agent, name=name, value=value, author=by)
                    attempt.changed += 1
            except InvalidInput as error:
                attempt.errors[name] = f"{error.detail[:1].upper()}{error.detail[1:]}."
        if attempt.errors:
            transaction.set_rollback(True)
    return attempt


def _value(posted: Mapping[str, Any], name: str) -> float | None:
    """Read one override, None where its field is empty; raises InvalidInput."""
    raw = str(posted.get(name, "")).strip()
    if not raw:
        return None
    whole = isinstance(getattr(settings, name), int)
    title = MEANINGS[name][0].lower()
    try:
        value = int(raw) if whole else float(raw)
    except ValueError:
        kind = "a whole number" if whole else "a number"
        raise InvalidInput(f"{title} must be {kind}") from None
    if not isfinite(value):
        raise InvalidInput(f"{title} must be a number")
    low, high = selectors.OVERRIDE_RANGE[name]
    if not low <= value <= high:
        raise InvalidInput(f"{title} goes from {low:g} to {high:,.10g}")
    return value


def overrides_of(agent: Agent, attempt: Attempt | None) -> list[dict[str, Any]]:
    """Return the rows of the settings form."""
    rows = AuditEvent.objects.filter(chain=agent.agent_id, event="setting_set")
    newest = rows.order_by("subject", "-number").distinct("subject")
    setters = {event.subject: event for event in newest}
    return [_row(agent, name, setters.get(name), attempt) for name in selectors.OVERRIDE_RANGE]


def _row(
    agent: Agent, name: str, setter: AuditEvent | None, attempt: Attempt | None
) -> dict[str, Any]:
    low, high = selectors.OVERRIDE_RANGE[name]
    title, meaning = MEANINGS[name]
    default = getattr(settings, name)
    own = agent.overrides.get(name)
    return {
        "name": name,
        "title": title,
        "meaning": meaning,
        "low": f"{low:g}",
        "high": f"{high:.10g}",
        "range": f"{low:,.10g} to {high:,.10g}",
        "step": "1" if isinstance(default, int) else "any",
        "value": own if attempt is None else attempt.typed.get(name, ""),
        "error": "" if attempt is None else attempt.errors.get(name, ""),
        "own": own,
        "default": default,
        "usual": f"{default:,.10g}",
        "holds": f"{default if own is None else own:,.10g}",
        "from_environment": env.is_given(name),
        "setter": setter if own is not None else None,
    }


def set_lately(agent: Agent) -> list[Entry]:
    """Return the newest changes of the agent's settings, as the audit log has them."""
    rows = AuditEvent.objects.filter(chain=agent.agent_id, event__in=SETTINGS)
    return [Entry(event) for event in rows.order_by("-number")[:SHOWN]]
