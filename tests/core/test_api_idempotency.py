"""Idempotency keys: key, effect and answer commit together."""

import threading

import pytest
from django.db import connection
from django.http import HttpResponse
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from ace_project.core.api.idempotency import once
from ace_project.core.api.views import ApiView
from ace_project.core.errors import Conflict
from ace_project.core.models import IdempotencyKey, WorkerBeat
from tests.callers import Caller, is_problem

pytestmark = pytest.mark.urls(__name__)
inside, go_on = threading.Event(), threading.Event()


class Beats(ApiView):
    scopes = {"POST": "traces:write"}

    @once
    def post(self, request: Request) -> Response | HttpResponse:
        row = WorkerBeat.objects.create(name=request.data["name"])
        if request.data.get("wait"):
            inside.set()
            go_on.wait(10)
        if request.data.get("fail"):
            raise Conflict("no")
        if request.data.get("plain"):
            return HttpResponse(b'{"z":1,"a":2}', status=409, content_type="application/x")
        document = {"z": row.name, "a": WorkerBeat.objects.count()}
        return Response(document, status=201, headers={"Location": f"/beats/{row.pk}"})


urlpatterns = [path("api/v1/beats", Beats.as_view())]


@pytest.mark.django_db
def test_a_repeated_key_gets_the_first_answer_byte_for_byte_and_does_nothing():
    bot = Caller("bot")
    first = bot.post("beats", {"name": "w"}, idempotency_key="k")
    again = bot.post("beats", {"name": "w"}, idempotency_key="k")
    assert (again.status_code, again.content) == (201, first.content)
    assert again["Location"] == first["Location"]
    assert again["Idempotency-Replayed"] == "true"
    assert WorkerBeat.objects.count() == 1


@pytest.mark.django_db
def test_an_answer_that_is_no_success_but_had_an_effect_is_kept_too():
    bot = Caller("bot")
    body = {"name": "w", "plain": True}
    answers = [bot.post("beats", body, idempotency_key="k") for _ in range(2)]
    assert [(a.status_code, a.content) for a in answers] == [(409, b'{"z":1,"a":2}')] * 2
    assert answers[1]["Content-Type"] == "application/x"
    assert WorkerBeat.objects.count() == 1


@pytest.mark.django_db
def test_another_body_under_the_key_is_a_422():
    bot = Caller("bot")
    bot.post("beats", {"name": "w"}, idempotency_key="k")
    assert is_problem(bot.post("beats", {"name": "v"}, idempotency_key="k"), 422)
    assert WorkerBeat.objects.count() == 1


@pytest.mark.django_db
def test_a_key_belongs_to_its_token():
    Caller("bot").post("beats", {"name": "w"}, idempotency_key="k")
    assert Caller("bot").post("beats", {"name": "v"}, idempotency_key="k").status_code == 201


@pytest.mark.django_db
def test_a_failure_keeps_neither_effect_nor_key_and_may_be_tried_again():
    bot = Caller("bot")
    assert is_problem(bot.post("beats", {"name": "w", "fail": 1}, idempotency_key="k"), 409)
    assert not WorkerBeat.objects.exists()
    assert not IdempotencyKey.objects.exists()
    assert bot.post("beats", {"name": "w"}, idempotency_key="k").status_code == 201


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["", "k" * 256])
def test_a_key_that_cannot_be_kept_is_a_400(key):
    assert is_problem(Caller("bot").post("beats", {"name": "w"}, idempotency_key=key), 400)
    assert not WorkerBeat.objects.exists()


@pytest.mark.django_db
def test_without_a_key_every_call_counts():
    bot = Caller("bot")
    assert bot.post("beats", {"name": "a"}).status_code == 201
    assert bot.post("beats", {"name": "b"}).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_while_the_first_call_runs_a_second_is_told_to_wait():
    inside.clear()
    go_on.clear()
    bot = Caller("bot")
    body = {"name": "w", "wait": True}
    answers = []

    def first() -> None:
        answers.append(bot.post("beats", body, idempotency_key="k"))
        connection.close()

    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(10)
    second = Caller.post(bot, "beats", body, idempotency_key="k")
    go_on.set()
    thread.join()
    assert is_problem(second, 409)
    assert second["Retry-After"]
    assert answers[0].status_code == 201
    assert bot.post("beats", body, idempotency_key="k").content == answers[0].content
    assert WorkerBeat.objects.count() == 1
