"""Agents: made with an empty playbook, changed by operators, erased as a whole."""

import re
from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from ace_project.core import heads, tokens
from ace_project.core.errors import Conflict, InvalidInput
from playbooks import audit, selectors
from playbooks.actors import Actor
from playbooks.content import Content, ContentError, normalise
from playbooks.models import Agent, Mode, Playbook, VersionKind, is_agent_id
from playbooks.services.publish import locked_playbook, publish

MODEL_NAME = re.compile(r"[\w.][\w./:@-]{0,199}", re.ASCII)
MOST_NAMES = 1000


def _checked_content(content: Any, pointer: str) -> Content:
    try:
        value = normalise(content)
    except ContentError as error:
        raise InvalidInput(
            "the playbook's content is not valid",
            [{"pointer": pointer + error.pointer, "message": error.message}],
        ) from error
    if not isinstance(value, dict):
        raise InvalidInput(
            "a playbook is a JSON object", [{"pointer": pointer, "message": "not an object"}]
        )
    return value


@transaction.atomic
def create_agent(
    *,
    agent_id: str,
    author: Actor,
    name: str = "",
    initial_context: Any = None,
    metadata: dict[str, Any] | None = None,
    mode: Mode = Mode.STRICT,
    simulated: bool = False,
    kind: VersionKind = VersionKind.CREATED,
) -> Agent:
    """Make an agent and its playbook's version 1; raises InvalidInput, Conflict if it exists."""
    if not is_agent_id(agent_id):
        raise InvalidInput(
            "not a valid agent_id",
            [{"pointer": "/agent_id", "message": "letters, digits, '.', '_' and '-', up to 255"}],
        )
    content = _checked_content(
        {} if initial_context is None else initial_context, "/initial_context"
    )
    fields = {"name": name, "metadata": metadata or {}, "mode": mode, "simulated": simulated}
    try:
        with transaction.atomic():
            agent = Agent.objects.create(agent_id=agent_id, **fields)
    except IntegrityError:
        raise Conflict(f"agent {agent_id!r} has a playbook already") from None
    now = timezone.now()
    playbook = Playbook.objects.create(
        agent=agent, version=0, content_hash="", created_at=now, updated_at=now
    )
    audit.record(agent_id, "agent_created", author, now=now, subject=agent_id, data={"mode": mode})
    publish(playbook, content, kind=kind, author=author, now=now, reason="first version")
    return agent


def get_or_create_agent(*, agent_id: str, author: Actor, simulated: bool = False) -> Agent:
    """Return the agent, made with an empty playbook if it is new; safe against a race."""
    found = Agent.objects.select_related("playbook").filter(agent_id=agent_id).first()
    if found:
        return found
    try:
        return create_agent(agent_id=agent_id, author=author, simulated=simulated)
    except Conflict:
        return selectors.agent_by_id(agent_id)


@transaction.atomic
def update_agent(
    *,
    agent: Agent,
    author: Actor,
    name: str | None = None,
    metadata: dict[str, Any] | None = None,
) -> Agent:
    """Change what an agent may say of itself; its mode is an operator's to set.

    The audit tells a name before and after, and of metadata only that they were changed.
    """
    changed = {k: v for k, v in {"name": name, "metadata": metadata}.items() if v is not None}
    if not changed:
        return agent
    # Playbook before chain, as whoever publishes takes them: the other way round could deadlock.
    playbook = locked_playbook(agent.playbook.pk)
    before = Agent.objects.values_list("name", flat=True).get(pk=agent.pk)
    for field, value in changed.items():
        setattr(agent, field, value)
    agent.save(update_fields=list(changed))
    named = {} if name is None else {"from": before or None, "to": name or None}
    data = {"fields": [*changed], **named}
    audit.record(agent.agent_id, "agent_updated", author, now=timezone.now(), data=data)
    playbook.agent = agent
    pointer = selectors.pointer(playbook)
    transaction.on_commit(lambda: heads.advance(agent.agent_id, pointer, replace=True))
    return agent


@transaction.atomic
def set_mode(*, agent: Agent, mode: Mode, author: Actor) -> Agent:
    """Set how deltas of this agent are decided."""
    before, agent.mode = agent.mode, mode
    agent.save(update_fields=["mode"])
    audit.record(
        agent.agent_id,
        "mode_set",
        author,
        now=timezone.now(),
        data={"from": str(before), "to": str(mode)},
    )
    return agent


@transaction.atomic
def set_override(*, agent: Agent, name: str, value: float | str | None, author: Actor) -> Agent:
    """Override one setting for this agent, or with None take the override back."""
    _check_override(name, value)
    before = agent.overrides.get(name)
    agent.overrides = {k: v for k, v in agent.overrides.items() if k != name}
    if value is not None:
        agent.overrides[name] = value
    agent.save(update_fields=["overrides"])
    audit.record(
        agent.agent_id,
        "setting_set",
        author,
        now=timezone.now(),
        subject=name,
        data={"from": before, "to": value},
    )
    return agent


def _check_override(name: str, value: float | str | None) -> None:
    if name not in (selectors.MODEL, *selectors.OVERRIDE_RANGE):
        raise InvalidInput(f"{name} cannot be set for one agent")
    if value is None:
        return
    if name == selectors.MODEL:
        if not isinstance(value, str) or not MODEL_NAME.fullmatch(value):
            raise InvalidInput("a model's name is up to 200 letters, digits and ./:@_- signs")
        return
    low, high = selectors.OVERRIDE_RANGE[name]
    if isinstance(value, str) or not low <= value <= high:
        raise InvalidInput(f"{name} goes from {low:g} to {high:g}")


@transaction.atomic
def set_private_names(*, agent: Agent, names: Sequence[str], author: Actor) -> Agent:
    """Set the names of people that no prompt and no lesson of this agent may carry.

    Raises InvalidInput for more than MOST_NAMES, or one that is not 2 to 100 characters. The
    audit tells how many there are, not which.
    """
    if len(names) > MOST_NAMES:
        raise InvalidInput(f"{len(names):,} names; there may be {MOST_NAMES:,}")
    if any(not 2 <= len(name) <= 100 or not name.isprintable() for name in names):
        raise InvalidInput("a name has 2 to 100 characters, all of them printable")
    before = len(agent.private_names)
    agent.private_names = list(names)
    agent.save(update_fields=["private_names"])
    audit.record(
        agent.agent_id,
        "private_names_set",
        author,
        now=timezone.now(),
        data={"from": before, "to": len(names)},
    )
    return agent


@transaction.atomic
def delete_agent(*, agent: Agent, author: Actor) -> None:
    """Erase all that belongs to an agent; the end of its chain stays in the system's chain."""
    agent_id, playbook_id = agent.agent_id, agent.playbook.pk
    # Nothing new may come to hang on the agent between finding what to erase and erasing it.
    Agent.objects.select_for_update().filter(pk=agent.pk).first()
    locked_playbook(playbook_id)
    now = timezone.now()
    last = audit.end_of_chain(agent_id)
    audit.erase_chain(agent_id)
    tokens.erase(agent_id)
    agent.delete()
    audit.record(
        audit.SYSTEM,
        "agent_erased",
        author,
        now=now,
        subject=audit.pseudonym(agent_id),
        data={"events": last.number if last else 0, "head": last.hash if last else audit.GENESIS},
    )
    transaction.on_commit(lambda: heads.forget(agent_id, playbook_id))
