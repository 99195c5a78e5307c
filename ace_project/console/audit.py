"""The audit log: searchable by who, what, when and words, and verifiable link by link."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_POST, require_safe

from ace_project.console import keyset, visitor
from ace_project.console.audit_filters import SYSTEM, AuditFilters, chain_named, read_filters
from ace_project.console.audit_words import entries_of
from ace_project.core.people import Role, needs
from playbooks import audit as chains
from playbooks import selectors, services
from playbooks.models import Agent, AuditEvent, Verification, VerificationStatus


@needs(Role.VIEWER)
@require_safe
def log(request: HttpRequest) -> HttpResponse:
    """List events, newest first, as the address asks; asked by htmx, the verification alone."""
    filters = read_filters(request)
    context: dict[str, Any] = {
        "filters_asked": filters,
        "verification": verification_of(chain_named(filters.chain)),
        "chain": filters.chain,
        "export_query": filters.query(),
    }
    if "HX-Request" in request.headers:
        response = render(request, "parts/verification.html", context)
    else:
        page = keyset.keyset_page(request, filters.events())
        context |= {
            "page": page,
            "entries": entries_of(page.rows),
            "filters": filters.fields(chains.event_names()),
            "clear_url": request.path if filters.query() else "",
        }
        response = render(request, "audit.html", context)
    patch_vary_headers(response, ["HX-Request"])
    return response


def verification_of(chain: str | None) -> dict[str, Any]:
    """Return the newest verification that covers a chain, as parts/verification.html shows it."""
    row = selectors.latest_verification(chain)
    return {
        "row": row,
        "runs": bool(row and row.status == VerificationStatus.RUNNING),
        "url": f"{reverse('console:audit')}{_query(row.chain if row else chain)}",
    }


def chain_state(agent_id: str) -> dict[str, Any]:
    """Return what the newest verification says of an agent's chains; `problem` is its own."""
    state = verification_of(agent_id)
    row = state["row"]
    problems = [p for p in (row.problems if row else []) if p["chain"] == agent_id]
    said = "; ".join(f"{p['link']}: {p['problem']}" for p in problems)
    return {**state, "problem": said}


def _query(chain: str | None) -> str:
    return "" if chain is None else AuditFilters(chain=chain or SYSTEM).query()


@needs(Role.VIEWER)
@require_POST
def verify(request: HttpRequest) -> HttpResponse:
    """Recompute one chain, or all; what takes long goes on in the worker."""
    name = request.POST.get("chain", "").replace("\x00", "").strip()[:255]
    chain = chain_named(name)
    if chain and not _is_known(chain):
        messages.error(request, f"There is no chain {name}.")
        return redirect("console:audit")
    row = services.start_verification(chain=chain, by=visitor.actor_of(request))
    if row.status == VerificationStatus.RUNNING:
        messages.info(request, "It goes on in the worker; this page shows how far it is.")
    return redirect(_back(request, row))


def _is_known(chain: str) -> bool:
    known = AuditEvent.objects.filter(chain=chain).exists()
    return known or Agent.objects.filter(agent_id=chain).exists()


def _back(request: HttpRequest, row: Verification) -> str:
    """Return where the button stood: the playbook of a chain, or the log."""
    if row.chain and request.POST.get("then") == "playbook":
        return reverse("console:playbook", args=[row.chain])
    return f"{reverse('console:audit')}{_query(row.chain)}"
