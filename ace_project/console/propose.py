"""A change by hand: put together in a form, previewed, and proposed as a delta like any other."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from ace_project.console import draft as drafts
from ace_project.console import importing, refusals, visitor
from ace_project.console.draft import Draft
from ace_project.console.outline import Outline, outline
from ace_project.console.people import name_of
from ace_project.console.proposal import changes_of, headline
from ace_project.console.propose_form import edits, parts_of, text_of
from ace_project.console.trace_evidence import evidence_of
from ace_project.console.verdicts import council_of, words_of
from ace_project.core.errors import AceError, Conflict, InvalidInput
from ace_project.core.people import Role, needs
from playbooks import operations as rules
from playbooks import selectors, services
from playbooks.content import bullet_id, bullets
from playbooks.models import Agent, Delta, PlaybookVersion, Source

# How sure a person says they are; a bare number asks for a precision nobody has.
SURE = (("0.9", "Sure"), ("0.75", "Likely"), ("0.5", "A hunch"))
USUAL = "0.75"
# A playbook of at most so many bullets is edited on one page; of a longer one, so many at a time.
AT_ONCE = 40


@dataclass(frozen=True, slots=True)
class Work:
    """What the page shows: the draft, what was typed, and what to say of it."""

    draft: Draft
    typed: Mapping[str, Any] = field(default_factory=dict)
    place: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    notice: str = ""
    status: int = 200
    # Of a file: its name, and what its source called the bullets.
    file: str = ""
    aliases: Mapping[str, Any] = field(default_factory=dict)
    removing: str = ""
    # Whether what was typed into the fields is in the draft.
    is_taken_in: bool = False


@needs(Role.REVIEWER)
@require_http_methods(["GET", "HEAD", "POST"])
def propose(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Show the form over the live version; a POST takes edits in, previews or proposes them."""
    with refusals.missing_is_404():
        agent = selectors.agent_by_id(agent_id)
        if request.method != "POST":
            return show(request, agent, _begun(request, agent))
        work, sent = _work(request, agent)
    return redirect("console:delta", sent) if sent else show(request, agent, work)


def _begun(request: HttpRequest, agent: Agent) -> Work:
    only = request.GET.get("bullet", "")
    place = {
        "find": only or request.GET.get("find", "")[:200],
        "section": request.GET.get("section", ""),
    }
    removing = only if "remove" in request.GET else ""
    return Work(drafts.begin(agent.playbook), place=place, removing=removing)


def _work(request: HttpRequest, agent: Agent) -> tuple[Work, int | None]:
    """Return what a posted form comes to, and the number of the delta once it is proposed."""
    posted = request.POST
    try:
        started = drafts.read(agent, posted)
    except InvalidInput as error:
        empty = drafts.begin(agent.playbook)
        return Work(empty, error=refusals.told(error), status=400), None
    work = Work(
        started,
        typed=posted,
        place=_place(posted),
        file=text_of(posted, "file")[:255],
        aliases=importing.read_aliases(text_of(posted, "aliases")),
    )
    try:
        work, is_new = _with_edits(agent, work)
        if posted.get("do") == "send" and not is_new:
            return work, _send(request, agent, work)
        return work, None
    except AceError as error:
        return replace(work, error=refusals.told(error), status=error.status), None


def _place(posted: Mapping[str, Any]) -> dict[str, str]:
    """Return which part of the playbook is asked for next, or else is shown still."""
    if posted.get("do") == "show":
        return {"section": text_of(posted, "go-section"), "find": text_of(posted, "go-find")[:200]}
    start = str(posted.get("go") or posted.get("start", ""))
    names = {name: text_of(posted, name) for name in ("section", "find")}
    return {**names, "start": start if start.isascii() and start.isdigit() else ""}


def _with_edits(agent: Agent, work: Work) -> tuple[Work, bool]:
    """Take in what was typed, and stand the change on the live version; tell if that is news."""
    posted, draft = work.typed, work.draft
    fresh = list(edits(draft.content, posted))
    index = str(posted.get("drop", ""))
    if index.isascii() and index.isdigit() and int(index[:6]) < len(draft.operations):
        draft = draft.without(int(index[:6]))
    draft = draft.extended(fresh)
    if not draft.operations and posted.get("do") in ("send", "preview"):
        raise InvalidInput("nothing was changed")
    notice = _unseen(posted, draft, bool(fresh))
    moved, said = _on_live(agent, draft, posted)
    done = replace(
        work,
        draft=moved,
        typed={name: posted.get(name, "") for name in ("reasoning", "sure")},
        place=_followed(work.place, draft),
        notice=f"{said} {notice}".strip(),
        is_taken_in=True,
    )
    return done, bool(fresh or said)


def _unseen(posted: Mapping[str, Any], draft: Draft, is_new: bool) -> str:
    if draft.dropped:
        return "What the playbook says already was left out."
    if is_new and posted.get("do") == "send":
        return "These changes were not in the preview: look at them, then propose."
    return ""


def _followed(place: Mapping[str, str], draft: Draft) -> Mapping[str, str]:
    """Return the place with a bullet that was looked for by its id under its new id."""
    find = place.get("find", "")
    before = {b.bullet_id: b.section for b in bullets(draft.before)}
    for operation in draft.operations:
        if find in before and operation["op"] == "update" and operation["bullet_id"] == find:
            return {**place, "find": bullet_id(before[find], operation["text"])}
    return place


