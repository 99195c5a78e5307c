"""The product's addresses and that of the bare view."""

from django.http import HttpRequest, JsonResponse
from django.urls import path

from ace_project.urls import urlpatterns as product


def bare(request: HttpRequest) -> JsonResponse:
    """Answer with a small document: the least that a JSON view can do."""
    return JsonResponse({"status": "ok"})


urlpatterns = [path("bare", bare), *product]
