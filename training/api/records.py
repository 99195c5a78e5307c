"""REST for what a job wrote: iterations, checkpoints, trajectories, and all of it as a file."""

from collections.abc import Sequence
from typing import ClassVar

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from ace_project.core.api.paging import cursor_of, cursor_to, limit_of, page
from ace_project.core.api.render import JSONRenderer
from ace_project.core.api.schema import LIST_PARAMETERS
from ace_project.core.api.views import query
from training import selectors
from training.api import answers, documents
from training.api.jobs import TrainingApiView
from training.api.requests import ExportQuery, TrajectoryQuery
from training.exports import FORMATS, Wanted, format_named, stream

LINES, PARQUET = "application/x-ndjson", "application/vnd.apache.parquet"


class IterationsView(TrainingApiView):
    scopes: ClassVar = {"GET": "training:view"}

    @extend_schema(
        operation_id="list_training_iterations",
        parameters=LIST_PARAMETERS,
        responses=answers.IterationPage,
    )
    def get(self, request: Request, job_id: int) -> Response:
        """List what each iteration measured, the first one first."""
        rows, name = self.job(job_id).iterations.all(), f"iterations-{job_id}"
        return Response(page(request, rows, name=name, by="number", render=documents.iteration))


class CheckpointsView(TrainingApiView):
    scopes: ClassVar = {"GET": "training:view"}

    @extend_schema(
        operation_id="list_training_checkpoints",
        parameters=LIST_PARAMETERS,
        responses=answers.CheckpointPage,
    )
    def get(self, request: Request, job_id: int) -> Response:
        """List the checkpoints that are kept, the latest first."""
        rows, name = selectors.checkpoints(self.job(job_id)), f"checkpoints-{job_id}"
        return Response(
            page(request, rows, name=name, by="-iteration", render=documents.checkpoint)
        )


class TrajectoriesView(TrainingApiView):
    scopes: ClassVar = {"GET": "data:export"}

    @extend_schema(
        operation_id="list_training_trajectories",
        parameters=[TrajectoryQuery, *LIST_PARAMETERS],
        responses=answers.TrajectoryPage,
    )
    def get(self, request: Request, job_id: int) -> Response:
        """List trajectories without their steps, the newest first."""
        wanted, limit = query(request, TrajectoryQuery), limit_of(request)
        name = f"trajectories-{job_id}"
        rows = selectors.trajectories(
            self.job(job_id), after=cursor_of(request, name), limit=limit + 1, **wanted
        )
        more = cursor_to(name, rows[limit - 1].pk) if len(rows) > limit else None
        shown = [documents.trajectory(row) for row in rows[:limit]]
        return Response({"results": shown, "next": more})


class _Lines(BaseRenderer):
    """Lets a caller ask for lines by `Accept`; the view itself writes them."""

    media_type = LINES
    format = "lines"


class _Parquet(BaseRenderer):
    """Lets a caller ask for parquet by `Accept`."""

    media_type = PARQUET
    format = "parquet"


class ExportView(TrainingApiView):
    scopes: ClassVar = {"GET": "data:export"}
    renderer_classes: Sequence[type[BaseRenderer]] = (JSONRenderer, _Lines, _Parquet)

    @extend_schema(
        operation_id="export_training_job",
        parameters=[
            OpenApiParameter("format", str, enum=list(FORMATS), default="raw"),
            OpenApiParameter("success_only", bool, default=False),
            OpenApiParameter("min_reward", float),
        ],
        responses={(200, LINES): OpenApiTypes.STR, (200, PARQUET): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, job_id: int) -> StreamingHttpResponse:
        """Return the job's trajectories as a file in one of the formats, made as it is sent."""
        wanted = query(request, ExportQuery)
        form = format_named(wanted.pop("format"))
        job = self.job(job_id)
        return StreamingHttpResponse(
            stream(job, form, Wanted(**wanted)),
            content_type=form.media_type,
            headers={"Content-Disposition": f'attachment; filename="{form.file_name(job)}"'},
        )
