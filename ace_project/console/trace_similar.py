"""What is like a trace: other runs of its task, and where to find those that went wrong alike."""

from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from evolution import trace_search
from evolution.models import ExecutionTrace
from evolution.selectors import LIST_FIELDS
from evolution.trace_search import Wanted

LOOKED_AT = 200
SHOWN = 8


def other_runs(row: ExecutionTrace) -> list[ExecutionTrace]:
    """Return the newest other runs of the same task, those that ended otherwise first.

    Where the task has no other run they are of the same task group.
    """
    found = _runs(row, "task", row.task_id)
    return found or _runs(row, "group", row.task_group)


def _runs(row: ExecutionTrace, name: str, value: str) -> list[ExecutionTrace]:
    if not value:
        return []
    wanted = Wanted(agent=row.agent_id, values={name: value})
    keys = trace_search.ids_before(wanted, None, LOOKED_AT)
    rows = ExecutionTrace.objects.filter(pk__in=keys).exclude(pk=row.pk)
    # Tasks are found in whichever case; only the very same one is the same task.
    rows = rows.filter(**{f"task_{'id' if name == 'task' else name}": value})
    newest = rows.only(*LIST_FIELDS).order_by("-pk")
    return sorted(newest, key=lambda other: other.success == row.success)[:SHOWN]


def address(row: ExecutionTrace, first_tool: str) -> str:
    """Return the list of the agent's traces that are most like this one.

    A trace with errors is like those with the same first error, any other like those of its task
    type that ended as it did, or else like those that called its first tool.
    """
    asked: dict[str, Any] = {"agent": row.agent.agent_id}
    if error := trace_search.first_error_of(row.pk):
        asked["error"] = error
    elif row.task_type:
        asked |= {"type": row.task_type, "success": "yes" if row.success else "no"}
    elif first_tool:
        asked["tool"] = first_tool
    return f"{reverse('console:traces')}?{urlencode(asked)}"
