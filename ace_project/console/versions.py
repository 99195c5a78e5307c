"""The history of a playbook: its timeline, any two versions side by side, and the way back."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from ace_project.console import keyset, refusals, visitor
from ace_project.console.changes import Changes, changes_between
from ace_project.console.templatetags import figures
from ace_project.core.errors import AceError
from ace_project.core.people import Role, needs
from evolution.figures import success_by_version
from evolution.intervals import Share, newcombe
from playbooks import selectors, services
from playbooks.models import Agent, Delta, Playbook, PlaybookVersion, VersionKind
from playbooks.operations import describe

TIMELINE_SIZE = 20
PLOTTED = 12
# Offered by name; any other version is typed as a number.
MOST_CHOICES = 100
# Fewer runs than these make no claim that a version hurts.
ENOUGH_RUNS = 20


def rows_of(playbook: Playbook) -> QuerySet[PlaybookVersion]:
    """Return a playbook's versions as lists show them."""
    return listed().filter(playbook=playbook)


def listed() -> QuerySet[PlaybookVersion]:
    """Return versions without their content, with the source of the delta that made each."""
    return PlaybookVersion.objects.select_related("delta").only(
        *("number", "kind", "restored", "author", "reason", "created_at", "playbook_id"),
        "delta__source",
    )


def timeline(
    request: HttpRequest, playbook: Playbook, shares: dict[int, Share], shown: int
) -> tuple[list[dict[str, Any]], keyset.Page[PlaybookVersion]]:
    """Return one page of the timeline as parts/timeline_item.html draws it, around `shown`."""
    near_the_end = playbook.version - shown < TIMELINE_SIZE
    page = keyset.keyset_page(
        request,
        rows_of(playbook),
        by="number",
        size=TIMELINE_SIZE,
        begin=None if near_the_end else shown + TIMELINE_SIZE // 2,
    )
    return [_item(row, playbook, shares.get(row.number, Share())) for row in page.rows], page


def _item(row: PlaybookVersion, playbook: Playbook, share: Share) -> dict[str, Any]:
    low, high = share.interval
    return {
        "number": row.number,
        "url": f"?version={row.number}",
        "live": row.number == playbook.version,
        "is_rollback": row.kind in (VersionKind.ROLLBACK, VersionKind.UNDO),
        "at": row.created_at,
        "reason": reason_of(row),
        "author": row.author,
        "source": row.delta.source if row.delta else "",
        "delta_pk": row.delta_id,
        "share": share.value,
        "low": low,
        "high": high,
        "count": share.runs,
    }


def reason_of(row: PlaybookVersion) -> str:
    """Return why a version was made, as a sentence."""
    if row.kind == VersionKind.ROLLBACK:
        return f"Back to v{row.restored}: {row.reason}"
    return row.reason[:1].upper() + row.reason[1:]


def plotted(
    playbook: Playbook, rows: Sequence[PlaybookVersion], shares: dict[int, Share]
) -> list[dict[str, Any]]:
    """Return the first of these versions (newest first) as the plot draws them, oldest first."""
    points: list[dict[str, Any]] = []
    before = Share()
    for row in reversed(rows[:PLOTTED]):
        share = shares.get(row.number, Share())
        points.append(_point(row, share, row.number == playbook.version, _hurts(share, before)))
        before = share if share.runs else before
    return points


def _point(row: PlaybookVersion, share: Share, live: bool, hurts: bool) -> dict[str, Any]:
    low, high = share.interval if share.runs else (None, None)
    measured = (
        f"{figures.percent(share.value)}, interval {figures.percent(share.interval[0], 0)} to "
        f"{figures.percent(share.interval[1], 0)}, {share.runs:,} traces"
        if share.value is not None
        else "no traces"
    )
    return {
        "number": row.number,
        "share": share.value,
        "low": low,
        "high": high,
        "live": live,
        "hurts": hurts,
        "note": "roll back" if row.kind == VersionKind.ROLLBACK else "",
        "url": f"?version={row.number}",
        "said": f"v{row.number}: {measured}",
    }


def _hurts(share: Share, before: Share) -> bool:
    """Return whether a version did clearly worse than the measured one before it."""
    step = newcombe(share, before)
    return bool(step and step.high < 0 and min(share.runs, before.runs) >= ENOUGH_RUNS)


