"""The deltas ticked in the queue: what approving them would make, before anything is made."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from ace_project.console import live, waiting
from ace_project.console.decisions import MAX_BULK, ticked
from ace_project.console.proposal import headline
from ace_project.console.visitor import actor_of
from ace_project.core.people import Role, needs
from playbooks import services
from playbooks.selectors import deltas_for_lists
from playbooks.services import Foreseen, Prospect

MOST_NAMED = 3


@needs(Role.REVIEWER)
@require_safe
def selected(request: HttpRequest) -> HttpResponse:
    """Show what approving the ticked deltas would make; htmx asks for the sentence alone."""
    filters = waiting.read_filters(request.GET)
    pks = ticked(request.GET)[:MAX_BULK]
    rows = list(deltas_for_lists().filter(pk__in=pks).order_by("pk"))
    foreseen = services.foresee_approvals(deltas=rows, by=actor_of(request))
    count = sum(one.prospect is not Prospect.STAYS for one in foreseen)
    context: dict[str, Any] = {
        "foreseen": [(one, headline(one.delta)) for one in foreseen],
        "summary": summary(foreseen),
        "count": count,
        "queue_url": filters.address(),
    }
    return live.answer(request, "review_selected.html", "parts/selected.html", context)


def summary(foreseen: Sequence[Foreseen]) -> list[str]:
    """Return what is foreseen as short sentences: versions made, approvals kept, what stays."""
    made: dict[str, list[int]] = {}
    for one in foreseen:
        if one.prospect is Prospect.LIVE and one.version is not None:
            made.setdefault(one.delta.playbook.agent.agent_id, []).append(one.version)
    once = sum(one.prospect is Prospect.ONCE for one in foreseen)
    stays = sum(one.prospect is Prospect.STAYS for one in foreseen)
    named = [_versions(agent, numbers) for agent, numbers in list(made.items())[:MOST_NAMED]]
    if len(made) > MOST_NAMED:
        named.append(f"{len(made) - MOST_NAMED} more agents")
    told = [f"Makes {', '.join(named)}."] if named else []
    told += [f"{once} kept as 1 of 2 approvals."] if once else []
    told += (
        [f"{stays} {'stays' if stays == 1 else 'stay'} as {'it is' if stays == 1 else 'they are'}."]
        if stays
        else []
    )
    return told


def _versions(agent: str, numbers: list[int]) -> str:
    first, last = min(numbers), max(numbers)
    return f"{agent} v{first}" if first == last else f"{agent} v{first} to v{last}"
