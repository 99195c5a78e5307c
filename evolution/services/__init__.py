"""What may happen to traces and evolution runs; every verb is keyword-only and atomic."""

from evolution.pauses import is_paused
from evolution.services.money import raise_limit, settle_lost_calls
from evolution.services.pauses import pause_evolution, resume_evolution
from evolution.services.runs import (
    StartResult,
    cancel_run,
    retry_run,
    run_in_foreground,
    start_due_runs,
    start_run,
)
from evolution.services.traces import (
    record_batch,
    record_rows,
    record_test_trace,
    record_trace,
)

__all__ = [
    "StartResult",
    "cancel_run",
    "is_paused",
    "pause_evolution",
    "raise_limit",
    "record_batch",
    "record_rows",
    "record_test_trace",
    "record_trace",
    "resume_evolution",
    "retry_run",
    "run_in_foreground",
    "settle_lost_calls",
    "start_due_runs",
    "start_run",
]
