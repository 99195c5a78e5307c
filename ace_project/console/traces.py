"""The list of traces: words and facets in the address, keyset pages, counts beside each facet."""

from dataclasses import dataclass

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ace_project.console import keyset, trace_facets
from ace_project.console.asked import asked as asked_of
from ace_project.console.visitor import may
from ace_project.core.people import Role, needs
from evolution import trace_search
from evolution.models import ExecutionTrace
from evolution.selectors import LIST_FIELDS
from evolution.terms import FACETS
from evolution.trace_search import Counted, Wanted
from playbooks.models import Agent

NAMES = (
    *("agent", "success", "errors", "error", "tool", "type", "version", "origin"),
    *("task", "group", "q"),
)
# One more than are shown tells whether there is a next page.
PAGE = keyset.PAGE_SIZE + 1
# What the form above the list has no field for.
_KEPT = tuple(name for name in NAMES if name not in ("agent", "tool", "q"))
# So many traces may bear the very name that was typed: several agents can use one.
MOST_NAMED = 5
# So many agents are offered for an id that none has.
MOST_NEAR = 5


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for; `wanted` is None for an agent that does not exist."""

    values: dict[str, str]
    agent: Agent | None
    wanted: Wanted | None


@needs(Role.VIEWER)
@require_safe
def traces(request: HttpRequest) -> HttpResponse:
    """List traces, the last received first; every facet stands in the address."""
    asked = _asked(request)
    counted = trace_search.count(asked.wanted, PAGE) if asked.wanted else None
    page = _page(request, asked, counted)
    context = {
        "page": page,
        "asked": asked.values,
        "groups": trace_facets.groups(request, asked.values, asked.wanted, counted),
        "chosen": trace_facets.chosen(request, asked.values),
        "kept": [(name, asked.values[name]) for name in _KEPT if asked.values[name]],
        "counted": counted,
        "most_counted": trace_search.MOST_COUNTED,
        "clear_url": request.path if any(asked.values.values()) else "",
        "is_no_agent": asked.wanted is None,
        "near": [] if asked.wanted else _near(request, asked.values["agent"]),
        "any": bool(page.rows) or ExecutionTrace.objects.exists(),
        "may_propose": may(request, Role.REVIEWER),
    }
    return render(request, "traces.html", context)


def _asked(request: HttpRequest) -> Asked:
    values = trace_facets.sensible(asked_of(request, *NAMES))
    agent = Agent.objects.filter(agent_id=values["agent"]).first() if values["agent"] else None
    if values["agent"] and agent is None:
        return Asked(values, None, None)
    wanted = Wanted(
        agent=agent.pk if agent else None,
        words=values["q"],
        success=_yes_or_no(values["success"]),
        has_errors=_yes_or_no(values["errors"]),
        origin=values["origin"],
        values={name: values[name] for name in FACETS},
    )
    return Asked(values, agent, wanted)


def _near(request: HttpRequest, typed: str) -> list[tuple[str, str]]:
    """Return agents whose id or name holds what was typed, and the list of each one's traces."""
    alike = Q(agent_id__icontains=typed) | Q(name__icontains=typed)
    rows = Agent.objects.filter(alike).order_by("agent_id")
    names = rows.values_list("agent_id", flat=True)[:MOST_NEAR]
    return [(name, keyset.address(request, agent=name)) for name in names]


def _yes_or_no(value: str) -> bool | None:
    return {"yes": True, "no": False}.get(value)


def _page(
    request: HttpRequest, asked: Asked, counted: Counted | None
) -> keyset.Page[ExecutionTrace]:
    """Return a page of rows; the first one is led by the traces whose name was typed."""
    if asked.wanted is None or counted is None:
        return keyset.Page([], "", "")
    after, before = keyset.whole_number(request, "after"), keyset.whole_number(request, "before")
    if after is not None:
        keys = trace_search.ids_after(asked.wanted, after, PAGE)
    elif before is not None:
        keys = trace_search.ids_before(asked.wanted, before, PAGE)
    else:
        keys = counted.newest
    is_first = after is None and before is None
    shown = sorted(keys[: PAGE - 1], reverse=True)
    if not shown:
        return keyset.Page(
            _named(asked) if is_first else [], "" if is_first else keyset.address(request), ""
        )
    newer = len(keys) == PAGE if after is not None else before is not None
    older = after is not None or len(keys) == PAGE
    named = _named(asked) if is_first else []
    return keyset.Page(
        named + [row for row in _in_full(shown) if row not in named],
        keyset.address(request, after=shown[0]) if newer else "",
        keyset.address(request, before=shown[-1]) if older else "",
    )


def _listed() -> QuerySet[ExecutionTrace]:
    shown = ExecutionTrace.objects.select_related("agent").order_by("-pk")
    return shown.only(*LIST_FIELDS, "agent__agent_id", "agent__simulated")


def _in_full(keys: list[int]) -> list[ExecutionTrace]:
    return list(_listed().filter(pk__in=keys)) if keys else []


def _named(asked: Asked) -> list[ExecutionTrace]:
    """Return the traces whose id is exactly what was typed, whatever else is asked for."""
    if not asked.values["q"]:
        return []
    rows = _listed().filter(trace_id=asked.values["q"])
    return list((rows.filter(agent=asked.agent) if asked.agent else rows)[:MOST_NAMED])
