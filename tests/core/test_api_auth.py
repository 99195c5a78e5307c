"""Who may call: every way to fail at the door."""

import pytest
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from ace_project.core import tokens
from ace_project.core.api.views import ApiView
from tests.callers import Caller, is_problem

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db]


class Secret(ApiView):
    scopes = {"GET": "playbooks:review", "POST": "traces:write"}

    def get(self, request: Request) -> Response:
        return Response({"subject": self.principal.subject})

    def post(self, request: Request) -> Response:
        return Response({"agent": self.own(request.data["agent_id"])})


urlpatterns = [path("api/v1/secret", Secret.as_view())]


def test_a_token_with_the_scope_gets_through():
    assert Caller("bot", "playbooks:review").get("secret").json() == {"subject": "agent:bot"}


def test_head_needs_what_get_needs():
    assert Caller("bot", "playbooks:review").call("head", "secret").status_code == 200
    assert Caller("bot").call("head", "secret").status_code == 403


@pytest.mark.parametrize("header", ["", "Bearer x", "Basic eDp5"])
def test_without_a_valid_token_it_is_a_401_that_says_how(header):
    answer = Caller("bot").get("secret", authorization=header)
    assert is_problem(answer, 401)
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_without_the_scope_it_is_a_403_that_names_it():
    answer = Caller("bot").get("secret")
    assert is_problem(answer, 403)
    assert answer.json()["scope"] == "playbooks:review"


def test_revocation_holds_at_the_next_call():
    caller = Caller("bot", "playbooks:review")
    assert caller.get("secret").status_code == 200
    tokens.revoke(str(caller.row.jti))
    assert is_problem(caller.get("secret"), 401)


def test_a_token_whose_row_is_gone_is_refused():
    caller = Caller("bot", "playbooks:review")
    caller.row.delete()
    assert is_problem(caller.get("secret"), 401)


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options"])
def test_a_wrong_method_is_a_405_that_names_the_right_ones(method):
    answer = Caller("bot").call(method, "secret")
    assert is_problem(answer, 405)
    assert "POST" in answer["Allow"]


def test_an_answer_in_another_kind_than_json_is_a_406():
    answer = Caller("bot", "playbooks:review").get("secret", accept="text/html")
    assert is_problem(answer, 406)


def test_another_agent_s_id_in_a_body_is_a_404_and_a_service_may_name_any():
    assert Caller("bot").post("secret", {"agent_id": "bot"}).status_code == 200
    assert is_problem(Caller("bot").post("secret", {"agent_id": "other"}), 404)
    assert Caller(None).post("secret", {"agent_id": "other"}).status_code == 200