def _on_live(agent: Agent, draft: Draft, posted: Mapping[str, Any]) -> tuple[Draft, str]:
    """Stand a draft on the version that is live by now, and say so.

    Raises nothing for a conflict: the draft stays on its base, and the page shows both sides,
    until the form says for each whose text shall stand.
    """
    live = selectors.agent_by_id(agent.agent_id).playbook
    if draft.base == live.version:
        return draft, ""
    head = selectors.head(live).content
    seen = rules.expectations(draft.before, draft.operations)
    rebased = rules.rebase(seen, draft.operations, head)
    operations, said = rebased.ok, f"v{live.version} went live meanwhile, by {_author(live)}."
    if rebased.conflicts and posted.get("do") != "rebase":
        many = len(rebased.conflicts)
        return draft, f"{said} {many} of your changes no longer fit{'s' * (many == 1)}."
    if rebased.conflicts:
        keep = {c["index"]: str(posted.get(f"keep-{c['index']}")) for c in rebased.conflicts}
        heirs = selectors.successors(live, draft.operations, head)
        operations = rules.resolve(seen, draft.operations, head, keep, heirs)
    return drafts.made_of(live, live.version, operations), f"{said} Your change stands on it now."


def _author(live: Any) -> str:
    row = PlaybookVersion.objects.filter(playbook=live, number=live.version).only("author")
    return name_of(row[0].author)


def _send(request: HttpRequest, agent: Agent, work: Work) -> int:
    """Propose the draft; return the delta's number. Raises domain errors."""
    reasoning = text_of(request.POST, "reasoning").strip()
    sure = request.POST.get("sure")
    if not reasoning:
        raise InvalidInput("say why: whoever decides reads it first")
    if sure not in dict(SURE):
        raise InvalidInput("say how sure you are")
    if work.draft.base != selectors.agent_by_id(agent.agent_id).playbook.version:
        raise Conflict("say first for each change that no longer fits whose text shall stand")
    evidence = evidence_of(agent, request.POST)
    if work.file:
        evidence["imported"] = {"file": work.file, "aliases": work.aliases}
    outcome = services.propose_delta(
        agent=agent,
        operations=work.draft.operations,
        confidence=float(sure),
        source=Source.OPERATOR,
        author=visitor.actor_of(request),
        reasoning=reasoning[:10_000],
        evidence=evidence,
        base_version=work.draft.base,
        may_apply=False,
    )
    messages.success(request, "Proposed. It waits for a decision.")
    return outcome.delta.pk


def show(request: HttpRequest, agent: Agent, work: Work) -> HttpResponse:
    """Render the page of a change that is put together."""
    shown = _window(work)
    typed = {} if work.is_taken_in else work.typed
    asked = request.POST if request.method == "POST" else request.GET
    context = {
        "agent": agent,
        "tab": "playbook",
        "draft": work.draft,
        "work": work,
        "live": agent.playbook.version,
        "outline": shown,
        "parts": parts_of(work.draft.content, shown, typed, work.removing),
        "sure": [(v, name, v == (work.typed.get("sure") or USUAL)) for v, name in SURE],
        "new_name": text_of(typed, "new-name"),
        "new_lessons": text_of(typed, "lessons"),
        "new_value": text_of(typed, "new-value"),
        "reasoning": work.typed.get("reasoning", ""),
        "cited": evidence_of(agent, asked),
        "cited_keys": {side: asked.get(side, "") for side in ("for", "against")},
        "aliases": json.dumps(work.aliases, ensure_ascii=False) if work.aliases else "",
        **_preview(request, agent, work),
    }
    return render(request, "propose.html", context, status=work.status)


def _window(work: Work) -> Outline:
    """Return which bullets are in the form: all of a short playbook, a part of a long one."""
    content, place = work.draft.content, work.place
    find, section = place.get("find", "").strip(), place.get("section", "")
    start = int((place.get("start") or "0")[:8])
    if find:
        return outline(content, find=find)
    if section and section in content:
        return outline(content, section=section, start=start, size=AT_ONCE)
    whole = outline(content)
    if whole.total <= AT_ONCE or not whole.jumps:
        return whole
    return outline(content, section=whole.jumps[0][0], start=start, size=AT_ONCE)


def _preview(request: HttpRequest, agent: Agent, work: Work) -> dict[str, Any]:
    """Return the delta that would come of it, judged but not kept."""
    if not work.draft.operations:
        return {"sections": [], "preview": None}
    sure = str(work.typed.get("sure") or USUAL)
    try:
        delta: Delta = services.preview_delta(
            agent=agent,
            operations=work.draft.operations,
            confidence=float(sure) if sure in dict(SURE) else float(USUAL),
            source=Source.OPERATOR,
            author=visitor.actor_of(request),
            base_version=work.draft.base,
            evidence=evidence_of(agent, request.POST),
            reasoning=str(work.typed.get("reasoning", "")),
        )
    except InvalidInput as error:
        return {"sections": [], "preview": None, "preview_error": refusals.told(error)}
    head = selectors.head(agent.playbook)
    sections = changes_of(delta, head.content, head.number)
    return {
        "preview": delta,
        "title": headline(delta),
        "sections": sections,
        "conflicts": [c for s in sections for c in s.changes if c.conflict],
        "words": words_of(delta.verdicts),
        "council": council_of(delta.verdicts),
    }
