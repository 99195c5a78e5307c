"""JSON-RPC 2.0: the specification's own examples, and everything that is no call."""

import json
import threading
from typing import Any

import pytest
from django.db import connection
from django.urls import path
from hypothesis import given, settings
from hypothesis import strategies as st
from rest_framework import serializers
from rest_framework.request import Request

from ace_project.core.api import jsonrpc
from ace_project.core.api.fields import Integer, Text
from ace_project.core.api.jsonrpc import Call, RpcError
from ace_project.core.api.jsonrpc_view import Asker, JsonRpcView, Method
from ace_project.core.api.render import dumps
from ace_project.core.errors import AceError, Conflict, InvalidInput, NotFound, Unavailable
from ace_project.core.models import IdempotencyKey, WorkerBeat
from tests.callers import Caller, is_problem

pytestmark = [pytest.mark.urls(__name__)]

inside, go_on = threading.Event(), threading.Event()


class Nothing(serializers.Serializer):
    pass


class Difference(serializers.Serializer):
    minuend = Integer()
    subtrahend = Integer()


class Three(serializers.Serializer):
    a = Integer()
    b = Integer()
    c = Integer()


class Five(Three):
    d = Integer(required=False)
    e = Integer(required=False)


class Named(serializers.Serializer):
    name = Text()


class NoMoney(AceError):
    status = 402


def fail(error: Exception) -> Any:
    def run(asker: Asker, params: dict[str, Any]) -> None:
        raise error

    return Method("playbooks:read", Nothing, run)


def beat(asker: Asker, params: dict[str, Any]) -> str:
    return WorkerBeat.objects.create(name=params["name"]).name


def wait(asker: Asker, params: dict[str, Any]) -> str:
    assert not connection.in_atomic_block
    inside.set()
    go_on.wait(30)
    return beat(asker, params)


def subtract(asker: Asker, params: dict[str, Any]) -> int:
    return params["minuend"] - params["subtrahend"]


METHODS = {
    "subtract": Method("playbooks:read", Difference, subtract),
    "sum": Method("playbooks:read", Three, lambda a, p: sum(p.values())),
    "update": Method("playbooks:read", Five, lambda a, p: None),
    "notify_hello": Method("playbooks:read", Named, lambda a, p: None),
    "notify_sum": Method("playbooks:read", Three, lambda a, p: None),
    "get_data": Method("playbooks:read", Nothing, lambda a, p: ["hello", 5]),
    "room": Method("playbooks:read", Nothing, lambda a, p: a.room),
    "whoami": Method("playbooks:read", Nothing, lambda a, p: a.principal.agent_id),
    "review": Method("playbooks:review", Nothing, lambda a, p: True),
    "beat": Method("playbooks:read", Named, beat),
    "wait": Method("playbooks:read", Named, wait, atomic=False),
    "missing": fail(NotFound("there is no job 7")),
    "late": fail(Conflict("it has ended")),
    "poor": fail(NoMoney("no money")),
    "wrong": fail(InvalidInput("no", [{"pointer": "/config/a~1b", "message": "no"}])),
    "crash": fail(RuntimeError("a secret path /etc/x")),
    "away": fail(Unavailable("the database does not answer")),
    "odd": Method("playbooks:read", Nothing, lambda a, p: {object()}),
}


class View(JsonRpcView):
    methods = METHODS

    def post(self, request: Request) -> Any:
        return self.answer(request)


urlpatterns = [path("api/v1/jsonrpc", View.as_view())]


@pytest.fixture
def bot(db: None) -> Caller:
    return Caller("bot", "playbooks:read")


def send(caller: Caller, body: Any, **headers: str) -> Any:
    answer = caller.post("jsonrpc", body, **headers)
    assert answer.status_code in (200, 204), answer.content
    return answer.json() if answer.status_code == 200 else None


def ask(caller: Caller, method: str, params: Any = None, **headers: str) -> Any:
    call = {"jsonrpc": "2.0", "method": method, "id": 1}
    return send(caller, call if params is None else call | {"params": params}, **headers)


def bare(answer: Any) -> Any:
    """Return an answer without `data`, which the specification leaves to the server."""
    if isinstance(answer, list):
        return [bare(one) for one in answer]
    if answer and "error" in answer:
        told = {name: answer["error"][name] for name in ("code", "message")}
        return answer | {"error": told}
    return answer


