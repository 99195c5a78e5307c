"""What may happen in training."""

from training.services.workshop import (
    COMPARED_TASKS,
    CONTROLS,
    UNSEEN_TASKS,
    LoopReport,
    make_demonstration,
    make_workshop_agent,
    run_rounds,
    run_workshop,
    start_comparison,
)

__all__ = [
    "COMPARED_TASKS",
    "CONTROLS",
    "UNSEEN_TASKS",
    "LoopReport",
    "make_demonstration",
    "make_workshop_agent",
    "run_rounds",
    "run_workshop",
    "start_comparison",
]
