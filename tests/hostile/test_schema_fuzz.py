"""schemathesis over our own OpenAPI document: no 5xx, and every answer is as documented."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core import signals
from django.db import close_old_connections
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import CHECKS, load_all_checks

from ace_project.wsgi import application
from tests.callers import Caller

load_all_checks()
KEPT = [
    CHECKS.get_one(name)
    for name in (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
    )
]
EXAMPLES = 30


def _document() -> dict[str, Any]:
    found = SchemaGenerator().get_schema(request=None, public=True)
    parsed: dict[str, Any] = json.loads(json.dumps(found, default=str))
    return parsed


schema = schemathesis.openapi.from_dict(_document())
schema.app = application


@pytest.fixture
def service(target: dict[str, Any]) -> Iterator[tuple[Caller, dict[str, Any]]]:
    """Return a caller that may do everything, and what exists.

    The handler closes connections between requests, which would end this test's transaction.
    """
    news = (signals.request_started, signals.request_finished)
    for signal in news:
        signal.disconnect(close_old_connections)
    yield Caller(None), target
    for signal in news:
        signal.connect(close_old_connections)


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)
def test_the_api_keeps_to_its_document(
    case: schemathesis.Case, service: tuple[Caller, dict[str, Any]]
) -> None:
    caller, existing = service
    # Half of what is drawn is pointed at what exists, or nearly every answer would be a 404.
    if len(repr(case.body)) % 2:
        for name, value in existing.items():
            if name in case.path_parameters:
                case.path_parameters[name] = value
            if isinstance(case.body, dict) and name in case.body and case.method != "DELETE":
                case.body[name] = value
    case.call_and_validate(headers={"Authorization": f"Bearer {caller.token}"}, checks=KEPT)
