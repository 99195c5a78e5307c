"""A change by hand: bullets reworded, added or removed in a form become a delta like any other."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from ace_project.console import refusals, visitor
from ace_project.console.trace_evidence import evidence_of
from ace_project.core.errors import AceError, InvalidInput
from ace_project.core.people import Role, needs
from playbooks import selectors, services
from playbooks.content import Content, bullets, escape, is_bullet_list, normal_text, same
from playbooks.models import Agent, Source

# How sure a person says they are; a bare number asks for a precision nobody has.
SURE = (("0.9", "Sure"), ("0.75", "Likely"), ("0.5", "A hunch"))
MOST_BULLETS = 500


@dataclass(frozen=True, slots=True)
class Row:
    """A bullet in the form."""

    bullet_id: str
    text: str
    value: str
    removed: bool


@dataclass(frozen=True, slots=True)
class Part:
    """A section in the form: rows and room for new lessons, or one JSON value."""

    number: int
    name: str
    rows: list[Row] = field(default_factory=list)
    new: str = ""
    value: str = ""
    is_value: bool = False


@needs(Role.REVIEWER)
@require_http_methods(["GET", "HEAD", "POST"])
def propose(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Show the form over the live version; a POST proposes what was changed in it."""
    with refusals.missing_is_404():
        agent = selectors.agent_by_id(agent_id)
        posted = request.POST if request.method == "POST" else {}
        base = _base(posted) or agent.playbook.version
        content = selectors.snapshot(agent.playbook.pk, base).content
    error = ""
    if request.method == "POST":
        try:
            return redirect("console:delta", _propose(request, agent, content, base))
        except AceError as refusal:
            error = refusals.told(refusal)
    only = request.GET.get("bullet", "")
    context = {
        "agent": agent,
        "tab": "playbook",
        "base": base,
        "parts": list(_parts(content, posted, only)),
        "only": only,
        "sure": SURE,
        "posted": posted,
        "cited": evidence_of(agent, posted or request.GET),
        "cited_keys": {side: (posted or request.GET).get(side, "") for side in ("for", "against")},
        "error": error,
        "too_many": len(bullets(content)) > MOST_BULLETS and not only,
    }
    return render(request, "propose.html", context, status=400 if error else 200)


def _base(posted: Mapping[str, Any]) -> int | None:
    raw = str(posted.get("base", ""))
    return int(raw) if raw.isascii() and raw.isdigit() and len(raw) < 10 else None


def _text(posted: Mapping[str, Any], name: str) -> str:
    """Return a posted text with the line ends that the content has; browsers send their own."""
    return str(posted.get(name, "")).replace("\r\n", "\n").replace("\x00", "")


def _parts(content: Content, posted: Mapping[str, Any], only: str) -> Iterator[Part]:
    rows: dict[str, dict[str, Row]] = {}
    for bullet in bullets(content):
        if only in ("", bullet.bullet_id):
            name = f"text-{bullet.bullet_id}"
            typed = _text(posted, name) if name in posted else bullet.text
            row = Row(bullet.bullet_id, bullet.text, typed, f"remove-{bullet.bullet_id}" in posted)
            rows.setdefault(bullet.section, {}).setdefault(bullet.bullet_id, row)
    for number, (section, value) in enumerate(content.items()):
        if is_bullet_list(value):
            if section in rows or not only:
                found = list(rows.get(section, {}).values())
                yield Part(number, section, found, new=_text(posted, f"new-{number}"))
        elif not only:
            text = _text(posted, f"json-{number}") or json.dumps(
                value, ensure_ascii=False, indent=2
            )
            yield Part(number, section, value=text, is_value=True)


def _propose(request: HttpRequest, agent: Agent, content: Content, base: int) -> int:
    """Propose what the form changes; return the delta's number. Raises domain errors."""
    operations = list(_operations(content, request.POST))
    reasoning = _text(request.POST, "reasoning").strip()
    if not operations:
        raise InvalidInput("nothing was changed")
    if not reasoning:
        raise InvalidInput("say why: whoever decides reads it first")
    sure = request.POST.get("sure")
    if sure not in dict(SURE):
        raise InvalidInput("say how sure you are")
    outcome = services.propose_delta(
        agent=agent,
        operations=operations,
        confidence=float(sure),
        source=Source.OPERATOR,
        author=visitor.actor_of(request),
        reasoning=reasoning[:10_000],
        evidence=evidence_of(agent, request.POST),
        base_version=base,
        may_apply=False,
    )
    return outcome.delta.pk


def _operations(content: Content, posted: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    seen: set[str] = set()
    for bullet in bullets(content):
        if bullet.bullet_id not in seen:
            seen.add(bullet.bullet_id)
            yield from _of_bullet(bullet.bullet_id, bullet.text, posted)
    for number, (section, value) in enumerate(content.items()):
        if is_bullet_list(value):
            yield from _added(section, _text(posted, f"new-{number}"))
        else:
            yield from _of_value(section, value, _text(posted, f"json-{number}"))
    section = _text(posted, "section").strip()
    lessons = _text(posted, "lessons")
    if lessons.strip() and not section:
        raise InvalidInput("name the new section")
    yield from _added(section, lessons)


def _of_bullet(name: str, text: str, posted: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if f"remove-{name}" in posted:
        yield {"op": "remove", "bullet_id": name}
        return
    wanted = _text(posted, f"text-{name}") if f"text-{name}" in posted else text
    if normal_text(wanted) != normal_text(text):
        yield {"op": "update", "bullet_id": name, "text": wanted.strip()}


def _added(section: str, lines: str) -> Iterator[dict[str, Any]]:
    for line in lines.split("\n"):
        if line.strip():
            yield {"op": "add", "section": section, "text": line.strip()}


def _of_value(section: str, value: Any, text: str) -> Iterator[dict[str, Any]]:
    if not text.strip():
        return
    try:
        wanted = json.loads(text)
        changed = not same(wanted, value)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{section} is not JSON: {error}") from error
    if changed:
        yield {"op": "set", "path": f"/{escape(section)}", "value": wanted}
