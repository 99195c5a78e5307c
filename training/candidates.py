"""The lessons that a job may let in or leave out, and the context that a choice makes."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from evolution.drafts import SECTION
from playbooks.content import (
    Content,
    ContentError,
    bullet_id,
    bullet_texts,
    bullets,
    normalise,
)
from playbooks.exploration import is_fixed
from playbooks.judges.safety import unsafe_kinds
from playbooks.models import Agent, Delta, DeltaStatus
from playbooks.selectors import Snapshot
from training.datasets import invalid

MOST_CANDIDATES = 400
_OPEN = (DeltaStatus.PENDING_REVIEW, DeltaStatus.CHANGES_REQUESTED)


def candidates_of(
    agent: Agent, base: Snapshot, extra: Sequence[Any] | None
) -> list[dict[str, Any]]:
    """Return `{bullet_id, section, text, in_playbook, fixed}` of the playbook, then of `extra`.

    An extra one is a text, `{section?, text}`, or `{delta_id}`: what a delta that waits for a
    decision adds. Nothing that nobody approved is tried unless it is named here, and what the
    safety judge would block never is. Raises InvalidInput.
    """
    found: dict[str, dict[str, Any]] = {}
    for bullet in bullets(base.content):
        entry = _entry(bullet.section, bullet.text, in_playbook=True)
        found.setdefault(bullet.bullet_id, entry)
    for place, item in enumerate(_listed(extra)):
        for section, text in _read(agent, f"candidates.{place}", item):
            entry = _entry(section, text, in_playbook=False)
            found.setdefault(entry["bullet_id"], entry)
    if len(found) > MOST_CANDIDATES:
        raise invalid("candidates", f"come to {len(found)}; at most {MOST_CANDIDATES} can be tried")
    return list(found.values())


def compose(content: Content, candidates: Sequence[Mapping[str, Any]], chosen: set[str]) -> str:
    """Return the playbook as text with the bullets that are `chosen`, by id, and no others."""
    sections: dict[str, list[str]] = {}
    for section, value in content.items():
        if bullet_texts(content, section) is None:
            told = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            sections[section] = [told]
    for entry in candidates:
        if entry["bullet_id"] in chosen:
            sections.setdefault(entry["section"], []).append(f"- {entry['text']}")
    order = [*content, *(name for name in sections if name not in content)]
    parts = ["\n".join([f"## {name}", *sections[name]]) for name in order if name in sections]
    return "\n\n".join(parts)


def compose_whole(content: Content) -> str:
    """Return the whole playbook as text."""
    every = [
        {"bullet_id": b.bullet_id, "section": b.section, "text": b.text} for b in bullets(content)
    ]
    return compose(content, every, {str(entry["bullet_id"]) for entry in every})


def _entry(section: str, text: str, *, in_playbook: bool) -> dict[str, Any]:
    return {
        "bullet_id": bullet_id(section, text),
        "section": section,
        "text": text,
        "in_playbook": in_playbook,
        "fixed": in_playbook and is_fixed(section),
    }


def _listed(extra: Sequence[Any] | None) -> Sequence[Any]:
    if extra is None:
        return ()
    if isinstance(extra, str | bytes | Mapping) or not isinstance(extra, Sequence):
        raise invalid("candidates", "must be a list of texts, {section, text} or {delta_id}")
    return extra


def _read(agent: Agent, name: str, item: object) -> list[tuple[str, str]]:
    if isinstance(item, Mapping) and set(item) == {"delta_id"}:
        pairs = _added_by(agent, name, item["delta_id"])
    elif isinstance(item, str):
        pairs = [(SECTION, item)]
    elif isinstance(item, Mapping) and "text" in item and set(item) <= {"section", "text"}:
        pairs = [(item.get("section") or SECTION, item["text"])]
    else:
        raise invalid(name, "must be a text, {section, text} or {delta_id}")
    for section, text in pairs:
        _check(agent, name, section, text)
    return pairs


def _added_by(agent: Agent, name: str, delta_id: object) -> list[tuple[str, str]]:
    # Compared as texts, so that whatever was sent simply names no delta.
    waiting = Delta.objects.filter(playbook__agent=agent, status__in=_OPEN)
    delta = next((d for d in waiting if delta_id in (str(d.delta_id), d.pk)), None)
    if delta is None:
        raise invalid(f"{name}.delta_id", "names no delta of this agent that waits for a decision")
    adds = [op for op in delta.operations if op.get("op") == "add"]
    if not adds:
        raise invalid(f"{name}.delta_id", "names a delta that adds no bullet")
    return [(op["section"], op["text"]) for op in adds]


def _check(agent: Agent, name: str, section: object, text: object) -> None:
    if not isinstance(section, str) or not isinstance(text, str) or not text.strip():
        raise invalid(name, "needs a text that is not empty")
    try:
        normalise({section: [text]})
    except ContentError as error:
        raise invalid(name, error.message) from error
    # As the judge reads them: the agent is told a section's name with its bullets.
    if unsafe_kinds(f"{section}\n\n{text}", tuple(agent.private_names)):
        raise invalid(name, "is a text that the safety judge would block")
