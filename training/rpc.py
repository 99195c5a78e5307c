"""Training over JSON-RPC 2.0: the methods; `core.api.jsonrpc` has the protocol."""

from collections.abc import Callable
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from ace_project.core.api.auth import require_agent
from ace_project.core.api.jsonrpc import MAX_CALLS
from ace_project.core.api.jsonrpc_view import Asker, JsonRpcView, Method
from playbooks.api.views import actor_of
from playbooks.selectors import agent_by_id
from training import selectors
from training.api import documents, requests
from training.api.jobs import evaluate, start
from training.exports import Wanted, format_named, page
from training.models import TrainingJob
from training.services import jobs as services

Params = dict[str, Any]
# Bytes of an answer that are not rows of an export.
_AROUND = 1024


def _job(asker: Asker, params: Params) -> TrainingJob:
    return selectors.job(params["job_id"], asker.principal.agent_id)


def start_grpo(asker: Asker, params: Params) -> Params:
    """Queue a job; see `training.services.start_job`."""
    agent_id = params.pop("agent_id")
    require_agent(asker.principal, agent_id)
    return documents.started(start(actor_of(asker.principal), agent_by_id(agent_id), params))


def get_status(asker: Asker, params: Params) -> Params:
    """Return how a job stands."""
    return selectors.status_of(_job(asker, params))


def _steering(verb: Callable[..., TrainingJob]) -> Callable[[Asker, Params], Params]:
    def steer(asker: Asker, params: Params) -> Params:
        job = _job(asker, params)
        return documents.steered(
            verb(job=job, by=actor_of(asker.principal), reason=params["reason"])
        )

    return steer


def measure(asker: Asker, params: Params) -> Params:
    """Measure a checkpoint against the baseline."""
    found = evaluate(_job(asker, params), actor_of(asker.principal), params)
    return documents.evaluation(found)


def export_trajectories(asker: Asker, params: Params) -> Params:
    """Return the rows of a format; `next_offset` goes on after them, null at the end."""
    job, form = _job(asker, params), format_named(params["format"])
    wanted = Wanted(params["success_only"], params["min_reward"], params["offset"])
    found = page(job, form, wanted, limit=params["limit"], room=max(0, asker.room - _AROUND))
    return {
        "job_id": job.pk,
        "format": form.name,
        "offset": wanted.offset,
        "count": len(found.rows),
        "trajectories": found.rows,
        "next_offset": found.next_offset,
    }


def list_jobs(asker: Asker, params: Params) -> Params:
    """Return jobs, the newest first; `next` is the `before` of those that follow."""
    agent_id = params["agent_id"]
    if agent_id is not None:
        require_agent(asker.principal, agent_id)
    rows = selectors.jobs(
        agent_id=agent_id or asker.principal.agent_id, state=params["status"]
    ).order_by("-id")
    if params["before"] is not None:
        rows = rows.filter(pk__lt=params["before"])
    limit = params["limit"]
    found = list(rows[: limit + 1])
    more = found[limit - 1].pk if len(found) > limit else None
    return {"jobs": [documents.in_lists(job) for job in found[:limit]], "next": more}


CALL = {
    "type": "object",
    "required": ["jsonrpc", "method"],
    "properties": {
        "jsonrpc": {"type": "string", "enum": ["2.0"]},
        "method": {"type": "string", "example": "training.get_status"},
        "params": {"description": "an object, or an array in the order of docs/training.md"},
        "id": {"description": "a string, a number or null; without it nothing is answered"},
    },
}
REQUEST = {"oneOf": [CALL, {"type": "array", "minItems": 1, "maxItems": MAX_CALLS, "items": CALL}]}
ANSWER = {
    "type": "object",
    "required": ["jsonrpc", "id"],
    "properties": {
        "jsonrpc": {"type": "string", "enum": ["2.0"]},
        "id": {},
        "result": {},
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "integer"},
                "message": {"type": "string"},
                "data": {},
            },
        },
    },
}
RESPONSE = {"oneOf": [ANSWER, {"type": "array", "items": ANSWER}]}


class TrainingRpc(JsonRpcView):
    methods: ClassVar = {
        "training.start_grpo": Method("training:start", requests.StartJob, start_grpo),
        "training.get_status": Method("training:view", requests.JobNamed, get_status),
        "training.pause": Method(
            "training:cancel", requests.SteeredJob, _steering(services.pause_job)
        ),
        "training.resume": Method(
            "training:cancel", requests.SteeredJob, _steering(services.resume_job)
        ),
        "training.cancel": Method(
            "training:cancel", requests.SteeredJob, _steering(services.cancel_job)
        ),
        "training.evaluate": Method(
            "training:evaluate", requests.MeasuredJob, measure, atomic=False
        ),
        "training.export_trajectories": Method(
            "data:export", requests.ExportedJob, export_trajectories
        ),
        "training.list_jobs": Method("training:view", requests.ListedJobs, list_jobs),
    }

    @extend_schema(
        operation_id="jsonrpc",
        request={"application/json": REQUEST},
        responses={(200, "application/json"): RESPONSE, 204: None},
    )
    def post(self, request: Request) -> Any:
        """Answer one JSON-RPC 2.0 call or a batch; 204 where nothing is to be answered."""
        return self.answer(request)
