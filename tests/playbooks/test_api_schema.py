"""The OpenAPI document, its page, and what it promises of every route."""

import re

import pytest
import yaml
from django.test import Client
from drf_spectacular.validation import validate_schema

from ace_project.core.tokens import SCOPES
from playbooks.api.urls import urlpatterns
from tests.callers import Caller, is_problem


@pytest.fixture
def document():
    answer = Client().get("/api/schema/")
    assert answer.status_code == 200
    return yaml.safe_load(answer.content)


def test_the_document_is_valid_openapi_and_needs_no_token(document):
    validate_schema(document)
    assert document["paths"]
    assert all(path.startswith("/api/v1/") for path in document["paths"])


def test_every_operation_tells_its_problems_and_asks_for_a_token(document):
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            told = set(operation["responses"])
            assert {"400", "401", "403", "404", "503"} <= told, (method, path)
            problem = operation["responses"]["401"]["content"]
            assert list(problem) == ["application/problem+json"]
            assert operation["security"] == [{"token": []}], (method, path)


def test_every_post_takes_an_idempotency_key(document):
    posts = [ops["post"] for ops in document["paths"].values() if "post" in ops]
    assert posts
    for operation in posts:
        assert "Idempotency-Key" in [p["name"] for p in operation["parameters"]]
    for view in (pattern.callback.cls for pattern in urlpatterns):
        if hasattr(view, "post"):
            assert view.post.takes_idempotency_key, view


def test_every_method_of_every_view_names_a_scope_that_exists():
    for view in (pattern.callback.cls for pattern in urlpatterns):
        methods = {m.upper() for m in ("get", "post", "patch", "put", "delete") if hasattr(view, m)}
        assert set(view.scopes) == methods, view
        assert set(view.scopes.values()) <= set(SCOPES), view


def test_what_a_change_needs_is_needed_in_the_document_too(document):
    body = document["paths"]["/api/v1/playbooks/{agent_id}"]["patch"]["requestBody"]
    name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    assert document["components"]["schemas"][name]["required"] == ["confidence"]


def test_the_page_works_offline():
    answer = Client().get("/api/docs/")
    assert answer.status_code == 200
    addresses = re.findall(r'(?:src|href)="([^"]+)"', answer.content.decode())
    assert addresses
    for address in addresses:
        assert address.startswith(("/static/", "/api/docs/"))
        assert Client().get(address).status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "playbooks/bot/context"),
        ("post", "jsonrpc/"),
        ("get", ""),
        ("get", "nothing"),
        ("post", "playbooks/"),
        ("get", "deltas/1/2/3"),
    ],
)
@pytest.mark.parametrize("prefix", ["/api/v1/", "/internal/context/"])
def test_what_is_not_there_is_a_404(prefix, method, path):
    assert is_problem(Caller(None, prefix=prefix).call(method, path), 404)
