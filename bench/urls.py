"""The product's addresses and those of the bare views."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from ace_project.urls import urlpatterns as product


def bare(request: HttpRequest) -> JsonResponse:
    """Answer with a small document: the least that a JSON view can do."""
    return JsonResponse({"status": "ok"})


@login_required
def bare_page(request: HttpRequest) -> HttpResponse:
    """Answer with a word, for whoever is signed in: the least that a page can do."""
    return HttpResponse(f"<p>{request.user.get_username()}</p>")


urlpatterns = [path("bare", bare), path("bare-page", bare_page), *product]
