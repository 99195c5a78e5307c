"""Paired comparisons in the workshop: the same tasks under two versions of a playbook."""

from django.db import models

from ace_project.core.work.leases import LeasedJob
from playbooks.models import Agent, Delta


class Comparison(LeasedJob):
    """A job that runs the same workshop tasks under two versions; everything in it is simulated."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="comparisons")
    delta = models.ForeignKey(Delta, on_delete=models.SET_NULL, null=True, related_name="+")
    before = models.PositiveIntegerField()
    after = models.PositiveIntegerField()
    first_task = models.PositiveIntegerField()
    total = models.PositiveIntegerField()
    # One entry per finished task: {task_id, query, before, after}, outcomes as truth values.
    results = models.JSONField(default=list)
    requested_by = models.CharField(max_length=255)

    class Meta:
        db_table = "workshop_comparisons"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"v{self.before} against v{self.after}"

    @property
    def now_pass(self) -> int:
        """Return how many tasks fail before and succeed after."""
        return sum(r["after"] and not r["before"] for r in self.results)

    @property
    def now_fail(self) -> int:
        """Return how many tasks succeed before and fail after."""
        return sum(r["before"] and not r["after"] for r in self.results)
