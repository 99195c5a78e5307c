"""What the reflector sees of an execution trace: plain values, no database."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One tool call: canonical JSON arguments, and the raw error text where it failed."""

    tool: str
    arguments: str
    error: str | None = None

    @property
    def succeeded(self) -> bool:
        """A call whose error is an empty text has failed all the same."""
        return self.error is None


@dataclass(frozen=True, slots=True)
class Run:
    """One task execution. Runs of one `task_group` are never split between learning and testing."""

    trace_id: str
    task_group: str
    task_type: str | None
    version: int | None
    success: bool
    steps: tuple[Step, ...]
    task_id: str | None = None
