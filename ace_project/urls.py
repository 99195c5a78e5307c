"""Every address of the product."""

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from ace_project.console import sign_in_urls
from ace_project.core.api import health
from ace_project.core.api.views import nothing_here
from training.rpc import TrainingRpc

# The same routes stand under two prefixes; the second is the integration contract's own.
api: list[URLPattern | URLResolver] = [
    path("", include("playbooks.api.urls")),
    path("", include("evolution.api.urls")),
    path("", include("training.api.urls")),
    path("jsonrpc", TrainingRpc.as_view()),
    re_path("", nothing_here),
]

urlpatterns = [
    path("api/v1/", include(api)),
    path("internal/context/", include(api)),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    # The script on an address of its own, as the content security policy wants it.
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="api-docs"),
    re_path(r"^api/", nothing_here),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", health.metrics),
    path("favicon.ico", RedirectView.as_view(url=f"/{settings.STATIC_URL.strip('/')}/favicon.svg")),
    path("admin/", admin.site.urls),
    path("", include("ace_project.console.urls")),
    path("", include(sign_in_urls)),
]
