"""Traces over REST."""

import json
import threading
import time

import pytest
from django.db import connection
from django.test import Client

from ace_project.core import tokens
from evolution.ingest import Trace
from evolution.models import ExecutionTrace
from playbooks.actors import Actor, ActorKind
from playbooks.models import Agent
from playbooks.services import create_agent, delete_agent

AUTHOR = Actor(ActorKind.SERVICE, "test")
URL = "/api/v1/traces"
STEP = {"tool": "search", "arguments": {"q": 1}, "result": [1], "error": "no", "tokens": 3}
FULL = {
    "agent_id": "alpha",
    "trace_id": "t-1",
    "task_id": "task",
    "task_group": "group",
    "trial": 2,
    "execution_time": 1.25,
    "success": False,
    "output_quality": 0.5,
    "error_message": "it broke",
    "metadata": {"task_type": "refund", "nested": {"a": [1, 2.5, None]}},
    "steps": [STEP],
    "playbook_version": 3,
    "bullets": ["strategies-0123456789abcdef"],
    "session": "s",
    "captured_at": "2026-01-02T03:04:05Z",
}


class Caller:
    """A client that holds a token."""

    def __init__(self, agent_id, *scopes):
        text, self.row = tokens.issue(agent_id, scopes=scopes)
        # Else the first call would write it down, and cost a query more than the others.
        tokens.note_use(str(self.row.jti), time.time())
        self.client = Client(
            headers={"authorization": f"Bearer {text}"}, raise_request_exception=False
        )

    def post(self, body, url=URL, **headers):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.post(url, raw, content_type="application/json", headers=headers)

    def get(self, url=URL, **query):
        return self.client.get(url, query)


def least(**fields):
    return {"agent_id": "alpha", "execution_time": 1, "success": True, **fields}


@pytest.fixture
def alpha(db):
    create_agent(agent_id="alpha", author=AUTHOR)
    return Caller("alpha")


@pytest.fixture
def service(db):
    return Caller(None, "traces:write", "traces:read")


def test_a_trace_is_recorded_and_comes_back_whole(alpha):
    answer = alpha.post(FULL)
    assert answer.status_code == 201
    assert answer.json() == {"trace_id": "t-1", "captured_at": "2026-01-02T03:04:05Z"}
    found = alpha.get(f"{URL}/t-1").json()
    counted = {"step_count": 1, "error_count": 1, "tokens": 3, "task_type": "refund"}
    assert found == FULL | counted | {"origin": "agent"}


def test_a_trace_without_a_name_or_time_gets_them(alpha):
    answer = alpha.post(least()).json()
    kept = ExecutionTrace.objects.get()
    assert answer["trace_id"] == kept.trace_id
    assert kept.captured_at.isoformat()[:19] == answer["captured_at"][:19]


def test_both_prefixes_lead_to_the_same_place(alpha):
    assert alpha.post(FULL, "/internal/context/traces").status_code == 201
    assert alpha.get("/internal/context/traces/t-1").json()["trace_id"] == "t-1"


def test_the_same_name_again_gets_the_first_answer_and_changes_nothing(alpha):
    first = alpha.post(FULL)
    again = alpha.post(FULL | {"success": True, "captured_at": "2026-05-05T00:00:00Z"})
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert not ExecutionTrace.objects.get().success


def test_two_agents_may_use_one_name(alpha, service):
    create_agent(agent_id="beta", author=AUTHOR)
    alpha.post(FULL)
    assert service.post(FULL | {"agent_id": "beta"}).status_code == 201
    several = service.get(f"{URL}/t-1")
    assert several.status_code == 400
    assert several.json()["errors"][0]["pointer"] == "?agent_id"
    assert service.get(f"{URL}/t-1", agent_id="beta").json()["agent_id"] == "beta"
    assert alpha.get(f"{URL}/t-1").json()["agent_id"] == "alpha"


def test_one_statement_sees_that_the_token_is_live_and_records(alpha, django_assert_num_queries):
    with django_assert_num_queries(1):
        alpha.post(least())


