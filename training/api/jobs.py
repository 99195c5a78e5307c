"""REST for training jobs: started, looked at, steered, measured."""

from collections.abc import Callable
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ace_project.core.api.idempotency import once, once_alone
from ace_project.core.api.paging import page
from ace_project.core.api.schema import LIST_PARAMETERS, problem
from ace_project.core.api.views import ApiView, body, query
from playbooks.actors import Actor
from playbooks.api.views import actor_of
from playbooks.selectors import agent_by_id
from training import selectors
from training.api import answers, documents
from training.api.requests import JobFilter, Measured, StartJob, Steered
from training.models import JobState, TrainingJob
from training.services import jobs as services

NO_MONEY = problem(402, "A budget has no room for what it may cost")
FILTERS = [
    OpenApiParameter("agent_id", str),
    OpenApiParameter("status", str, enum=JobState.values),
]


class TrainingApiView(ApiView):
    """A view about training jobs."""

    @property
    def actor(self) -> Actor:
        """Return who acts."""
        return actor_of(self.principal)

    def job(self, job_id: int) -> TrainingJob:
        """Return the job; raises NotFound, also for another agent's."""
        return selectors.job(job_id, self.principal.agent_id)


class JobsView(TrainingApiView):
    scopes: ClassVar = {"GET": "training:view", "POST": "training:start"}

    @extend_schema(
        operation_id="list_training_jobs",
        parameters=[*FILTERS, *LIST_PARAMETERS],
        responses=answers.JobPage,
    )
    def get(self, request: Request) -> Response:
        """List training jobs, newest first; an agent's token sees its own."""
        wanted = query(request, JobFilter)
        agent_id = wanted["agent_id"]
        if agent_id is not None:
            self.own(agent_id)
        rows = selectors.jobs(agent_id=agent_id or self.principal.agent_id, state=wanted["status"])
        return Response(page(request, rows, name="training-jobs", render=documents.in_lists))

    @extend_schema(
        operation_id="start_training_job",
        request=StartJob,
        responses={201: answers.Started} | NO_MONEY | problem(429, "Too many jobs are open"),
    )
    @once
    def post(self, request: Request) -> Response:
        """Queue a training job after everything that it needs was checked."""
        wanted = body(request, StartJob)
        job = start(self.actor, agent_by_id(self.own(wanted.pop("agent_id"))), wanted)
        return Response(documents.started(job), status=201)


def start(actor: Actor, agent: Any, wanted: dict[str, Any]) -> TrainingJob:
    """Start the job that a validated request asks for."""
    given = {name: wanted.get(name) for name in ("runtime", "training_data", "evaluation_data")}
    return services.start_job(
        agent=agent,
        config=wanted["config"],
        reward=wanted.get("reward"),
        candidates=wanted.get("candidates"),
        warm_start=wanted.get("warm_start"),
        title=wanted.get("title", ""),
        requested_by=str(actor),
        **given,
    )


class JobView(TrainingApiView):
    scopes: ClassVar = {"GET": "training:view"}

    @extend_schema(operation_id="get_training_job", responses=answers.JobInFull)
    def get(self, request: Request, job_id: int) -> Response:
        """Return how a job stands, what it was started with and what came of it."""
        return Response(documents.in_full(self.job(job_id)))


class SteeringView(TrainingApiView):
    """A view that pauses, resumes or cancels one job."""

    scopes: ClassVar = {"POST": "training:cancel"}

    def steer(self, request: Request, job_id: int, verb: Callable[..., TrainingJob]) -> Response:
        """Return where the job stands after `verb`."""
        job = verb(job=self.job(job_id), by=self.actor, **body(request, Steered))
        return Response(documents.steered(job))


class PauseView(SteeringView):
    @extend_schema(
        operation_id="pause_training_job", request=Steered, responses=answers.SteeredAnswer
    )
    @once
    def post(self, request: Request, job_id: int) -> Response:
        """Hold a job back; an iteration under way ends first."""
        return self.steer(request, job_id, services.pause_job)


class ResumeView(SteeringView):
    @extend_schema(
        operation_id="resume_training_job", request=Steered, responses=answers.SteeredAnswer
    )
    @once
    def post(self, request: Request, job_id: int) -> Response:
        """Let a paused job go on where it stands."""
        return self.steer(request, job_id, services.resume_job)


class CancelView(SteeringView):
    @extend_schema(
        operation_id="cancel_training_job", request=Steered, responses=answers.SteeredAnswer
    )
    @once
    def post(self, request: Request, job_id: int) -> Response:
        """End a job for good, with a checkpoint of what it learned."""
        return self.steer(request, job_id, services.cancel_job)


class EvaluateView(TrainingApiView):
    scopes: ClassVar = {"POST": "training:evaluate"}

    @extend_schema(
        operation_id="evaluate_training_job",
        request=Measured,
        responses={200: answers.EvaluationAnswer}
        | NO_MONEY
        | problem(424, "The evaluation failed"),
    )
    @once_alone
    def post(self, request: Request, job_id: int) -> Response:
        """Measure a checkpoint, the best where none is named, against the baseline."""
        wanted = body(request, Measured)
        found = evaluate(self.job(job_id), self.actor, wanted)
        return Response(documents.evaluation(found))


def evaluate(job: TrainingJob, actor: Actor, wanted: dict[str, Any]) -> Any:
    """Measure what a validated request asks for; raises NotFound for another job's checkpoint."""
    number = wanted["checkpoint_id"]
    return services.evaluate(
        job=job,
        checkpoint=None if number is None else selectors.checkpoint(job, number),
        queries=wanted["evaluation_queries"],
        by=actor,
    )