INVALID = '{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}'
PARSE = '{"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": null}'
# Section 7 of the specification, request and answer.
EXAMPLES = [
    (
        '{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}',
        '{"jsonrpc": "2.0", "result": 19, "id": 1}',
    ),
    (
        '{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}',
        '{"jsonrpc": "2.0", "result": -19, "id": 2}',
    ),
    (
        '{"jsonrpc": "2.0", "method": "subtract",'
        ' "params": {"subtrahend": 23, "minuend": 42}, "id": 3}',
        '{"jsonrpc": "2.0", "result": 19, "id": 3}',
    ),
    (
        '{"jsonrpc": "2.0", "method": "subtract",'
        ' "params": {"minuend": 42, "subtrahend": 23}, "id": 4}',
        '{"jsonrpc": "2.0", "result": 19, "id": 4}',
    ),
    ('{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}', None),
    ('{"jsonrpc": "2.0", "method": "foobar"}', None),
    (
        '{"jsonrpc": "2.0", "method": "foobar", "id": "1"}',
        '{"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "1"}',
    ),
    ('{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]', PARSE),
    ('{"jsonrpc": "2.0", "method": 1, "params": "bar"}', INVALID),
    (
        '[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},'
        '{"jsonrpc": "2.0", "method"]',
        PARSE,
    ),
    ("[]", INVALID),
    ("[1]", f"[{INVALID}]"),
    ("[1,2,3]", f"[{INVALID},{INVALID},{INVALID}]"),
    (
        '[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},'
        '{"jsonrpc": "2.0", "method": "notify_hello", "params": ["7"]},'
        '{"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"},'
        '{"foo": "boo"},'
        '{"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},'
        '{"jsonrpc": "2.0", "method": "get_data", "id": "9"}]',
        '[{"jsonrpc": "2.0", "result": 7, "id": "1"},'
        '{"jsonrpc": "2.0", "result": 19, "id": "2"},'
        f"{INVALID},"
        '{"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "5"},'
        '{"jsonrpc": "2.0", "result": ["hello", 5], "id": "9"}]',
    ),
    (
        '[{"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]},'
        '{"jsonrpc": "2.0", "method": "notify_hello", "params": ["7"]}]',
        None,
    ),
]


@pytest.mark.parametrize(("request_text", "answer_text"), EXAMPLES)
def test_the_specification_s_examples(bot, request_text, answer_text):
    answer = bot.post("jsonrpc", request_text)
    if answer_text is None:
        assert (answer.status_code, answer.content) == (204, b"")
        return
    assert answer["Content-Type"] == "application/json"
    assert bare(send(bot, request_text)) == json.loads(answer_text)


@pytest.mark.parametrize("call_id", ["", "a", "é\u2028", 0, -1, 1.5, 10**30, None])
def test_every_legal_id_comes_back_as_it_is(bot, call_id):
    answer = send(bot, {"jsonrpc": "2.0", "method": "get_data", "id": call_id})
    assert answer == {"jsonrpc": "2.0", "id": call_id, "result": ["hello", 5]}
    assert type(answer["id"]) is type(call_id)


@pytest.mark.parametrize("call_id", [True, [], {}, [1]])
def test_an_id_of_another_kind_is_an_invalid_request_with_id_null(bot, call_id):
    answer = send(bot, {"jsonrpc": "2.0", "method": "get_data", "id": call_id})
    assert (answer["error"]["code"], answer["id"]) == (-32600, None)


@pytest.mark.parametrize(
    "change",
    [{"jsonrpc": "1.0"}, {"jsonrpc": 2.0}, {"method": None}, {"params": None}, {"params": 1}],
)
def test_an_invalid_request_keeps_the_id_that_could_be_made_out(bot, change):
    answer = send(bot, {"jsonrpc": "2.0", "method": "get_data", "id": 5} | change)
    assert (answer["error"]["code"], answer["id"]) == (-32600, 5)


def test_a_batch_of_51_does_nothing_and_one_of_50_does_all(bot):
    calls = [{"jsonrpc": "2.0", "method": "beat", "params": [f"w{n}"]} for n in range(51)]
    answer = send(bot, calls)
    assert (answer["error"]["code"], answer["id"]) == (-32600, None)
    assert not WorkerBeat.objects.exists()
    assert send(bot, calls[:50]) is None
    assert WorkerBeat.objects.count() == 50