def test_an_agents_own_token_makes_its_agent(db):
    answer = Caller("newcomer").post(least(agent_id="newcomer"))
    assert answer.status_code == 201
    assert Agent.objects.get(agent_id="newcomer").playbook.version == 1


def test_a_service_makes_an_agent_only_if_it_may_write_agents(service):
    body = least(agent_id="newcomer")
    assert service.post(body).status_code == 404
    assert not Agent.objects.exists()
    able = Caller(None, "traces:write", "agents:write")
    assert able.post(body).status_code == 201
    odd = able.post(least(agent_id="no good"))
    assert (odd.status_code, odd.json()["errors"][0]["pointer"]) == (400, "/agent_id")


def test_another_agents_traces_do_not_exist_for_an_agent(alpha):
    create_agent(agent_id="beta", author=AUTHOR)
    stranger = Caller("beta")
    alpha.post(FULL)
    assert stranger.post(least(trace_id="x")).status_code == 404
    assert stranger.get(f"{URL}/t-1").status_code == 404
    assert stranger.get(f"{URL}/t-1", agent_id="alpha").status_code == 404
    assert stranger.get(agent_id="alpha").status_code == 404
    assert stranger.get().json()["results"] == []
    assert ExecutionTrace.objects.count() == 1


@pytest.mark.parametrize("url", [URL, f"{URL}/batch", f"{URL}/t-1"])
def test_without_a_token_there_is_nothing(db, url):
    assert Client().get(url).status_code == 401
    assert Client().post(url, b"{}", content_type="application/json").status_code == 401


def test_a_revoked_token_is_refused(alpha):
    tokens.revoke(str(alpha.row.jti))
    assert alpha.post(FULL).status_code == 401
    assert alpha.get().status_code == 401


def test_each_method_needs_its_scope(alpha):
    reader, writer = Caller("alpha", "traces:read"), Caller("alpha", "traces:write")
    assert reader.post(FULL).status_code == 403
    assert reader.post({"traces": [FULL]}, f"{URL}/batch").status_code == 403
    assert writer.get().status_code == 403
    assert writer.get(f"{URL}/t-1").status_code == 403
    assert not ExecutionTrace.objects.exists()


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
@pytest.mark.parametrize("url", [URL, f"{URL}/batch", f"{URL}/t-1"])
def test_a_wrong_method_is_a_405(alpha, method, url):
    assert getattr(alpha.client, method)(url).status_code == 405


def test_bad_input_is_a_problem_with_pointers(alpha):
    answer = alpha.post(least(success="yes", steps=[{"tool": "t"}]))
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    pointers = [error["pointer"] for error in answer.json()["errors"]]
    assert pointers == ["/success", "/steps/0/arguments"]


HOSTILE = [
    b"",
    b"null",
    b"[]",
    b'"x"',
    b"{",
    b"\xff\xfe",
    b"[" * 10_000,
    b'{"a":' * 10_000,
    b'{"agent_id":"alpha","execution_time":NaN,"success":true}',
    b'{"agent_id":"alpha","execution_time":1e999,"success":true}',
    b'{"agent_id":"alpha","execution_time":1,"success":true,"trial":' + b"9" * 5000 + b"}",
    b'{"agent_id":"alpha","execution_time":1,"success":true,"metadata":{"x":"\\ud800"}}',
    b'{"agent_id":"alpha","execution_time":1,"success":true,"metadata":{"\\u0000":1}}',
    b'{"agent_id":"alpha","execution_time":1,"success":true,"trace_id":"\\u0000"}',
    b'{"agent_id":"\\u0000","execution_time":1,"success":true}',
]


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_bodies_are_refused_and_nothing_is_written(alpha, body):
    assert alpha.post(body).status_code == 400
    assert alpha.post(b'{"traces":[' + body + b"]}", f"{URL}/batch").status_code in (200, 400)
    assert not ExecutionTrace.objects.exists()


