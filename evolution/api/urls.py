"""Addresses of traces and evolution, below the API's prefixes."""

from django.urls import path

from evolution.api import runs, traces

urlpatterns = [
    path("traces", traces.Traces.as_view()),
    path("traces/batch", traces.TraceBatch.as_view()),
    path("traces/<path:trace_id>", traces.TraceDetail.as_view()),
    path("evolution/trigger", runs.EvolutionTrigger.as_view()),
    path("evolution/status/<str:agent_id>", runs.EvolutionStatus.as_view()),
]
