"""Connecting an agent: a token, the two calls to copy, and the first trace as it lands."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from ace_project.console import live, refusals, scopes, visitor
from ace_project.console.snippets import snippets
from ace_project.console.tokens import Issued, agent_context, issue
from ace_project.core.models import ApiToken
from ace_project.core.people import Role, needs
from evolution import services
from evolution.models import ExecutionTrace, Origin
from evolution.pauses import is_paused
from evolution.selectors import next_run
from playbooks import selectors
from playbooks.models import Agent

EVERY_SECONDS = 2
_SHOWN = ("trace_id", "success", "step_count", "origin", "captured_at", "received_at")


@dataclass(frozen=True, slots=True)
class Connection:
    """How far an agent has come: its live tokens, their last use, its first and its test trace."""

    tokens: int
    used_at: datetime | None
    test: ExecutionTrace | None
    first: ExecutionTrace | None

    @property
    def is_done(self) -> bool:
        """Whether the agent itself has sent a trace."""
        return self.first is not None


def connection_of(agent: Agent) -> Connection:
    """Return how far an agent has come, in three queries."""
    now = timezone.now()
    live_tokens = ApiToken.objects.filter(
        agent_id=agent.agent_id, revoked_at=None, expires_at__gt=now
    )
    uses = list(live_tokens.values_list("last_used_at", flat=True)[:100])
    rows = ExecutionTrace.objects.filter(agent=agent).only(*_SHOWN)
    return Connection(
        tokens=len(uses),
        used_at=max((used for used in uses if used), default=None),
        test=rows.filter(origin=Origin.TEST).order_by("-id").first(),
        first=rows.exclude(origin=Origin.TEST).order_by("id").first(),
    )


@needs(Role.VIEWER)
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def connect(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Show how to connect an agent; a POST issues a token, which stands in this one answer."""
    with refusals.missing_is_404():
        agent = selectors.agent_by_id(agent_id)
    issued = issue(request, agent_id) if request.method == "POST" else None
    if request.method == "POST" and issued is None:
        return redirect("console:connect", agent_id)
    context = _context(request, agent, issued)
    return live.answer(request, "connect.html", "parts/first_trace.html", context)


def _context(request: HttpRequest, agent: Agent, issued: Issued | None) -> dict[str, Any]:
    found = connection_of(agent)
    if live.is_asked_for_part(request):
        return {"agent": agent, **_first_trace(found)}
    url = request.build_absolute_uri("/").rstrip("/")
    return {
        **agent_context(agent, "connect"),
        **_first_trace(found),
        "next_run": next_run(agent),
        "is_paused": is_paused(agent),
        "issued": issued,
        "scopes": scopes.choices(),
        "url": url,
        "code": snippets(url, agent.agent_id, issued.text if issued else ""),
    }


def _first_trace(found: Connection) -> dict[str, Any]:
    return {"found": found, "every": 0 if found.is_done else EVERY_SECONDS}


@needs(Role.OPERATOR)
@require_POST
def test_trace(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Send a test trace in the agent's name, over the way that its own take."""
    with refusals.missing_is_404():
        agent = selectors.agent_by_id(agent_id)
        sent = services.record_test_trace(agent=agent, by=visitor.actor_of(request))
    if live.is_asked_for_part(request):
        # A page that was left would lose the token that it shows.
        part = "parts/first_trace.html"
        return live.answer(request, part, part, _context(request, agent, None))
    messages.success(request, f"Test trace {sent.trace_id} is recorded.")
    return redirect("console:connect", agent_id)