@pytest.mark.parametrize(
    "text", ["'; DROP TABLE agents; --", "<script>alert(1)</script>", "%s", "\\"]
)
def test_sql_and_html_are_only_text(alpha, text):
    names = ["trace_id", "task_id", "task_group", "session", "error_message"]
    body = least(**dict.fromkeys(names, text), metadata={text: text}, bullets=[text])
    assert alpha.post(body).status_code == 201
    assert (
        alpha.post({"traces": [body | {"trace_id": "b"}]}, f"{URL}/batch").json()["accepted"] == 1
    )
    for kept in ExecutionTrace.objects.all():
        assert (kept.task_id, kept.error_message, kept.metadata) == (text, text, {text: text})


def test_integers_of_any_size_survive_in_metadata(alpha):
    alpha.post(least(trace_id="big", metadata={"n": 2**70, "f": 1e300}))
    assert alpha.get(f"{URL}/big").json()["metadata"]["n"] == 2**70


@pytest.mark.parametrize("name", ["a/b", "batch", "ünïcode ☃", "a?b#c", ".."])
def test_a_trace_may_have_any_name(alpha, name):
    from urllib.parse import quote

    assert alpha.post(least(trace_id=name)).status_code == 201
    assert alpha.get(f"{URL}/{quote(name, safe='')}").json()["trace_id"] == name


def test_a_name_with_a_nul_is_not_found(alpha):
    assert alpha.get(f"{URL}/a%00b").status_code == 404


def test_an_idempotency_key_gives_the_first_answer_and_no_second_trace(alpha):
    body = least()
    first = alpha.post(body, **{"Idempotency-Key": "k"})
    again = alpha.post(body, **{"Idempotency-Key": "k"})
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert alpha.post(FULL, **{"Idempotency-Key": "k"}).status_code == 422
    assert ExecutionTrace.objects.count() == 1


def test_a_batch_takes_what_is_good_and_says_what_is_not(alpha):
    traces = [least(trace_id="a"), least(success=1), 7, least(agent_id="beta"), least(trace_id="b")]
    answer = alpha.post({"traces": traces}, f"{URL}/batch")
    assert answer.status_code == 200
    found = answer.json()
    assert found["accepted"] == 2
    assert [item["index"] for item in found["rejected"]] == [1, 2, 3]
    assert found["rejected"][0]["errors"][0]["pointer"] == "/success"
    assert found["rejected"][2]["errors"][0]["pointer"] == "/agent_id"
    assert set(ExecutionTrace.objects.values_list("trace_id", flat=True)) == {"a", "b"}


def test_a_batch_sent_again_gets_the_same_answer_and_adds_nothing(alpha):
    batch = {"traces": [least(trace_id=f"t{i % 40}", task_id=str(i)) for i in range(50)]}
    first = alpha.post(batch, f"{URL}/batch").json()
    assert alpha.post(batch, f"{URL}/batch").json() == first == {"accepted": 50, "rejected": []}
    assert ExecutionTrace.objects.count() == 40
    assert ExecutionTrace.objects.get(trace_id="t3").task_id == "3"


def test_a_row_of_a_batch_is_the_row_of_a_single_trace(alpha):
    alpha.post(FULL)
    alpha.post({"traces": [FULL | {"trace_id": "t-2"}]}, f"{URL}/batch")
    one, two = (alpha.get(f"{URL}/{name}").json() for name in ("t-1", "t-2"))
    assert one | {"trace_id": "t-2"} == two


def test_a_batch_has_at_most_1000_traces(alpha):
    assert alpha.post({"traces": [least()] * 1000}, f"{URL}/batch").json()["accepted"] == 1000
    assert alpha.post({"traces": [least()] * 1001}, f"{URL}/batch").status_code == 400
    assert ExecutionTrace.objects.count() == 1000


def test_a_batch_of_100_costs_no_query_per_trace(alpha, django_assert_max_num_queries):
    with django_assert_max_num_queries(4):
        alpha.post({"traces": [least() for _ in range(100)]}, f"{URL}/batch")


def test_a_service_may_bring_traces_of_several_agents(alpha, service):
    create_agent(agent_id="beta", author=AUTHOR)
    traces = [least(agent_id=name) for name in ("alpha", "beta", "gamma", "alpha")]
    found = service.post({"traces": traces}, f"{URL}/batch").json()
    assert (found["accepted"], [item["index"] for item in found["rejected"]]) == (3, [2])


