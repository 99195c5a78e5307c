"""Calls of language models as tables show them, and what was asked and answered in one."""

import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from django.db.models import Count, Q, QuerySet, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from ace_project.core.people import Role, needs
from evolution.ledger import NEVER_CAME
from evolution.models import CallState, EvolutionRun, LlmCall, LlmExchange

FIRST, NEWEST = 15, 50
MOST_OPEN = 50
MOST_LOST = 20
MOST_OF_RUN = 50
# A page shows this much of each text; what is longer is cut, and says so.
MOST_MESSAGES = 20
MOST_CHARS = 40_000
_PURPOSES = {"generate": "propose deltas", "repair": "repair an answer", "council": "judge"}
_ENDS = {
    "answered": ("good", "answered", "check"),
    "refused": ("warn", "refused", "alert-triangle"),
    "unsent": ("line", "not sent", "circle-minus"),
    "unknown": ("warn", "worst case", "alert-triangle"),
}


@dataclass(frozen=True, slots=True)
class CallRow:
    """One call with its words; `by_sweeper` tells that its process never came back."""

    call: LlmCall
    purpose: str
    kind: str
    word: str
    icon: str
    by_sweeper: bool
    has_texts: bool = False

    @property
    def is_open(self) -> bool:
        """Whether its answer has not come yet."""
        return self.call.state == CallState.RESERVED

    @property
    def host(self) -> str:
        """Where the model was asked, without the way there."""
        return urlsplit(self.call.endpoint).netloc or self.call.endpoint

    @property
    def is_unpriced(self) -> bool:
        """Whether it was answered by a model without a price."""
        return self.call.outcome == "answered" and self.call.cost_usd is None


@dataclass(frozen=True, slots=True)
class Bill:
    """What the calls of one run come to, in US dollars; `cost_usd` holds the priced ones."""

    calls: int
    unpriced: int
    worst_cases: int
    cost_usd: Decimal
    charged_usd: Decimal


def rows(calls: Iterable[LlmCall], texts: frozenset[uuid.UUID] = frozenset()) -> list[CallRow]:
    """Return calls with their words; `texts` names those whose texts are kept."""
    return [_row(call, call.pk in texts) for call in calls]


def _row(call: LlmCall, has_texts: bool) -> CallRow:
    kind, word, icon = _ENDS.get(call.outcome, ("live", "under way", "clock"))
    return CallRow(
        call=call,
        purpose=_PURPOSES.get(call.purpose, call.purpose),
        kind=kind,
        word=word,
        icon=icon,
        by_sweeper=_is_lost(call),
        has_texts=has_texts,
    )


def _is_lost(call: LlmCall) -> bool:
    return call.worst_case and call.error == NEVER_CAME


def _calls() -> QuerySet[LlmCall]:
    return LlmCall.objects.select_related("agent").order_by("-created_at", "-pk")


def newest(*, all_of_them: bool) -> list[CallRow]:
    """Return the newest calls of all agents, the first few or as many as are shown; one query."""
    return rows(_calls()[: NEWEST if all_of_them else FIRST])


def under_way() -> list[CallRow]:
    """Return the reservations whose answer has not come, those first that expire first."""
    return rows(_calls().filter(state=CallState.RESERVED).order_by("expires_at")[:MOST_OPEN])


def lost(since: datetime) -> list[CallRow]:
    """Return the newest calls since then that nobody knows the end of."""
    return rows(_calls().filter(created_at__gte=since, worst_case=True)[:MOST_LOST])


def swept(now: datetime) -> tuple[int, Decimal]:
    """Return how many calls of the last day the sweeper settled, and at how many US dollars."""
    found = LlmCall.objects.filter(
        created_at__gte=now - timedelta(days=1), worst_case=True, error=NEVER_CAME
    ).aggregate(n=Count("pk"), usd=Sum("charged_usd"))
    return found["n"], found["usd"] or Decimal(0)


def of_run(run: EvolutionRun) -> list[CallRow]:
    """Return the calls of a run, the first first, with whether their texts are kept."""
    found = list(_calls().filter(run=run).order_by("created_at", "pk")[:MOST_OF_RUN])
    kept = LlmExchange.objects.filter(call__in=found).values_list("call_id", flat=True)
    return rows(found, frozenset(kept)) if found else []


def bill(run_id: int | None) -> Bill:
    """Return what a run's calls come to; one query, none without a run."""
    nothing = Bill(0, 0, 0, Decimal(0), Decimal(0))
    return nothing if run_id is None else bills([run_id]).get(run_id, nothing)


def bills(run_ids: Collection[int]) -> dict[int, Bill]:
    """Return what the calls of each of these runs come to, of those that made any; one query."""
    found = LlmCall.objects.filter(run_id__in=run_ids).values("run_id").order_by()
    counted = found.annotate(
        calls=Count("pk"),
        unpriced=Count("pk", filter=Q(outcome="answered", cost_usd__isnull=True)),
        worst_cases=Count("pk", filter=Q(worst_case=True)),
        cost=Sum("cost_usd"),
        charged=Sum("charged_usd"),
    )
    return {
        row["run_id"]: Bill(
            calls=row["calls"],
            unpriced=row["unpriced"],
            worst_cases=row["worst_cases"],
            cost_usd=row["cost"] or Decimal(0),
            charged_usd=row["charged"] or Decimal(0),
        )
        for row in counted
    }


@needs(Role.VIEWER)
@require_safe
def call(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Show what was sent (redacted) and what came back; asked by htmx, the texts alone."""
    found = LlmCall.objects.select_related("agent", "run").filter(pk=pk).first()
    if found is None:
        raise Http404("there is no such call")
    kept = LlmExchange.objects.filter(call=found).first()
    context = {"row": _row(found, kept is not None), "call": found, **_texts(kept)}
    template = "parts/exchange.html" if "HX-Request" in request.headers else "call.html"
    response = render(request, template, context)
    patch_vary_headers(response, ["HX-Request"])
    return response


def _texts(kept: LlmExchange | None) -> dict[str, Any]:
    """Return the texts, of the messages only well-formed ones, each cut to a bounded length."""
    if kept is None:
        return {"messages_sent": [], "answer": None}
    sent = kept.messages if isinstance(kept.messages, list) else []
    return {
        "messages_sent": [
            {"role": str(m.get("role", ""))[:40], **_cut(str(m.get("content", "")))}
            for m in sent[:MOST_MESSAGES]
            if isinstance(m, dict)
        ],
        "answer": _cut(kept.answer),
    }


def _cut(text: str) -> dict[str, Any]:
    return {"text": text[:MOST_CHARS], "left_out": max(0, len(text) - MOST_CHARS)}
