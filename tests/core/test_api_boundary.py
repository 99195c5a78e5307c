"""The API's outermost layer: limits, its own chain, and no error that leaks."""

from io import BytesIO

import pytest
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path, re_path
from rest_framework.request import Request
from rest_framework.response import Response

from ace_project.core.api import health
from ace_project.core.api.views import ApiView, nothing_here
from tests.callers import Caller, is_problem

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db]


def crash(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("a secret path /etc/x")


def away(request: HttpRequest) -> HttpResponse:
    raise OperationalError("secret host")


def console(request: HttpRequest) -> HttpResponse:
    return HttpResponse("session" if hasattr(request, "session") else "bare")


class Echo(ApiView):
    scopes = {"POST": "playbooks:read"}

    def post(self, request: Request) -> Response:
        return Response({"got": request.data})


urlpatterns = [
    path("api/v1/crash", crash),
    path("api/v1/away", away),
    path("api/v1/bare", console),
    path("api/v1/echo", Echo.as_view()),
    path("healthz", health.healthz),
    re_path("^api/", nothing_here),
    path("console", console),
]


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


def test_a_form_too_large_is_refused_before_anyone_reads_it(client, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    assert client.post("/console", {"file": BytesIO(b"x" * 1001)}).status_code == 413
    assert client.post("/console", {"file": BytesIO(b"x")}).content == b"session"


def test_beside_the_page_of_the_api_there_is_nothing(client):
    assert is_problem(client.get("/api/docs/more"), 404)


def test_a_crash_is_a_500_without_internals(client):
    answer = client.get("/api/v1/crash")
    assert is_problem(answer, 500)
    assert b"secret" not in answer.content


def test_a_database_that_is_away_is_a_503_to_come_again(client):
    answer = client.get("/api/v1/away")
    assert is_problem(answer, 503)
    assert answer["Retry-After"]
    assert b"secret" not in answer.content


def test_an_address_without_a_route_is_a_404_problem(client):
    assert is_problem(client.get("/api/v1/nothing"), 404)
    assert is_problem(client.get("/api/other"), 404)


def test_api_calls_pass_by_the_console_s_middleware_and_pages_do_not(client):
    assert client.get("/api/v1/bare").content == b"bare"
    assert client.get("/console").content == b"session"


def test_every_api_answer_forbids_sniffing(client):
    assert client.get("/api/v1/bare")["X-Content-Type-Options"] == "nosniff"
    assert client.get("/api/v1/crash")["X-Content-Type-Options"] == "nosniff"


class Unreadable(BytesIO):
    def read(self, *args: object) -> bytes:
        raise AssertionError("the body was read")


def test_a_body_over_20_mb_is_refused_unread(client):
    answer = client.generic(
        "POST",
        "/api/v1/echo",
        content_type="application/json",
        CONTENT_LENGTH=str(20 * 2**20 + 1),
        **{"wsgi.input": Unreadable()},
    )
    assert is_problem(answer, 413)


@pytest.mark.parametrize(
    ("kind", "extra"),
    [
        ("text/plain", {}),
        ("application/x-www-form-urlencoded", {}),
        ("multipart/form-data; boundary=x", {}),
        ("application/json; charset=latin-1", {}),
        ("", {}),
        ("application/json", {"HTTP_CONTENT_ENCODING": "gzip"}),
    ],
)
def test_a_body_of_another_kind_is_a_415(client, kind, extra):
    answer = client.generic("POST", "/api/v1/echo", b"{}", content_type=kind, **extra)
    assert is_problem(answer, 415)


@pytest.mark.parametrize("extra", [{"HTTP_TRANSFER_ENCODING": "chunked"}, {"CONTENT_LENGTH": "-1"}])
def test_a_body_of_unknown_length_is_a_411(client, extra):
    answer = client.generic("POST", "/api/v1/echo", b"{}", "application/json", **extra)
    assert is_problem(answer, 411)


def test_a_good_body_arrives():
    answer = Caller("bot").post("echo", {"é": [1]})
    assert answer.json() == {"got": {"é": [1]}}


def test_plain_http_is_refused_where_https_is_asked_for_but_probes_are_served(client, settings):
    settings.SECURE_SSL_REDIRECT = True
    assert is_problem(client.get("/api/v1/bare"), 403)
    assert client.get("/api/v1/bare", secure=True).status_code == 200
    assert client.get("/healthz").status_code == 200
