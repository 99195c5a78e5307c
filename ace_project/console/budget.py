"""Budget and quality: what models cost, how far the money goes, and what was got for it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from ace_project.console import calls, keyset, live, refusals, spend
from ace_project.console.decisions import reason_of
from ace_project.console.quality import quality_figures
from ace_project.console.templatetags import figures
from ace_project.console.visitor import actor_of
from ace_project.core.errors import InvalidInput
from ace_project.core.people import Role, needs
from evolution import budgets, services, spending
from evolution.llm import breaker, gateway
from evolution.models import BudgetEvent, CircuitBreaker, EvolutionRun
from evolution.spending import Calls, Line, Overview
from playbooks.models import Agent, Waiver

SHOWN_AGENTS = 25
SHOWN_MODELS = 25
SHOWN_RUNS = 10
SHOWN_EVENTS = 12
SHOWN_BREAKERS = 50
SHOWN_WAIVERS = 50
ALL = "all agents"
REFRESH_SECONDS = 10


@dataclass(frozen=True, slots=True)
class AgentLine:
    """One agent's money and calls in the month; `calls` is None while none has ended."""

    line: Line
    calls: Calls | None
    simulated: bool


@dataclass(frozen=True, slots=True)
class BreakerLine:
    """One breaker: its state, and when the next probe may go where it is open."""

    endpoint: str
    model: str
    state: str
    failures: int = 0
    opened_at: datetime | None = None
    probe_at: datetime | None = None
    probing_until: datetime | None = None
    last_error: str = ""


@needs(Role.VIEWER)
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Show the money of this month, its newest calls, the breakers and the quality figures."""
    now = timezone.now()
    found = spending.overview(now=now)
    newest = calls.newest(all_of_them="calls" in request.GET)
    month = _month(found, now)
    agents = _agents(found.agents[:SHOWN_AGENTS], now)
    context = {
        "now": now,
        "month": month,
        "heading": month.heading if newest else "No model calls yet",
        "has_calls": bool(newest),
        "is_configured": gateway.is_configured(),
        "money": found,
        "agents": agents,
        "more_agents": len(found.agents) - len(agents),
        "models": found.models[:SHOWN_MODELS],
        "runs": _runs(found.runs[:SHOWN_RUNS]),
        "events": _events(found.events, agents),
        "newest": newest,
        "more_calls": calls.NEWEST if len(newest) == calls.FIRST else 0,
        "open": calls.under_way() if found.open_calls else [],
        "lost": calls.lost(spend.month_start(now)) if found.worst_cases else [],
        "breakers": _breakers(found),
        "waivers": _waivers(now),
        **_raising(request, [month.total, *found.agents]),
        "quality": quality_figures(request, now),
        # Without a model and without calls no figure here can change.
        "refresh": REFRESH_SECONDS if newest or gateway.is_configured() else 0,
    }
    return live.answer(request, "budget.html", "parts/budget_live.html", context)


def _month(found: Overview, now: datetime) -> spend.Month:
    return spend.Month(
        now=now,
        total=found.total,
        days=found.days,
        forecast=found.forecast,
        ended_calls=sum(line.answered + line.failed for line in found.models),
        unpriced_calls=found.unpriced_calls,
        projection=spend.projected(found.total, found.days, found.forecast, now),
    )


def _agents(lines: list[Line], now: datetime) -> list[AgentLine]:
    numbers = {line.scope: _number(line.scope) for line in lines}
    sums = spending.calls_of_agents(numbers.values(), now=now) if lines else {}
    pks = list(numbers.values())
    rows = Agent.objects.filter(pk__in=pks, simulated=True) if pks else Agent.objects.none()
    simulated = set(rows.values_list("pk", flat=True))
    return [
        AgentLine(line, sums.get(numbers[line.scope]), numbers[line.scope] in simulated)
        for line in lines
    ]


def _number(scope: str) -> int:
    return int(scope.rpartition(":")[2])


def _runs(lines: list[Line]) -> list[tuple[Line, EvolutionRun | None]]:
    """Return the budgets of runs with their run, None where it was erased with its agent."""
    pks = [_number(line.scope) for line in lines]
    rows = EvolutionRun.objects.select_related("agent").only("agent__agent_id", "status", "reason")
    runs = rows.in_bulk(pks) if pks else {}
    return [(line, runs.get(_number(line.scope))) for line in lines]


def _events(events: list[BudgetEvent], agents: list[AgentLine]) -> list[tuple[BudgetEvent, str]]:
    """Return the newest thresholds passed with whose they are; a run's stay with the run."""
    names = {row.line.scope: row.line.agent_id for row in agents}
    months = [event for event in events if event.period]
    return [(event, _whose(event.scope, names)) for event in months[:SHOWN_EVENTS]]


