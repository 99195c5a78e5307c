"""Traces, the runs that learn from them, and the money that it costs."""

from evolution.models.learning import (
    Deliberation,
    EvolutionRun,
    ExecutionTrace,
    Generator,
    Origin,
    Pace,
    Pause,
    Trigger,
)
from evolution.models.money import (
    Budget,
    BudgetEvent,
    CallState,
    CircuitBreaker,
    DailyTally,
    LedgerEntry,
    LedgerKind,
    LlmCall,
    LlmExchange,
    Tally,
)

__all__ = [
    "Budget",
    "BudgetEvent",
    "CallState",
    "CircuitBreaker",
    "DailyTally",
    "Deliberation",
    "EvolutionRun",
    "ExecutionTrace",
    "Generator",
    "LedgerEntry",
    "LedgerKind",
    "LlmCall",
    "LlmExchange",
    "Origin",
    "Pace",
    "Pause",
    "Tally",
    "Trigger",
]
