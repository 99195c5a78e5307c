"""The tables of training: jobs with what they measured, and paired comparisons in the workshop."""

from training.models.jobs import (
    Evaluation,
    EvaluationKind,
    JobState,
    PolicyCheckpoint,
    Split,
    TrainingIteration,
    TrainingJob,
    TrainingState,
    TrainingTask,
    Trajectory,
    TrajectoryOutcome,
)
from training.models.workshop import Comparison

__all__ = [
    "Comparison",
    "Evaluation",
    "EvaluationKind",
    "JobState",
    "PolicyCheckpoint",
    "Split",
    "TrainingIteration",
    "TrainingJob",
    "TrainingState",
    "TrainingTask",
    "Trajectory",
    "TrajectoryOutcome",
]