def _whose(scope: str, names: Mapping[str, str | None]) -> str:
    if scope == budgets.GLOBAL:
        return ALL
    return names.get(scope) or f"agent number {_number(scope)}"


def _breakers(found: Overview) -> list[BreakerLine]:
    """Return every breaker that counted a failure, open ones first, then models without one."""
    states = breaker.states()
    rows = CircuitBreaker.objects.order_by("opened_at", "endpoint", "model")[:SHOWN_BREAKERS]
    wait = timedelta(seconds=settings.ACE_CB_RECOVERY_TIMEOUT)
    lines = [
        BreakerLine(
            endpoint=row.endpoint,
            model=row.model,
            state=states.get((row.endpoint, row.model), "closed"),
            failures=row.failures,
            opened_at=row.opened_at,
            probe_at=row.opened_at + wait if row.opened_at else None,
            probing_until=row.probe_until,
            last_error=row.last_error[:300],
        )
        for row in rows
    ]
    known = {(line.endpoint, line.model) for line in lines}
    used: Iterable[tuple[str, str]] = ((m.endpoint, m.model) for m in found.models)
    return [*lines, *(BreakerLine(*pair, "closed") for pair in used if pair not in known)]


def _waivers(now: datetime) -> list[Waiver]:
    rows = Waiver.objects.filter(ended_at=None, expires_at__gt=now)
    return list(rows.select_related("agent", "delta").order_by("expires_at")[:SHOWN_WAIVERS])


def _raising(request: HttpRequest, lines: list[Line]) -> dict[str, Any]:
    """Return the choices of the form; `?raise=` opens it with one of them chosen."""
    scopes = [
        (line.scope, line.agent_id or ALL, figures.brief_usd(line.limit_usd))
        for line in lines
        if line.agent_id or line.scope == budgets.GLOBAL
    ]
    asked = request.GET.get("raise", "")
    known = any(scope == asked for scope, _, _ in scopes)
    return {"raisable": scopes, "raise_scope": asked if known else "", "raise_open": bool(asked)}


@needs(Role.OPERATOR)
@require_POST
def raise_limit(request: HttpRequest) -> HttpResponse:
    """Add to the limit of all agents or of one, for this month alone."""
    with refusals.shown(request):
        scope, usd = request.POST.get("scope", ""), _amount(request.POST.get("usd", ""))
        period = budgets.period_of(timezone.now())
        names = _names(scope)
        services.raise_limit(
            scope=scope,
            period=period,
            usd=usd,
            by=actor_of(request),
            reason=reason_of(request.POST),
        )
        line = spending.lines_of([scope], now=timezone.now())[scope]
        did = f"raised by {figures.usd(usd)}" if usd > 0 else f"lowered by {figures.usd(-usd)}"
        text = f"The limit of {_whose(scope, names)} is {did} for this month"
        messages.success(request, f"{text}: it is {figures.usd(line.limit_usd)} now.")
    return redirect("console:budget")


def _names(scope: str) -> dict[str, str | None]:
    """Return the name of the agent that a scope is of; raises InvalidInput for any other scope."""
    if scope == budgets.GLOBAL:
        return {}
    number = scope.removeprefix(budgets.AGENT)
    if not keyset.is_key(number) or not scope.startswith(budgets.AGENT):
        raise InvalidInput("choose all agents, or one of them")
    agent = Agent.objects.filter(pk=int(number)).first()
    if agent is None:
        raise InvalidInput("there is no such agent any more")
    return {scope: agent.agent_id}


def _amount(raw: str) -> Decimal:
    try:
        return Decimal(raw.strip().removeprefix("$"))
    except InvalidOperation as error:
        raise InvalidInput("an amount in US dollars is a number, as 25 or 12.50") from error
