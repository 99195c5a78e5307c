"""Lists of tokens: filtered, the newest first, paged by the moment they were issued."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from ace_project.console import keyset
from ace_project.console.asked import asked as asked_of
from ace_project.console.scopes import ALLOWS
from ace_project.core.models import ApiToken
from playbooks.models import Agent

STATES = {
    "live": "Live",
    "unused": "Live, never used",
    "expired": "Expired",
    "revoked": "Revoked",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One token as a list shows it; `has_agent` says whether its agent exists (yet)."""

    token: ApiToken
    state: str
    allows: Sequence[tuple[str, str]]
    has_agent: bool


def context(request: HttpRequest, rows: QuerySet[ApiToken], of_one: bool = False) -> dict[str, Any]:
    """Return what parts/token_table.html and parts/filters.html show, of one agent or of all."""
    now = timezone.now()
    asked = asked_of(request, "state", "q")
    page, older_url = _page(request, _narrowed(rows, asked, now))
    names = {token.agent_id for token in page if token.agent_id}
    agents = set(Agent.objects.filter(agent_id__in=names).values_list("agent_id", flat=True))
    return {
        "rows": [_row(token, now, agents) for token in page],
        "right_now": now,
        "filters": _fields(asked, of_one),
        "clear_url": request.path if any(asked.values()) else "",
        "newest_url": keyset.address(request) if request.GET.get("before") else "",
        "older_url": older_url,
    }


def state_of(token: ApiToken, now: datetime) -> str:
    """Return live, expired or revoked."""
    if token.revoked_at:
        return "revoked"
    return "expired" if token.expires_at <= now else "live"


def _row(token: ApiToken, now: datetime, agents: set[str]) -> Row:
    allows = [(scope, ALLOWS.get(scope, "")) for scope in token.scopes]
    return Row(token, state_of(token, now), allows, token.agent_id in agents)


def _narrowed(rows: QuerySet[ApiToken], asked: dict[str, str], now: datetime) -> QuerySet[ApiToken]:
    live = Q(revoked_at=None, expires_at__gt=now)
    wanted = {
        "live": live,
        "unused": live & Q(last_used_at=None),
        "expired": Q(revoked_at=None, expires_at__lte=now),
        "revoked": Q(revoked_at__isnull=False),
    }
    if asked["state"] in wanted:
        rows = rows.filter(wanted[asked["state"]])
    if asked["q"]:
        rows = rows.filter(Q(agent_id__icontains=asked["q"]) | Q(name__icontains=asked["q"]))
    return rows


def _fields(asked: dict[str, str], of_one: bool) -> list[dict[str, Any]]:
    return [
        {
            "name": "state",
            "label": "State",
            "value": asked["state"],
            "options": [("", "Any state"), *STATES.items()],
        },
        {"name": "q", "label": "Name" if of_one else "Agent or name", "value": asked["q"]},
    ]


def _page(request: HttpRequest, rows: QuerySet[ApiToken]) -> tuple[list[ApiToken], str]:
    """Return the tokens of a page and the address of the older ones, empty at the end."""
    place = _place(request.GET.get("before", ""))
    if place:
        moment, jti = place
        rows = rows.filter(Q(created_at__lt=moment) | Q(created_at=moment, jti__lt=jti))
    found = list(rows.order_by("-created_at", "-jti")[: keyset.PAGE_SIZE + 1])
    shown = found[: keyset.PAGE_SIZE]
    if len(found) == len(shown):
        return shown, ""
    last = shown[-1]
    return shown, keyset.address(request, before=f"{last.created_at.isoformat()}_{last.jti}")


def _place(raw: str) -> tuple[datetime, UUID] | None:
    """Read a place in the list, None where it is none."""
    moment, _, jti = raw.partition("_")
    try:
        found = parse_datetime(moment)
        return (found, UUID(jti)) if found and found.tzinfo else None
    except ValueError:
        return None
