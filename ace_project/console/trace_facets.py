"""The facets beside the list of traces: their values with counts, and what is chosen."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from django.http import HttpRequest

from evolution import terms, trace_search
from evolution.models import Origin
from evolution.trace_search import Counted, Wanted
from playbooks.models import Agent

_LABELS = {
    "agent": "Agent",
    "success": "Outcome",
    "errors": "Errors",
    "error": "First error",
    "tool": "Tool",
    "type": "Task type",
    "version": "Playbook version",
    "origin": "Origin",
    "task": "Task",
    "group": "Task group",
    "q": "Words",
}
_WORDS = {
    "success": {"yes": "Succeeded", "no": "Failed"},
    "errors": {"yes": "With errors", "no": "Without errors"},
    "origin": {name: str(label) for name, label in Origin.choices},
}
State = tuple[bool, bool, str]
# What of a trace's one state each of these facets is.
_STATES: dict[str, Callable[[State], str]] = {
    "success": lambda state: "yes" if state[0] else "no",
    "errors": lambda state: "yes" if state[1] else "no",
    "origin": lambda state: state[2],
}
# The facets in the order they are shown, each with the letter of the terms it is counted by.
_KINDS = {
    "success": terms.STATE,
    "errors": terms.STATE,
    "error": terms.ERROR,
    "tool": terms.TOOL,
    "type": terms.TYPE,
    "version": terms.VERSION,
    "agent": "",
    "origin": terms.STATE,
}
# What Wanted calls one otherwise than the address does.
_FIELDS = {"errors": "has_errors"}
# How long the bar of the most frequent value is drawn.
BAR = 100


@dataclass(frozen=True, slots=True)
class Option:
    """A value to choose, or, where it is chosen, to let go of."""

    text: str
    count: int
    url: str
    is_chosen: bool
    bar: int


@dataclass(frozen=True, slots=True)
class Group:
    """One facet with its most frequent values, counted in so many of the newest traces; 0: all."""

    name: str
    label: str
    options: list[Option] = field(default_factory=list)
    newest: int = 0


def sensible(asked: dict[str, str]) -> dict[str, str]:
    """Return what is asked for, empty where a facet has no such value."""
    found = {name: v if v in _WORDS.get(name, {v: ""}) else "" for name, v in asked.items()}
    number = found["version"]
    is_number = number.isascii() and number.isdigit() and len(number) < 10
    return found | {"version": number if is_number else ""}


def groups(
    request: HttpRequest, asked: dict[str, str], wanted: Wanted | None, counted: Counted | None
) -> list[Group]:
    """Return the facets that tell the traces asked for apart.

    A facet that is chosen is counted among the traces that all the others choose, by a statement
    of its own: so its other values can be had with one click, also where nothing fits all.
    """
    if wanted is None or counted is None:
        return []
    found = []
    for name in _KINDS:
        # Everybody's third version is no group of anything.
        if name == "version" and len(counted.agents) != 1:
            continue
        if asked[name]:
            found.append(_chosen_group(request, asked, name, wanted, counted))
        else:
            found.append(_group(request, asked, name, _values(name, counted)))
    return [group for group in found if group.options]


def _chosen_group(
    request: HttpRequest, asked: dict[str, str], name: str, wanted: Wanted, counted: Counted
) -> Group:
    without = wanted.without(_FIELDS.get(name, name))
    others = trace_search.count(
        without, kinds=_KINDS[name], top=counted.top, most=trace_search.MOST_WITHOUT
    )
    counts = dict(_values(name, others))
    if not counts:
        return Group(name, _LABELS[name])
    # Among the newest that are counted may be fewer with the value chosen, or none.
    counts[asked[name]] = counted.total
    group = _group(request, asked, name, counts.items())
    return replace(group, newest=0 if others.is_all else others.most)


def _values(name: str, counted: Counted) -> list[tuple[str, int]]:
    """Return the values of a facet with their counts."""
    if name == "agent":
        return _agents(counted)
    if name in _STATES:
        return _states(counted, _STATES[name])
    return counted.values.get(_KINDS[name], [])


def _agents(counted: Counted) -> list[tuple[str, int]]:
    keys = [key for key, _ in counted.agents]
    names = dict(Agent.objects.filter(pk__in=keys).values_list("pk", "agent_id"))
    return [(names[key], number) for key, number in counted.agents if key in names]


def _states(counted: Counted, part: Callable[[State], str]) -> list[tuple[str, int]]:
    found: Counter[str] = Counter()
    for term, number in counted.states:
        found[part(terms.read_state(term))] += number
    return found.most_common()


def _group(
    request: HttpRequest, asked: dict[str, str], name: str, values: Iterable[tuple[str, int]]
) -> Group:
    counts = sorted(values, key=lambda item: -item[1])
    most = max((number for _, number in counts), default=0) or 1
    options = [
        Option(
            text=text_of(name, value),
            count=number,
            url=_address(request, name, "" if asked[name] == value else value),
            is_chosen=asked[name] == value,
            bar=max(1, round(BAR * number / most)) if number else 0,
        )
        for value, number in counts
    ]
    return Group(name, _LABELS[name], options)


def chosen(request: HttpRequest, asked: dict[str, str]) -> list[tuple[str, str, str]]:
    """Return what is asked for: the facet's label, the value, and the address without it."""
    return [
        (_LABELS[name], text_of(name, value), _address(request, name, ""))
        for name, value in asked.items()
        if value
    ]


def text_of(name: str, value: str) -> str:
    """Return a facet's value as it is read."""
    return f"v{value}" if name == "version" else _WORDS.get(name, {}).get(value, value)


def _address(request: HttpRequest, name: str, value: str) -> str:
    """Return this list with one facet changed, from its first page on."""
    query = request.GET.copy()
    for key in ("before", "after", name):
        query.pop(key, None)
    if value:
        query[name] = value
    return f"?{query.urlencode()}" if query else request.path
