"""Addresses of training, below the API's prefixes."""

from django.urls import path, register_converter

from training.api import jobs, records


class JobIdConverter:
    """A job's number: eighteen digits fit into the database's."""

    regex = r"[0-9]{1,18}"

    def to_python(self, value: str) -> int:
        """Return the number."""
        return int(value)

    def to_url(self, value: int) -> str:
        """Return its digits."""
        return str(value)


register_converter(JobIdConverter, "api_job_id")
JOB = "training/jobs/<api_job_id:job_id>"

urlpatterns = [
    path("training/jobs", jobs.JobsView.as_view()),
    path(JOB, jobs.JobView.as_view()),
    path(f"{JOB}/pause", jobs.PauseView.as_view()),
    path(f"{JOB}/resume", jobs.ResumeView.as_view()),
    path(f"{JOB}/cancel", jobs.CancelView.as_view()),
    path(f"{JOB}/evaluate", jobs.EvaluateView.as_view()),
    path(f"{JOB}/iterations", records.IterationsView.as_view()),
    path(f"{JOB}/checkpoints", records.CheckpointsView.as_view()),
    path(f"{JOB}/trajectories", records.TrajectoriesView.as_view()),
    path(f"{JOB}/export", records.ExportView.as_view()),
]