def choices(playbook: Playbook) -> list[tuple[int, str]]:
    """Return the newest versions, which a field for a version's number offers by name."""
    rows = rows_of(playbook).order_by("-number")[:MOST_CHOICES]
    return [(row.number, reason_of(row)[:60]) for row in rows]


def chosen(request: HttpRequest, name: str, fallback: int) -> int:
    """Return the version that a query parameter names, or `fallback`."""
    return keyset.whole_number(request, name) or fallback


@needs(Role.VIEWER)
@require_safe
def compare(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Show what lies between any two versions."""
    with refusals.missing_is_404():
        agent = selectors.agent_by_id(agent_id)
        live = agent.playbook.version
        new = chosen(request, "to", live)
        old = chosen(request, "from", max(1, new - 1))
        changes = _changes(request, agent.playbook, old, new)
    shares = success_by_version(agent)
    context = {
        "agent": agent,
        "tab": "playbook",
        "old": old,
        "new": new,
        "live": live,
        "choices": choices(agent.playbook),
        "changes": changes,
        "changes_query": f"from={old}&to={new}",
        "earlier_url": f"?from={old - 1}&to={old}" if old > 1 else "",
        "later_url": f"?from={new}&to={new + 1}" if new < live else "",
        "sides": [(n, shares.get(n, Share())) for n in (old, new)],
        "difference": newcombe(shares.get(new, Share()), shares.get(old, Share())),
    }
    return render(request, "version_compare.html", context)


def _changes(request: HttpRequest, playbook: Playbook, old: int, new: int) -> Changes:
    before = selectors.snapshot(playbook.pk, old).content
    after = selectors.snapshot(playbook.pk, new).content
    start = keyset.whole_number(request, "start") or 0
    return changes_between(playbook, before, after, start=start)


class RollbackForm(forms.Form):
    """Where to, why, and which version was live when the preview was read."""

    to = forms.IntegerField(min_value=1, max_value=2**31 - 1)
    live = forms.IntegerField(min_value=1, max_value=2**31 - 1)
    reason = forms.CharField(max_length=2000)


@needs(Role.VIEWER)
@require_http_methods(["GET", "HEAD", "POST"])
def rollback(request: HttpRequest, agent_id: str) -> HttpResponseBase:
    """Show what a roll back will change; an operator's POST with a reason carries it out."""
    with refusals.missing_is_404():
        agent = selectors.agent_by_id(agent_id)
    if request.method == "POST":
        return _roll_back(request, agent)
    live = agent.playbook.version
    to = chosen(request, "to", max(1, live - 1))
    with refusals.missing_is_404():
        changes = _changes(request, agent.playbook, live, to)
    context = {
        "agent": agent,
        "tab": "playbook",
        "to": to,
        "live": live,
        "direction": f"from v{live}, live, to the content of v{to}",
        "choices": [choice for choice in choices(agent.playbook) if choice[0] != live],
        "has_past": live > 1,
        "changes": changes,
        "changes_query": f"to={to}",
        "taken_out": _deltas_between(agent.playbook, live, to),
        "brought_back": _deltas_between(agent.playbook, to, live),
        "share": success_by_version(agent).get(to, Share()),
    }
    return render(request, "rollback.html", context)


def _deltas_between(playbook: Playbook, number: int, other: int) -> list[tuple[int, str]]:
    """Return the deltas, by number and as a sentence, that are in version `number` alone."""
    here = selectors.effective_deltas(playbook, number)
    names = here - selectors.effective_deltas(playbook, other)
    rows = Delta.objects.filter(pk__in=names).only("id", "operations", "expectations")
    return [(row.pk, describe(row.operations, row.expectations)) for row in rows]


@needs(Role.OPERATOR)
def _roll_back(request: HttpRequest, agent: Agent) -> HttpResponse:
    form = RollbackForm(request.POST)
    if not form.is_valid():
        messages.error(request, "A roll back needs a version and a reason.")
        return redirect(request.get_full_path())
    to, live = form.cleaned_data["to"], form.cleaned_data["live"]
    try:
        version = services.roll_back_to(
            agent=agent,
            to_version=to,
            reason=form.cleaned_data["reason"],
            author=visitor.actor_of(request),
            live=live,
        )
    except AceError as refusal:
        messages.error(request, refusals.told(refusal))
        return redirect(f"{request.path}?to={to}")
    messages.success(request, f"v{version.number} is live with the content of v{to}.")
    return redirect("console:playbook", agent.agent_id)
