"""What needs a person because of money or models: limits, open breakers, calls that were lost."""

import re
from datetime import datetime

from django.urls import reverse

from ace_project.console import calls
from ace_project.console.items import Action, Item
from ace_project.console.templatetags import figures
from evolution import budgets, spending
from evolution.models import BudgetEvent, CircuitBreaker, EvolutionRun
from evolution.spending import Line
from playbooks.models import Agent

BUDGET_EXCEEDED = "budget_exceeded"
# From this threshold (per cent) on a budget needs a look; at the last one nothing is called.
WORRYING, USED_UP = 75, 100
SHOWN_BUDGETS = 4
SHOWN_BREAKERS = 3
BREAKER = "Breaker"
_LOOKED_AT = 60
# How evolution.ledger.BudgetExceeded begins; a month's scope has its month behind it.
_NAMED_SCOPE = re.compile(r"the budget of (global|agent:\d+|run:\d+)\b")


def money_items(now: datetime) -> list[Item]:
    """Return the lines about budgets, breakers and lost calls, in at most five queries."""
    return [*_budgets(now), *_breakers(), *_lost(now)]


def raise_url(scope: str) -> str:
    """Return the address of the form that raises a scope's limit."""
    return f"{reverse('console:budget')}?raise={scope}"


def exceeded_scope(run: EvolutionRun) -> str:
    """Return the scope whose limit ended a run, empty where its error does not say."""
    named = _NAMED_SCOPE.match(run.error)
    return named[1] if named else ""


def exceeded_words(run: EvolutionRun) -> str:
    """Return why the budget ended a run, the scope in words."""
    scope = exceeded_scope(run)
    whose = {budgets.GLOBAL: "all agents", f"{budgets.AGENT}{run.agent_id}": str(run.agent)}
    named = whose.get(scope, "the run") if scope else ""
    return run.error.replace(scope, named, 1) if scope else run.error


def raise_action(run: EvolutionRun) -> list[Action]:
    """Return the action that makes room for a run of its kind, if a monthly limit ended it."""
    scope = exceeded_scope(run)
    if not scope or scope.startswith(budgets.RUN):
        return []
    return [Action("Raise the limit…", raise_url(scope))]


def _budgets(now: datetime) -> list[Item]:
    """Return the budgets that passed a threshold and still stand above it, the newest first."""
    events = BudgetEvent.objects.filter(period=budgets.period_of(now), threshold__gte=WORRYING)
    passed: dict[str, int] = {}
    for event in events[:_LOOKED_AT]:
        passed[event.scope] = max(event.threshold, passed.get(event.scope, 0))
    lines = spending.lines_of(passed, now=now) if passed else {}
    # A limit raised since then may have put it right.
    still = [line for scope, line in lines.items() if _stands(line, passed[scope])]
    names = [line.agent_id for line in still if line.agent_id]
    rows = Agent.objects.filter(agent_id__in=names, simulated=True) if names else []
    simulated = {agent.agent_id for agent in rows}
    shown = still[:SHOWN_BUDGETS]
    return [_budget(line, passed[line.scope], line.agent_id in simulated) for line in shown]


def _stands(line: Line, threshold: int) -> bool:
    """Return whether a budget is above the threshold that it passed; an erased agent's is not."""
    is_known = line.agent_id is not None or line.scope == budgets.GLOBAL
    return is_known and line.spent_usd * 100 >= line.limit_usd * threshold


def _budget(line: Line, threshold: int, simulated: bool) -> Item:
    whose = "All agents together have" if line.scope == budgets.GLOBAL else f"{line.agent_id} has"
    used_up = threshold >= USED_UP
    title = f"{whose} used up" if used_up else f"{whose} passed {threshold} % of"
    money = f"{figures.usd(line.spent_usd)} of {figures.dollars(line.limit_usd)} this month."
    url = reverse("console:budget")
    return Item(
        "red" if used_up else "warn",
        "coin",
        "Red" if used_up else "Budget",
        f"{title} the budget",
        url,
        f"{money} {'No model is called' if used_up else 'Nothing is spent past the limit'}.",
        (Action("See the money", url), Action("Raise the limit…", raise_url(line.scope))),
        simulated,
    )


def _breakers() -> list[Item]:
    rows = CircuitBreaker.objects.filter(opened_at__isnull=False).order_by("-opened_at")
    url = f"{reverse('console:budget')}#breakers"
    return [
        Item(
            "warn",
            "alert-triangle",
            BREAKER,
            f"{row.model} is not asked: {row.failures} {_failures(row.failures)} in a row",
            url,
            f"{row.last_error[:160]}. Another model is asked, or none. The breaker opened",
            (Action("See the breakers", url),),
            since=row.opened_at,
        )
        for row in rows[:SHOWN_BREAKERS]
    ]


def _failures(count: int) -> str:
    return "failure" if count == 1 else "failures"


def _lost(now: datetime) -> list[Item]:
    count, usd = calls.swept(now)
    if not count:
        return []
    word = "call was" if count == 1 else "calls were"
    url = f"{reverse('console:budget')}#lost"
    text = "Their processes ended before the answer came; they count as what was reserved:"
    return [
        Item(
            "warn",
            "alert-triangle",
            "Worst case",
            f"{count} {word} settled at the worst case in 24 h",
            url,
            f"{text} {figures.usd(usd)}.",
            (Action("See them", url),),
        )
    ]
