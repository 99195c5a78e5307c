"""A reviewer's decision as it arrives from a form, carried out by one service each."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, QueryDict

from ace_project.console.people import name_of
from ace_project.console.refusals import told
from ace_project.console.visitor import actor_of
from ace_project.core.errors import AceError, Conflict, InvalidInput
from playbooks import services
from playbooks.models import OPEN, Delta, DeltaStatus

MAX_BULK = 200
MAX_REASON = 2000
MAX_REASONING = 10_000
MANY: dict[str, Callable[..., Delta]] = {
    "approve": services.approve_delta,
    "reject": services.reject_delta,
    "changes": services.request_changes,
}
VERBS = ("approve", "reject", "changes", "revise")


@dataclass(frozen=True, slots=True)
class Decided:
    """What a decision did: in words, and which deltas an undo would take back."""

    text: str
    undoable: tuple[Delta, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why one delta of a bulk decision stayed as it is."""

    pk: int
    why: str


def reason_of(form: QueryDict, field: str = "reason") -> str:
    """Return the reason given; raises InvalidInput for one that cannot be kept."""
    reason = form.get(field, "").strip()
    if len(reason) > MAX_REASON or "\x00" in reason:
        raise InvalidInput(f"a reason is a text of up to {MAX_REASON:,} characters")
    return reason


def explain(error: AceError) -> str:
    """Return a refusal as a sentence that names who was faster."""
    by = error.extra.get("decided_by")
    if isinstance(error, Conflict) and "delta_status" in error.extra:
        status = DeltaStatus(error.extra["delta_status"]).label.lower()
        return f"Already {status} by {name_of(by) if by else 'the machinery'}."
    return told(error)


def carry_out(request: HttpRequest, delta: Delta, verb: str) -> Decided:
    """Decide one delta as the posted form says; raises AceError where that is refused."""
    by, form, name = actor_of(request), request.POST, f"delta {delta.pk} of {delta.playbook.agent}"
    reason = reason_of(form)
    if verb == "reject":
        done = services.reject_delta(delta=delta, by=by, reason=reason)
        return Decided(f"Rejected {name}", (done,), "It can also be reopened later.")
    if verb == "changes":
        done = services.request_changes(delta=delta, by=by, reason=reason)
        return Decided(f"Asked for changes to {name}", (done,), "It waits for its author.")
    if verb == "revise":
        return _revise(request, delta, name)
    if "edited" in form:
        return _edit(request, delta, name, reason)
    keep = kept_sides(form)
    if keep:
        done = services.rebase_and_approve(delta=delta, keep=keep, by=by, reason=reason)
    else:
        done = services.approve_delta(delta=delta, by=by, reason=reason)
    return Decided(_live(f"Approved {name}", done), (done,))


def _live(text: str, delta: Delta) -> str:
    if delta.status == DeltaStatus.PENDING_REVIEW:
        return f"{text}: 1 of 2, it waits for another reviewer"
    return f"{text}: v{delta.applied_version} is live"


def _revise(request: HttpRequest, delta: Delta, name: str) -> Decided:
    """Send the author's own wording in place of what they wrote before."""
    wanted = edited_operations(request.POST, delta.operations)
    reasoning = request.POST.get("reasoning", "").strip()[:MAX_REASONING]
    if wanted == delta.operations and reasoning in ("", delta.reasoning):
        raise InvalidInput("nothing was changed")
    done = services.revise_delta(
        delta=delta, operations=wanted, by=actor_of(request), reasoning=reasoning
    )
    if done.status not in OPEN:
        raise InvalidInput(f"it does not pass the judges: {done.decision_reason}")
    return Decided(f"Sent delta {done.pk} in place of {name}. It waits for a reviewer.")


def _edit(request: HttpRequest, delta: Delta, name: str, reason: str) -> Decided:
    by, wanted = actor_of(request), edited_operations(request.POST, delta.operations)
    if wanted == delta.operations:
        done = services.approve_delta(delta=delta, by=by, reason=reason)
        return Decided(_live(f"Approved {name} as it was", done), (done,))
    done = services.edit_and_approve(delta=delta, operations=wanted, by=by, reason=reason)
    # Its undo brings the wording before the edit back.
    return Decided(_live(f"Approved {name} as edited", done), (done,))


def kept_sides(form: Mapping[str, Any]) -> dict[int, str]:
    """Return the side chosen for each conflicting operation by its index."""
    chosen = {}
    for name, value in form.items():
        prefix, _, number = name.partition("keep-")
        if not prefix and number.isascii() and number.isdigit() and len(number) < 5:
            if value not in ("live", "delta"):
                raise InvalidInput("the text to keep is either the live one or this delta's")
            chosen[int(number)] = value
    return chosen


def edited_operations(
    form: Mapping[str, Any], operations: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the operations ticked, with the texts typed; raises InvalidInput for none."""
    wanted = [
        _reworded(operation, form.get(f"text-{index}"), index)
        for index, operation in enumerate(operations)
        if form.get(f"take-{index}")
    ]
    if not wanted:
        raise InvalidInput("keep at least one operation, or reject the delta")
    return wanted


def _reworded(operation: dict[str, Any], text: Any, index: int) -> dict[str, Any]:
    if text is None:
        return operation
    # A form sends line ends as CR LF whatever was in the text.
    text = str(text).replace("\r\n", "\n")
    if "text" in operation:
        return {**operation, "text": text}
    if operation["op"] != "set":
        return operation
    try:
        return {**operation, "value": json.loads(text)}
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"operation {index + 1} needs a JSON value: {error}") from error


def carry_out_many(request: HttpRequest, verb: str) -> tuple[list[Delta], list[Refused]]:
    """Decide each delta ticked in a queue by itself, in the order proposed.

    Raises InvalidInput where nothing could be decided at all: no delta, or no reason.
    """
    pks = ticked(request.POST)
    if not pks or len(pks) > MAX_BULK:
        raise InvalidInput(f"select 1 to {MAX_BULK} deltas first")
    # The queue's form holds both dialogs, each with a field of its own.
    reason = reason_of(request.POST, "wanted" if verb == "changes" else "reason")
    by, decide = actor_of(request), MANY[verb]
    if verb != "approve" and not reason:
        raise InvalidInput("say why" if verb == "changes" else "a rejection needs a reason")
    done: list[Delta] = []
    refused = []
    for delta in Delta.objects.filter(pk__in=pks).order_by("pk"):
        try:
            done.append(decide(delta=delta, by=by, reason=reason))
        except AceError as error:
            refused.append(Refused(delta.pk, explain(error)))
    return done, refused


def ticked(form: QueryDict) -> list[int]:
    """Return the numbers of the deltas that a form ticks, in the order proposed."""
    keys = [key for key in form.getlist("delta") if key.isascii() and key.isdigit()]
    return sorted({int(key) for key in keys if len(key) < 19})
