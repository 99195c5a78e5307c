"""The overview: whether anything needs a person, and if nothing does, that one may leave."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from ace_project.console import guided, live
from ace_project.console.attention import CONFLICT, attention
from ace_project.console.first_steps import FirstSteps, first_steps
from ace_project.console.items import Item
from ace_project.console.keyset import whole_number
from ace_project.console.machinery import machinery
from ace_project.console.money_items import BREAKER, SHOWN_BREAKERS
from ace_project.console.proposal import headline
from ace_project.console.spend import month
from ace_project.console.visitor import actor_of, may
from ace_project.core.people import Role, needs
from evolution.figures import success_between, success_by_hour
from evolution.intervals import Difference, Share, newcombe
from evolution.llm import gateway
from evolution.selectors import has_learned
from playbooks.models import WAITING, Agent, Delta
from playbooks.selectors import deltas_for_lists, setting

DAY = timedelta(hours=24)
# Agents whose playbook changed last: those that are compared, and those that are listed.
LOOKED_AT = 50
SHOWN_AGENTS = 12
SHOWN_DECISIONS = 8
_NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")


@dataclass(frozen=True, slots=True)
class AgentRow:
    """One agent: its success over the last day against the day before."""

    agent: Agent
    threshold: float
    now: Share
    before: Share
    waiting: int
    # Traces that start its first run; None once a run has learned from it.
    needed: int | None

    @property
    def step(self) -> Difference | None:
        """The change from the day before, None where one of them has no traces."""
        return newcombe(self.now, self.before)


@require_safe
@needs(Role.VIEWER)
def overview(request: HttpRequest) -> HttpResponse:
    """Show the page; asked by htmx, the part that moves, or of a lesson the first-run card."""
    lesson = whole_number(request, "lesson")
    if lesson and live.is_asked_for_part(request):
        return guided.card(request, lesson)
    context = _context(request, lesson)
    return live.answer(request, "overview.html", "parts/overview_live.html", context)


def _context(request: HttpRequest, lesson: int | None) -> dict[str, Any]:
    now = timezone.now()
    state = machinery()
    rows = Agent.objects.annotate(learned=has_learned()).select_related("playbook")
    changed = rows.order_by("-playbook__updated_at")
    agents = list(changed[:LOOKED_AT])
    is_new = guided.is_new()
    guide = guided.guide(request, lesson) if is_new or lesson else None
    steps = first_steps() if is_new else None
    decides, me = may(request, Role.REVIEWER), str(actor_of(request))
    items, waiting = attention(now, state, agents, author=me, revises=decides), _waiting()
    today, yesterday = success_between(now - DAY, now), success_between(now - 2 * DAY, now - DAY)
    return {
        "now": now,
        "is_new": is_new,
        "guide": guide,
        "steps": steps,
        "heading": _heading(items, waiting["all"], steps, is_guided=bool(guide and is_new)),
        "items": items,
        "waiting": waiting,
        "success": _success(today, yesterday, now),
        "state": state,
        "open_breakers": sum(item.mark == BREAKER for item in items),
        "most_breakers": SHOWN_BREAKERS,
        "month": month(now),
        "is_configured": gateway.is_configured(),
        "agents": _agents(agents[:SHOWN_AGENTS], today, yesterday),
        "agent_count": Agent.objects.count(),
        "traces_today": sum(share.runs for share in today.values()),
        "decided": _decided(now),
        "may_decide": decides,
    }


def _heading(
    items: list[Item], waiting: int, steps: FirstSteps | None, *, is_guided: bool = False
) -> str:
    """Return the answer: what is red, and how many deltas wait; to a newcomer, what comes next."""
    red = sum(item.tone == "red" for item in items)
    if is_guided and not red:
        return "Teach a simulated agent, then connect your own"
    if steps and not red and not waiting:
        return steps.heading
    parts = []
    if red:
        parts.append(f"{_number(red)} {'thing is' if red == 1 else 'things are'} red")
    if waiting:
        word = "delta is" if waiting == 1 else "deltas are"
        parts.append(f"{_number(waiting)} {word} waiting")
    # Conflicts are among the deltas that wait.
    worth = sum(item.tone == "warn" and item.mark != CONFLICT for item in items)
    if worth:
        parts.append(f"{_number(worth)} {'thing needs' if worth == 1 else 'things need'} a look")
    if not parts:
        return "Nothing needs you"
    return ", ".join([parts[0], *(part[0].lower() + part[1:] for part in parts[1:])])


def _number(count: int) -> str:
    return _NUMBERS[count] if count < len(_NUMBERS) else f"{count:,}"


def _waiting() -> dict[str, Any]:
    """Return the counts of the first tile; in three queries that read indexes alone."""
    rows = Delta.objects.filter(status__in=WAITING)
    held = {row["status"]: row for row in _by_status(rows)}
    ready, conflict = (held.get(status, {}) for status in WAITING)
    # No row has the key 0.
    first: int = min((row["first"] for row in held.values()), default=0)
    oldest = Delta.objects.filter(pk=first).values_list("created_at", flat=True)
    return {
        "all": sum(row["n"] for row in held.values()),
        "ready": ready.get("n", 0),
        "conflict": conflict.get("n", 0),
        "simulated": rows.filter(playbook__agent__simulated=True).count(),
        "oldest": oldest.first(),
    }


def _by_status(rows: QuerySet[Delta]) -> Any:
    return rows.order_by().values("status").annotate(n=Count("pk"), first=Min("pk"))


def _success(today: dict[int, Share], yesterday: dict[int, Share], now: datetime) -> dict[str, Any]:
    """Return the success of all real agents; what is simulated stays out."""
    simulated = set(Agent.objects.filter(simulated=True).values_list("pk", flat=True))
    share = sum((s for pk, s in today.items() if pk not in simulated), Share())
    before = sum((s for pk, s in yesterday.items() if pk not in simulated), Share())
    if not share.runs:
        return {"share": share, "step": None, "hours": [], "hours_before": []}
    start = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=47)
    hours = [hour.value for hour in success_by_hour(start, 48)]
    whole = None not in hours
    return {
        "share": share,
        "of": f"{share.successes:,} of {share.runs:,}",
        "step": newcombe(share, before),
        # A line over hours without traces would be invented.
        "hours": hours[24:] if None not in hours[24:] else [],
        "hours_before": hours[:24] if whole else [],
    }


def _agents(
    agents: list[Any], today: dict[int, Share], yesterday: dict[int, Share]
) -> list[AgentRow]:
    rows = Delta.objects.filter(status__in=WAITING, playbook__agent__in=agents).order_by()
    waiting = dict(rows.values_list("playbook__agent_id").annotate(Count("pk")))
    return [
        AgentRow(
            agent=agent,
            threshold=float(setting(agent, "ACE_CONFIDENCE_THRESHOLD")),
            now=today.get(agent.pk, Share()),
            before=yesterday.get(agent.pk, Share()),
            waiting=waiting.get(agent.pk, 0),
            needed=None if agent.learned else int(setting(agent, "ACE_MIN_TRACES_FOR_EVOLUTION")),
        )
        for agent in agents
    ]


def _decided(now: datetime) -> list[dict[str, Any]]:
    """Return the decisions of the day (UTC), the newest first."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    rows = deltas_for_lists().filter(decided_at__gte=midnight).order_by("-decided_at")
    return [{"delta": row, "title": headline(row)} for row in rows[:SHOWN_DECISIONS]]
