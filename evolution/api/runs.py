"""Ask for an evolution run, and how evolution stands."""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from ace_project.core.api.fields import Flag, Text
from ace_project.core.api.idempotency import once
from ace_project.core.api.views import ApiView, body
from evolution import services
from evolution.api.senders import actor_of
from evolution.models import Trigger
from evolution.selectors import evolution_status
from playbooks.selectors import agent_by_id


class TriggerShape(serializers.Serializer[object]):
    agent_id = Text(max_length=255)
    force = Flag(default=False)


class TriggerAnswer(serializers.Serializer[object]):
    enqueued = serializers.BooleanField()
    position = serializers.IntegerField(required=False, allow_null=True)
    run_id = serializers.IntegerField(required=False)
    reason = serializers.CharField(required=False)


class StatusAnswer(serializers.Serializer[object]):
    agent_id = serializers.CharField()
    last_evolution = serializers.DateTimeField(allow_null=True)
    pending_traces = serializers.IntegerField()
    deltas_generated = serializers.IntegerField()
    deltas_applied = serializers.IntegerField()
    total_cost = serializers.FloatField(allow_null=True)
    unpriced_calls = serializers.IntegerField()
    status = serializers.ChoiceField(["idle", "processing", "failed"])


class EvolutionTrigger(ApiView):
    scopes: ClassVar = {"POST": "evolution:trigger"}

    @extend_schema(request=TriggerShape, responses={202: TriggerAnswer, 200: TriggerAnswer})
    @once
    def post(self, request: Request) -> Response:
        """Queue a run (202), or say why there is none (200); one under way is returned."""
        wanted = body(request, TriggerShape)
        started = services.start_run(
            agent=agent_by_id(self.own(wanted["agent_id"])),
            trigger=Trigger.API,
            requested_by=str(actor_of(self.principal)),
            force=wanted["force"],
        )
        if started.run is None:
            return Response({"enqueued": False, "reason": started.reason})
        answer = {"enqueued": True, "position": started.position, "run_id": started.run.pk}
        return Response(answer, status=202)


class EvolutionStatus(ApiView):
    scopes: ClassVar = {"GET": "traces:read"}

    @extend_schema(responses=StatusAnswer)
    def get(self, request: Request, agent_id: str) -> Response:
        """Say how the agent's evolution stands."""
        return Response(evolution_status(agent_by_id(self.own(agent_id))))