def test_over_20_mb_is_refused_and_just_under_is_read(bot):
    call = '{"jsonrpc":"2.0","method":"whoami","id":1}'
    limit = 20 * 2**20
    assert is_problem(bot.post("jsonrpc", call.ljust(limit + 1)), 413)
    assert send(bot, call.ljust(limit))["result"] == "bot"


@pytest.mark.parametrize(
    "body",
    ["", "{", "\xff", "NaN", "[" * 100_000, "[" * 70 + "]" * 70, '{"id": 1e999}', '"\\u0000"'],
)
def test_what_cannot_be_read_is_a_parse_error(bot, body):
    raw = body.encode("latin-1")
    answer = bot.call("post", "jsonrpc", raw)
    assert answer.status_code == 200
    assert (answer.json()["error"]["code"], answer.json()["id"]) == (-32700, None)


def test_without_a_valid_token_it_is_a_401_before_anything_is_read(bot):
    assert is_problem(bot.post("jsonrpc", "{", authorization=""), 401)


@pytest.mark.parametrize("method", ["get", "put", "delete"])
def test_only_post_is_answered(bot, method):
    assert is_problem(bot.call(method, "jsonrpc"), 405)


@pytest.mark.parametrize(
    ("method", "code"),
    [
        ("missing", -31001),
        ("review", -31002),
        ("poor", -31003),
        ("late", -31004),
        ("wrong", -32602),
        ("away", -32603),
        ("crash", -32603),
        ("odd", -32603),
        ("rpc.discover", -32601),
    ],
)
def test_each_domain_error_has_its_code_and_none_tells_internals(bot, method, code):
    error = ask(bot, method)["error"]
    assert error["code"] == code
    assert error["message"]
    assert "secret" not in json.dumps(error)


def test_what_can_be_acted_on_is_in_the_data(bot):
    assert ask(bot, "missing")["error"]["data"] == {"detail": "there is no job 7"}
    assert ask(bot, "review")["error"]["data"]["scope"] == "playbooks:review"
    assert ask(bot, "wrong")["error"]["data"]["field"] == "config.a/b"
    assert ask(bot, "away")["error"]["data"]["retry_after"] > 0
    assert "data" not in ask(bot, "crash")["error"]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"minuend": 1}, "subtrahend"),
        ({"minuend": "1", "subtrahend": 2}, "minuend"),
        ({"minuend": 1, "subtrahend": 2, "extra": 3}, "extra"),
        ([1], "subtrahend"),
        ([1, 2, 3], ""),
    ],
)
def test_wrong_params_name_the_field(bot, params, field):
    error = ask(bot, "subtract", params)["error"]
    assert (error["code"], error["data"]["field"]) == (-32602, field)
    assert error["data"]["errors"][0]["message"]


def test_a_call_that_fails_leaves_the_others_of_its_batch_as_they_are(bot):
    calls = [
        {"jsonrpc": "2.0", "method": "beat", "params": ["a"], "id": 1},
        {"jsonrpc": "2.0", "method": "beat", "params": ["a"], "id": 2},
        {"jsonrpc": "2.0", "method": "beat", "params": ["b"], "id": 3},
    ]
    told = send(bot, calls, idempotency_key="k")
    assert [one["id"] for one in told] == [1, 2, 3]
    assert [("result" in one) for one in told] == [True, False, True]
    assert told[1]["error"]["code"] == -31004
    assert set(WorkerBeat.objects.values_list("name", flat=True)) == {"a", "b"}


def test_a_batch_under_a_key_happens_once_and_is_answered_the_same(bot):
    calls = [
        {"jsonrpc": "2.0", "method": "beat", "params": ["a"], "id": 1},
        {"jsonrpc": "2.0", "method": "missing", "id": 2},
    ]
    first = bot.post("jsonrpc", calls, idempotency_key="k")
    again = bot.post("jsonrpc", calls, idempotency_key="k")
    assert again.content == first.content
    assert again["Idempotency-Replayed"] == "true"
    assert is_problem(bot.post("jsonrpc", calls[:1], idempotency_key="k"), 422)
    silent = {"jsonrpc": "2.0", "method": "beat", "params": ["b"]}
    assert [bot.post("jsonrpc", silent, idempotency_key="l").status_code for _ in "ab"] == [204] * 2
    assert WorkerBeat.objects.count() == 2