def test_a_list_runs_back_in_pages_without_the_steps(alpha):
    for number in range(5):
        alpha.post(FULL | {"trace_id": f"t{number}"})
    first = alpha.get(limit=3).json()
    second = alpha.get(limit=3, cursor=first["next"]).json()
    names = [item["trace_id"] for item in first["results"] + second["results"]]
    assert names == ["t4", "t3", "t2", "t1", "t0"]
    assert second["next"] is None
    assert not {"steps", "metadata", "bullets"} & set(first["results"][0])


def test_a_list_never_reads_the_steps_and_asks_nothing_per_row(alpha, django_assert_num_queries):
    alpha.post({"traces": [FULL | {"trace_id": f"t{i}"} for i in range(50)]}, f"{URL}/batch")
    with django_assert_num_queries(3) as captured:
        assert len(alpha.get(limit=50).json()["results"]) == 50
    assert not any('"steps"' in query["sql"] for query in captured)


def test_a_list_is_filtered_by_outcome_time_and_agent(alpha, service):
    create_agent(agent_id="beta", author=AUTHOR)
    service.post(least(agent_id="beta", trace_id="b1"))
    alpha.post(FULL)
    alpha.post(least(trace_id="good"))

    def names(caller, **query):
        return {item["trace_id"] for item in caller.get(**query).json()["results"]}

    assert names(service) == {"b1", "t-1", "good"}
    assert names(service, agent_id="alpha") == names(alpha) == {"t-1", "good"}
    assert names(alpha, success="false") == {"t-1"}
    assert names(alpha, success="true") == {"good"}
    assert names(alpha, since="2026-01-02T03:04:06Z") == {"good"}
    assert names(alpha, since="2026-01-02T03:04:05Z") == {"t-1", "good"}


@pytest.mark.parametrize(
    "query",
    [{"success": "perhaps"}, {"since": "soon"}, {"limit": 0}, {"limit": 201}, {"cursor": "x"}],
)
def test_a_query_that_cannot_be_read_is_a_400(alpha, query):
    assert alpha.get(**query).status_code == 400


def test_the_open_api_shape_is_that_of_the_model(db):
    schema = Client().get("/api/schema/", headers={"accept": "application/json"}).json()
    post = schema["paths"]["/api/v1/traces"]["post"]
    shape = post["requestBody"]["content"]["application/json"]["schema"]
    assert set(shape["properties"]) == set(Trace.model_fields)
    assert shape["required"] == ["agent_id", "execution_time", "success"]
    assert '"type": "null"' not in json.dumps(shape)
    assert "/api/v1/traces/batch" in schema["paths"]


@pytest.mark.django_db(transaction=True)
def test_the_same_batch_at_once_from_many_callers_is_kept_once():
    agent = create_agent(agent_id="alpha", author=AUTHOR)
    callers = [Caller("alpha") for _ in range(4)]
    names = [f"t{i}" for i in range(300)]
    answers = []

    def send(number, caller):
        order = names if number % 2 else list(reversed(names))
        body = {"traces": [least(trace_id=name) for name in order]}
        answers.append(caller.post(body, f"{URL}/batch").json())
        connection.close()

    threads = [threading.Thread(target=send, args=pair) for pair in enumerate(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [{"accepted": 300, "rejected": []}] * 4
    assert ExecutionTrace.objects.count() == 300
    delete_agent(agent=agent, author=AUTHOR)
    assert not ExecutionTrace.objects.exists()


@pytest.mark.django_db
def test_a_token_that_relays_only_marks_what_it_sends_as_another_partys():
    create_agent(agent_id="alpha", author=AUTHOR)
    relay = Caller("alpha", "traces:relay")
    assert relay.post(least(trace_id="relayed")).status_code == 201
    batch = {"traces": [least(trace_id="relayed too")]}
    assert relay.post(batch, f"{URL}/batch").json()["accepted"] == 1
    own = Caller("alpha", "traces:relay", "traces:write")
    assert own.post(least(trace_id="own")).status_code == 201
    origins = dict(ExecutionTrace.objects.values_list("trace_id", "origin"))
    assert origins == {"relayed": "third_party", "relayed too": "third_party", "own": "agent"}
