"""What may be sent about training jobs, over REST and JSON-RPC alike.

The order of a method's fields is that of its parameters by position.
"""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ace_project.core.api.fields import Document, Flag, Integer, Number, Text
from training.exports import FORMATS
from training.models import JobState

MOST_ROWS = 10_000
LARGEST_ID = 2**63 - 1

TASK = {
    "type": "object",
    "required": ["query"],
    "properties": {
        "query": {"description": "what the agent is asked; any JSON but null and the empty text"},
        "expected_outcome": {"description": "any JSON"},
        "task_type": {"type": "string", "maxLength": 255},
    },
}


@extend_schema_field({"type": "array", "items": TASK})
class Tasks(serializers.Field[Any, Any, Any, Any]):
    """A list of tasks; the service that takes them names the task and field that is wrong."""

    default_error_messages = {"invalid": "Not a list."}

    def to_internal_value(self, data: Any) -> list[Any]:
        """Return the list; fails for every other type."""
        if not isinstance(data, list):
            self.fail("invalid")
        return data


@extend_schema_field({"type": "array", "items": {}})
class Candidates(Tasks):
    """A list of texts, `{section?, text}` or `{delta_id}`."""


class JobId(Integer):
    """The number of a job or checkpoint."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=LARGEST_ID, **kwargs)


class StartJob(serializers.Serializer[Any]):
    agent_id = Text(max_length=255)
    config = Document(help_text="docs/training.md lists the settings")
    training_data = Tasks(required=False, allow_null=True)
    evaluation_data = Tasks(required=False, allow_null=True)
    runtime = Document(required=False, allow_null=True, help_text="`{name, ...}`")
    reward = Document(required=False, allow_null=True)
    title = Text(required=False, allow_blank=True, max_length=200)
    candidates = Candidates(required=False, allow_null=True)
    training_queries = Tasks(required=False, allow_null=True, help_text="= training_data")
    warm_start = Document(
        required=False, allow_null=True, help_text='`{"traces": true, "since"?: time}`'
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the input with `training_queries` under its other name."""
        queries = attrs.pop("training_queries", None)
        if queries is not None:
            if attrs.get("training_data") is not None:
                message = "is another name of training_data: send one of the two"
                raise serializers.ValidationError({"training_queries": message})
            attrs["training_data"] = queries
        return attrs


class JobNamed(serializers.Serializer[Any]):
    job_id = JobId()


class Steered(serializers.Serializer[Any]):
    reason = Text(required=False, allow_blank=True, max_length=1000, default="")


class SteeredJob(JobNamed, Steered):
    pass


class Measured(serializers.Serializer[Any]):
    checkpoint_id = JobId(required=False, allow_null=True, default=None)
    evaluation_queries = Tasks(required=False, allow_null=True, default=None)


class MeasuredJob(JobNamed, Measured):
    pass


class JobFilter(serializers.Serializer[Any]):
    agent_id = Text(required=False, max_length=255, allow_null=True, default=None)
    status = serializers.ChoiceField(
        JobState.choices, required=False, allow_null=True, default=None
    )


class ListedJobs(JobFilter):
    limit = Integer(min_value=1, max_value=200, default=100)
    before = JobId(required=False, allow_null=True, default=None)


class ExportedJob(JobNamed):
    format = serializers.ChoiceField(list(FORMATS))
    success_only = Flag(default=False)
    min_reward = Number(required=False, allow_null=True, default=None)
    limit = Integer(min_value=1, max_value=MOST_ROWS, default=1000)
    offset = Integer(min_value=0, max_value=2**31 - 1, default=0)


class ExportQuery(serializers.Serializer[Any]):
    """As it stands in an address, where every value is text."""

    format = serializers.ChoiceField(list(FORMATS), default="raw")
    success_only = serializers.BooleanField(default=False)
    min_reward = serializers.FloatField(required=False, default=None)


class TrajectoryQuery(serializers.Serializer[Any]):
    iteration = serializers.IntegerField(
        min_value=0, max_value=2**31 - 1, required=False, default=None
    )
    success = serializers.BooleanField(required=False, allow_null=True, default=None)
    min_reward = serializers.FloatField(required=False, default=None)