def test_a_request_of_which_nothing_worked_keeps_no_key(bot):
    WorkerBeat.objects.create(name="a")
    call = {"jsonrpc": "2.0", "method": "beat", "params": ["a"], "id": 1}
    assert send(bot, call, idempotency_key="k")["error"]["code"] == -31004
    assert not IdempotencyKey.objects.exists()
    WorkerBeat.objects.all().delete()
    assert send(bot, call, idempotency_key="k")["result"] == "a"


@pytest.mark.django_db(transaction=True)
def test_a_method_that_commits_on_its_own_runs_once_too_and_in_no_transaction():
    inside.clear()
    go_on.clear()
    bot = Caller("bot", "playbooks:read")
    call = {"jsonrpc": "2.0", "method": "wait", "params": ["w"], "id": 1}
    answers = []

    def first() -> None:
        answers.append(bot.post("jsonrpc", call, idempotency_key="k"))
        connection.close()

    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(30)
    second = bot.post("jsonrpc", call, idempotency_key="k")
    go_on.set()
    thread.join()
    assert is_problem(second, 409)
    assert answers[0].json()["result"] == "w"
    assert bot.post("jsonrpc", call, idempotency_key="k").content == answers[0].content
    assert WorkerBeat.objects.count() == 1


def test_the_calls_of_a_batch_share_the_room_of_one_answer():
    def fill(call: Call, room: int) -> bytes:
        return dumps("x" * min(room, 400))

    batch = jsonrpc.read(dumps([{"jsonrpc": "2.0", "method": "m", "id": n} for n in range(4)]))
    told = json.loads(jsonrpc.answer(batch, fill, room=600).body)
    assert [len(one["result"]) for one in told] == [400, 164, 0, 0]


def test_under_a_key_an_answer_has_less_room(bot):
    assert ask(bot, "room")["result"] == 20 * 2**20
    assert ask(bot, "room", idempotency_key="k")["result"] == 2**20


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=20,
)
CALLS = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | JSON,
        "method": st.sampled_from(sorted(METHODS.keys() - {"wait"})) | JSON,
        "params": JSON,
        "id": JSON,
    },
)
BODIES = st.binary(max_size=200) | (CALLS | st.lists(CALLS | JSON, max_size=60) | JSON).map(
    lambda value: json.dumps(value).encode(errors="surrogatepass")
)


@given(body=BODIES)
@settings(max_examples=100)
def test_whatever_is_sent_the_answer_keeps_to_the_specification(body):
    def carry_out(call: Call, room: int) -> bytes:
        if call.method == "subtract":
            return b"19"
        raise RpcError(jsonrpc.METHOD_NOT_FOUND)

    try:
        calls = jsonrpc.read(body)
    except RpcError as error:
        assert error.code in (-32700, -32600)
        assert keeps_to_the_specification(json.loads(jsonrpc.refusal(error)))
        return
    answer = jsonrpc.answer(calls, carry_out)
    due = [c for c in calls.items if not (isinstance(c, Call) and c.is_notification)]
    if not due:
        assert answer.body is None
        return
    told = json.loads(answer.body)
    assert isinstance(told, list) == calls.is_batch
    told = told if calls.is_batch else [told]
    assert [one["id"] for one in told] == [item.id for item in due]
    assert all(map(keeps_to_the_specification, told))


def keeps_to_the_specification(response: dict[str, Any]) -> bool:
    if response["jsonrpc"] != "2.0" or "id" not in response:
        return False
    if "error" not in response:
        return set(response) == {"jsonrpc", "id", "result"}
    error = response["error"]
    told = isinstance(error["code"], int) and isinstance(error["message"], str)
    return told and set(response) == {"jsonrpc", "id", "error"}


@pytest.mark.django_db
def test_whatever_is_sent_it_is_never_a_500():
    caller = Caller("bot", "playbooks:read")

    @given(body=BODIES)
    @settings(max_examples=50)
    def never(body: bytes) -> None:
        WorkerBeat.objects.all().delete()
        answer = caller.call("post", "jsonrpc", body)
        assert answer.status_code in (200, 204)

    never()
