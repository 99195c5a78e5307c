"""Reading a model's answer: what is exactly as asked passes, everything else is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolution.delta_parser import AnswerInvalid, Citation, answer_schema, parse_answer
from playbooks.content import bullet_id

CONTENT = {"strategies": ["Check the date.", "Greet first."], "limits": {"refund": 100}}
KNOWN = bullet_id("strategies", "Check the date.")
OTHER = bullet_id("strategies", "Greet first.")
ADD = {"op": "add", "section": "strategies", "text": "Look twice."}
CITED = {"trace": "T1", "shows": {"tool": "pay", "error": None, "outcome": "failure"}}


def delta(**changes):
    good = {"operations": [ADD], "confidence": 0.8, "reasoning": "It helps.", "citations": [CITED]}
    return {**good, **changes}


def answer(*deltas):
    return json.dumps({"deltas": list(deltas)})


def read(*deltas, most=5):
    return parse_answer(answer(*deltas), CONTENT, most)


def test_a_good_answer_is_read_as_it_stands():
    (found,) = read(delta()).deltas
    assert found.operations == [ADD]
    assert found.confidence == 0.8
    assert found.reasoning == "It helps."
    assert found.citations == (Citation("T1", tool="pay", outcome="failure"),)


def test_no_deltas_is_an_answer_too():
    assert read() == parse_answer('{"deltas": []}', CONTENT, 5)
    assert not read().deltas


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "update", "bullet_id": KNOWN, "text": "Check the day."},
        {"op": "remove", "bullet_id": KNOWN},
        {"op": "merge", "bullet_ids": [KNOWN, OTHER], "text": "Greet, then check the date."},
    ],
)
def test_bullets_of_the_playbook_may_be_changed(operation):
    assert read(delta(operations=[operation])).deltas[0].operations == [operation]


def test_a_lesson_without_a_section_goes_to_the_strategies():
    (found,) = read(delta(operations=[{"op": "add", "text": "Look twice."}])).deltas
    assert found.operations == [ADD]


@pytest.mark.parametrize(
    "words",
    ["{}", "```json\n{}\n```", "Here it is:\n```\n{}\n```\nGood luck!", "<think>{{</think>{}"],
)
def test_the_only_fence_is_the_answer_and_thoughts_are_none(words):
    assert parse_answer(words.format(answer(delta())), CONTENT, 5) == read(delta())


def test_two_fences_leave_a_choice_and_are_refused():
    fence = f"```\n{answer(delta())}\n```\n"
    with pytest.raises(AnswerInvalid, match="not JSON"):
        parse_answer(fence + fence, CONTENT, 5)


def test_a_bad_delta_among_good_ones_is_refused_alone_with_its_reasons():
    bad = delta(confidence=2)
    parsed = read(delta(), bad, delta(reasoning="Also."))
    assert [d.reasoning for d in parsed.deltas] == ["It helps.", "Also."]
    (refused,) = parsed.refused
    assert refused.index == 1
    assert refused.errors == ("/deltas/1/confidence: must be a number from 0 to 1",)
    assert json.loads(refused.raw) == bad


HOSTILE_DELTAS = {
    "an id that the playbook lacks": (
        {"operations": [{"op": "remove", "bullet_id": "strategies-0123456789abcdef"}]},
        "the playbook has no bullet",
    ),
    "no id at all": ({"operations": [{"op": "remove", "bullet_id": "all"}]}, "bullet's id"),
    "another agent's playbook": ({"agent_id": "somebody-else"}, "is for the agent asked about"),
    "an unknown field": ({"apply_now": True}, "no field 'apply_now'"),
    "an operation of people": (
        {"operations": [{"op": "set", "path": "/limits/refund", "value": 10**6}]},
        "must be add, update, remove, merge",
    ),
    "an invented operation": ({"operations": [{"op": "exec", "text": "rm"}]}, "must be add"),
    "a place in the list": ({"operations": [{**ADD, "position": 0}]}, "not for a model"),
    "operations that are no list": ({"operations": ADD}, "list of 1 to 10"),
    "no operation": ({"operations": []}, "list of 1 to 10"),
    "too many operations": ({"operations": [ADD] * 11}, "list of 1 to 10"),
    "an operation that is a text": ({"operations": ["add"]}, "must be add"),
    "an unknown field of an operation": ({"operations": [{**ADD, "by": "x"}]}, "no such field"),
    "an empty lesson": ({"operations": [{**ADD, "text": " "}]}, "may not be empty"),
    "a lesson as long as a book": ({"operations": [{**ADD, "text": "x" * 1001}]}, "1,000"),
    "a NUL in a lesson": ({"operations": [{**ADD, "text": "a\x00b"}]}, "NUL"),
    "half a surrogate in a lesson": ({"operations": [{**ADD, "text": "a\ud800"}]}, "surrogate"),
    "a NUL in the reasoning": ({"reasoning": "a\x00"}, "NUL"),
    "half a surrogate in a citation": (
        {"citations": [{"trace": "\udfff", "shows": {}}]},
        "surrogate",
    ),
    "an endless reasoning": ({"reasoning": "x" * 2001}, "longer than"),
    "no reasoning": ({"reasoning": ""}, "must be a text"),
    "a negative confidence": ({"confidence": -0.1}, "0 to 1"),
    "a huge confidence": ({"confidence": 1e308}, "0 to 1"),
    "a confidence of many digits": ({"confidence": 10**400}, "0 to 1"),
    "a confidence in words": ({"confidence": "0.9"}, "0 to 1"),
    "a confidence that is true": ({"confidence": True}, "0 to 1"),
    "no confidence": ({"confidence": None}, "0 to 1"),
    "citations that are no list": ({"citations": {}}, "at most 20"),
    "too many citations": ({"citations": [CITED] * 21}, "at most 20"),
    "a citation without claims": ({"citations": [{"trace": "T1"}]}, "must be"),
    "a citation of a number": ({"citations": [{"trace": 1, "shows": {}}]}, "must be a text"),
    "a citation's unknown claim": (
        {"citations": [{"trace": "T1", "shows": {"mood": "good"}}]},
        "no field 'mood'",
    ),
    "an invented outcome": (
        {"citations": [{"trace": "T1", "shows": {"outcome": "won"}}]},
        '"success" or "failure"',
    ),
}


@pytest.mark.parametrize("name", HOSTILE_DELTAS)
def test_a_hostile_delta_is_refused_by_name_and_spoils_no_other(name):
    change, word = HOSTILE_DELTAS[name]
    parsed = read(delta(), delta(**change))
    assert len(parsed.deltas) == 1
    assert word in " ".join(parsed.refused[0].errors)
    with pytest.raises(AnswerInvalid, match="/deltas/0"):
        read(delta(**change))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "not JSON"),
        ("Sure! Here are the deltas:", "not JSON"),
        (f"{answer(delta())} Hope this helps!", "not JSON"),
        (answer(delta())[:-20], "not JSON"),
        ("[]", "must be"),
        ("null", "must be"),
        ('{"deltas": {}}', "must be"),
        ('{"delta": []}', "must be"),
        ('{"deltas": [], "note": "x"}', "not 'note'"),
        ('{"deltas": [], "deltas": []}', "names a key twice"),
        ('{"deltas": [{"confidence": NaN}]}', "NaN is no number"),
        ('{"deltas": [{"confidence": -Infinity}]}', "Infinity is no number"),
        ('{"deltas": [' + "9" * 5000 + "]}", "not JSON"),
        ('{"deltas": ' + "[" * 100_000, "not JSON"),
        ("x" * 200_001, "longer than"),
        (answer(*[delta()] * 6), "6 deltas are more than the 5 allowed"),
        (answer("remove everything"), "must be an object"),
        (answer({}), "is needed"),
    ],
)
def test_an_answer_of_which_nothing_can_be_used_says_why(text, word):
    with pytest.raises(AnswerInvalid, match=word):
        parse_answer(text, CONTENT, 5)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["op", "text", "section", "bullet_id", "operations", "confidence", "shows"]
            )
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)


@given(st.lists(JSON, max_size=4), st.booleans())
def test_whatever_a_model_answers_the_end_is_a_parse_or_a_refusal(items, beside_a_good_one):
    items = [delta(), *items] if beside_a_good_one else items
    try:
        parsed = parse_answer(json.dumps({"deltas": items}), CONTENT, 5)
    except AnswerInvalid as error:
        assert error.errors
        return
    assert len(parsed.deltas) + len(parsed.refused) == len(items)
    assert all(0 <= found.confidence <= 1 for found in parsed.deltas)


@given(st.text(max_size=60))
def test_whatever_text_a_model_answers_it_is_refused_or_has_no_deltas(text):
    try:
        assert parse_answer(text, CONTENT, 5).deltas == ()
    except AnswerInvalid as error:
        assert str(error)


def objects(schema):
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for value in schema.values():
            yield from objects(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from objects(value)


def test_the_schema_is_strict_everywhere():
    found = list(objects(answer_schema(5)))
    assert len(found) == 8
    for schema in found:
        assert schema["additionalProperties"] is False
        assert schema["required"] == list(schema["properties"])
