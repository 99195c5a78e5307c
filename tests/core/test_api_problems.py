"""Every error as an RFC 9457 document."""

import json

import pytest
from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.http import Http404, UnreadablePostError
from rest_framework import exceptions

from ace_project.core import errors
from ace_project.core.api import problems


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.InvalidInput("x"), 400),
        (errors.Unauthenticated("x"), 401),
        (errors.Forbidden("x"), 403),
        (errors.NotFound("x"), 404),
        (errors.Conflict("x"), 409),
        (errors.PreconditionFailed("x"), 412),
        (errors.TooLarge("x"), 413),
        (errors.UnsupportedMedia("x"), 415),
        (errors.IdempotencyMismatch("x"), 422),
        (errors.QueueFull("x"), 429),
        (errors.Unavailable("x"), 503),
        (exceptions.ParseError(), 400),
        (exceptions.ValidationError({"a": ["x"]}), 400),
        (exceptions.NotAuthenticated(), 401),
        (exceptions.PermissionDenied(), 403),
        (exceptions.NotFound(), 404),
        (Http404(), 404),
        (exceptions.MethodNotAllowed("PUT"), 405),
        (exceptions.NotAcceptable(), 406),
        (exceptions.UnsupportedMediaType("x"), 415),
        (UnreadablePostError(), 400),
        (DataError("secret table"), 400),
        (IntegrityError("secret table"), 409),
        (OperationalError("secret host"), 503),
        (InterfaceError("secret host"), 503),
        (ZeroDivisionError("secret file"), 500),
    ],
)
def test_an_error_becomes_a_problem_of_its_status(error, status):
    response = problems.of(error).response()
    body = json.loads(response.content)
    assert response.status_code == body["status"] == status
    assert response["Content-Type"] == "application/problem+json"
    assert {"type", "title", "detail"} <= set(body)
    assert "secret" not in response.content.decode()
    assert (status == 400) == bool(body.get("errors"))


def test_a_401_says_how_to_authenticate():
    assert problems.of(errors.Unauthenticated("x")).headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("error", [errors.QueueFull("x"), errors.Unavailable("x")])
def test_a_passing_trouble_says_when_to_come_again(error):
    assert int(problems.of(error).headers["Retry-After"]) > 0


def test_the_asker_may_be_told_to_wait_longer():
    problem = problems.of(errors.QueueFull("x", retry_after=30))
    assert problem.headers["Retry-After"] == "30"
    assert "retry_after" not in problem.body


def test_what_a_domain_error_adds_stands_in_the_document_but_replaces_nothing():
    body = problems.of(errors.Conflict("x", conflicts=[1], status="odd")).body
    assert body["conflicts"] == [1]
    assert body["status"] == 409


def test_nested_messages_become_json_pointers():
    detail = {"a": {"b/c": ["one", "two"]}, "d": [{}, {"e": ["three"]}], "non_field_errors": ["f"]}
    found = problems.of(exceptions.ValidationError(detail)).body["errors"]
    assert found == [
        {"pointer": "/a/b~1c", "message": "one"},
        {"pointer": "/a/b~1c", "message": "two"},
        {"pointer": "/d/1/e", "message": "three"},
        {"pointer": "", "message": "f"},
    ]


def test_an_unexpected_error_is_logged_with_its_traceback(caplog):
    problems.of(ZeroDivisionError("why"))
    assert caplog.records[-1].exc_info is not None
