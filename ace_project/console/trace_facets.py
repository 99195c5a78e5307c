"""The facets beside the list of traces: their values with counts, and what is chosen."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from django.http import HttpRequest

from evolution import terms
from evolution.models import Origin
from evolution.trace_search import Counted
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
    """One facet with its most frequent values."""

    name: str
    label: str
    options: list[Option] = field(default_factory=list)


def sensible(asked: dict[str, str]) -> dict[str, str]:
    """Return what is asked for, empty where a facet has no such value."""
    found = {name: v if v in _WORDS.get(name, {v: ""}) else "" for name, v in asked.items()}
    number = found["version"]
    is_number = number.isascii() and number.isdigit() and len(number) < 10
    return found | {"version": number if is_number else ""}


def groups(request: HttpRequest, asked: dict[str, str], counted: Counted | None) -> list[Group]:
    """Return the facets that tell the traces asked for apart; none where there are no traces."""
    if counted is None or not counted.total:
        return []
    names = _agents(counted)
    found = [
        _group(request, asked, "success", _states(counted, lambda s: "yes" if s[0] else "no")),
        _group(request, asked, "errors", _states(counted, lambda s: "yes" if s[1] else "no")),
        _group(request, asked, "error", counted.values.get(terms.ERROR, [])),
        _group(request, asked, "tool", counted.values.get(terms.TOOL, [])),
        _group(request, asked, "type", counted.values.get(terms.TYPE, [])),
        _group(request, asked, "agent", names),
        _group(request, asked, "origin", _states(counted, lambda s: s[2])),
    ]
    if len(names) == 1:
        # Everybody's third version is no group of anything.
        found.insert(5, _group(request, asked, "version", counted.values.get(terms.VERSION, [])))
    return [group for group in found if group.options]


def _agents(counted: Counted) -> list[tuple[str, int]]:
    keys = [key for key, _ in counted.agents]
    names = dict(Agent.objects.filter(pk__in=keys).values_list("pk", "agent_id"))
    return [(names[key], number) for key, number in counted.agents if key in names]


def _states(
    counted: Counted, part: Callable[[tuple[bool, bool, str]], str]
) -> list[tuple[str, int]]:
    found: Counter[str] = Counter()
    for term, number in counted.states:
        found[part(terms.read_state(term))] += number
    return found.most_common()


def _group(
    request: HttpRequest, asked: dict[str, str], name: str, values: Iterable[tuple[str, int]]
) -> Group:
    counts = list(values)
    most = max((number for _, number in counts), default=1)
    options = [
        Option(
            text=text_of(name, value),
            count=number,
            url=_address(request, name, "" if asked[name] == value else value),
            is_chosen=asked[name] == value,
            bar=max(1, round(BAR * number / most)),
        )
        for value, number in counts
    ]
    # The traces that called a chosen tool called others, too.
    options.sort(key=lambda option: not option.is_chosen)
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
