"""Operations: read strictly, applied, taken back exactly, rebased without losing anything."""

import copy
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playbooks import operations as ops
from playbooks.content import ContentError, bullet_id, bullets, canonical, normalise, same


def add(text, section="s", **more):
    return {"op": "add", "section": section, "text": text, **more}


def remove(text, section="s"):
    return {"op": "remove", "bullet_id": bullet_id(section, text)}


def update(old, new, section="s"):
    return {"op": "update", "bullet_id": bullet_id(section, old), "text": new}


def move(text, position, section="s"):
    return {"op": "move", "bullet_id": bullet_id(section, text), "position": position}


def merge(texts, new, section="s"):
    return {"op": "merge", "bullet_ids": [bullet_id(section, t) for t in texts], "text": new}


def put(path, value):
    return {"op": "set", "path": path, "value": value}


def unset(path):
    return {"op": "unset", "path": path}


def applied(content, *operations):
    return ops.apply(content, operations).content


# Reading ---------------------------------------------------------------------------------------

GOOD_ID = "s-0123456789abcdef"
EVERY_KIND = [
    {"op": "add", "section": "s", "text": "x"},
    {"op": "add", "section": "s", "text": "x", "position": 0},
    {"op": "move", "bullet_id": GOOD_ID, "position": 3},
    {"op": "update", "bullet_id": GOOD_ID, "text": "y"},
    {"op": "remove", "bullet_id": GOOD_ID},
    {"op": "merge", "bullet_ids": [GOOD_ID, "s-fedcba9876543210"], "text": "z"},
    {"op": "set", "path": "/a/b~1c/0", "value": {"deep": [1, None]}},
    {"op": "set", "path": "", "value": {}},
    {"op": "unset", "path": "/a"},
]


def test_every_kind_of_operation_is_read_as_it_was_sent():
    assert ops.parse_operations(EVERY_KIND) == EVERY_KIND


@pytest.mark.parametrize(
    ("operation", "pointer"),
    [
        ("add", "/0"),
        ({}, "/0/op"),
        ({"op": "replace"}, "/0/op"),
        ({"op": ["add"]}, "/0/op"),
        ({"op": "add", "section": "s"}, "/0/text"),
        ({"op": "add", "text": "x"}, "/0/section"),
        ({"op": "add", "section": " ", "text": "x"}, "/0/section"),
        ({"op": "add", "section": "s", "text": "  \n"}, "/0/text"),
        ({"op": "add", "section": "s", "text": 5}, "/0/text"),
        ({"op": "add", "section": "s", "text": "a\x00"}, "/0/text"),
        ({"op": "add", "section": "s", "text": "\ud800"}, "/0/text"),
        ({"op": "add", "section": "s", "text": "x" * 20_001}, "/0/text"),
        ({"op": "add", "section": "s", "text": "x", "position": -1}, "/0/position"),
        ({"op": "add", "section": "s", "text": "x", "position": True}, "/0/position"),
        ({"op": "add", "section": "s", "text": "x", "position": 1.0}, "/0/position"),
        ({"op": "add", "section": "s", "text": "x", "position": None}, "/0/position"),
        ({"op": "add", "section": "s", "text": "x", "path": "/s"}, "/0/path"),
        ({"op": "remove", "bullet_id": "nonsense"}, "/0/bullet_id"),
        ({"op": "remove", "bullet_id": GOOD_ID + "\n"}, "/0/bullet_id"),
        ({"op": "move", "bullet_id": GOOD_ID}, "/0/position"),
        ({"op": "merge", "bullet_ids": [GOOD_ID], "text": "x"}, "/0/bullet_ids"),
        ({"op": "merge", "bullet_ids": [GOOD_ID, GOOD_ID], "text": "x"}, "/0/bullet_ids"),
        ({"op": "merge", "bullet_ids": [GOOD_ID, 4], "text": "x"}, "/0/bullet_ids/1"),
        ({"op": "set", "path": "a", "value": 1}, "/0/path"),
        ({"op": "set", "path": "/a~2", "value": 1}, "/0/path"),
        ({"op": "set", "path": "/a" * 65, "value": 1}, "/0/path"),
        ({"op": "set", "path": "/a"}, "/0/value"),
        ({"op": "set", "path": "", "value": []}, "/0/value"),
        ({"op": "set", "path": "/a", "value": {"b": [float("nan")]}}, "/0/value/b/0"),
        ({"op": "set", "path": "/a", "value": ["x" * 20_001]}, "/0/value/0"),
        ({"op": "unset", "path": ""}, "/0/path"),
        ({"op": "unset", "path": "/a", 5: 6}, "/0/5"),
    ],
)
def test_a_malformed_operation_is_refused_with_its_pointer(operation, pointer):
    with pytest.raises(ops.OperationError) as caught:
        ops.parse_operations([operation])
    assert caught.value.errors[0]["pointer"] == pointer


@pytest.mark.parametrize("raw", [None, {}, "add", [], [add("x")] * 201])
def test_only_a_list_of_1_to_200_operations_is_read(raw):
    with pytest.raises(ops.OperationError) as caught:
        ops.parse_operations(raw)
    assert caught.value.pointer == ""


def test_every_error_is_collected():
    with pytest.raises(ops.OperationError) as caught:
        ops.parse_operations([add(""), add("fine"), {"op": "remove"}, {"op": "set", "path": "x"}])
    found = [error["pointer"] for error in caught.value.errors]
    assert found == ["/0/text", "/2/bullet_id", "/3/path", "/3/value"]


def test_values_are_stored_as_the_database_gives_them_back():
    assert canonical(ops.parse_operations([put("/a", 1e22)])[0]["value"]) == b"1" + b"0" * 22


json_junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["op", "section", "text", "path", "value", "bullet_id", "position"]),
            inner | st.sampled_from(["add", "set", "unset", "merge", "move", "remove", "update"]),
            max_size=4,
        )
    ),
)


@settings(deadline=None)
@given(json_junk)
def test_no_input_at_all_gets_past_the_reader_without_being_an_operation(raw):
    try:
        read = ops.parse_operations(raw)
    except ops.OperationError as error:
        assert error.errors
    else:
        assert same(read, json.loads(json.dumps(read)))


# Applying --------------------------------------------------------------------------------------


def test_an_add_without_a_position_comes_last():
    assert applied({"s": ["a"]}, add("b")) == {"s": ["a", "b"]}


def test_an_add_with_a_position_takes_that_place():
    assert applied({"s": ["a", "b"]}, add("x", position=1)) == {"s": ["a", "x", "b"]}


def test_a_position_past_the_end_means_last():
    assert applied({"s": ["a"]}, add("x", position=99)) == {"s": ["a", "x"]}


def test_adding_the_same_lesson_twice_does_nothing_and_inverts_to_nothing():
    result = ops.apply({"s": ["be  kind"]}, [add(" be kind")])
    assert result.content == {"s": ["be  kind"]}
    assert result.inverse == result.applied_operations == []


def test_an_add_to_a_missing_section_makes_it_and_its_inverse_takes_it_away():
    result = ops.apply({}, [add("a", "new")])
    assert result.content == {"new": ["a"]}
    assert applied(result.content, *result.inverse) == {}


def test_an_add_to_a_section_that_is_no_list_of_bullets_is_refused():
    for value in ({"x": 1}, ["a", 1], "text", None):
        with pytest.raises(ops.OperationError, match="not a list of bullets") as caught:
            ops.apply({"s": value}, [add("fine", "other"), add("a")])
        assert caught.value.pointer == "/1"


def test_a_removal_remembers_its_place():
    result = ops.apply({"s": ["a", "b", "c"]}, [remove("b")])
    assert result.content == {"s": ["a", "c"]}
    assert applied(result.content, *result.inverse) == {"s": ["a", "b", "c"]}


def test_a_removal_takes_out_every_equal_bullet_and_its_inverse_puts_all_back():
    content = {"s": ["a", "b", "a ", "c", "a"]}
    result = ops.apply(content, [remove("a")])
    assert result.content == {"s": ["b", "c"]}
    assert applied(result.content, *result.inverse) == content


def test_an_update_keeps_the_place_and_records_the_lineage():
    result = ops.apply({"s": ["a", "b"]}, [update("a", "A")])
    assert result.content == {"s": ["A", "b"]}
    assert result.lineage == [{"bullet_id": bullet_id("s", "A"), "from": [bullet_id("s", "a")]}]


def test_an_update_to_what_another_bullet_says_folds_into_it():
    content = {"s": ["a", "b"]}
    result = ops.apply(content, [update("a", "b")])
    assert result.content == {"s": ["b"]}
    assert applied(result.content, *result.inverse) == content


def test_an_update_of_spaces_alone_has_no_lineage():
    result = ops.apply({"s": ["a b"]}, [update("a b", "a  b")])
    assert result.content == {"s": ["a  b"]}
    assert result.lineage == []
    assert applied(result.content, *result.inverse) == {"s": ["a b"]}


def test_a_merge_stands_where_the_first_named_stood_and_names_its_parents():
    content = {"s": ["a", "b", "c", "d"]}
    result = ops.apply(content, [merge(["c", "a"], "ac")])
    assert result.content == {"s": ["b", "ac", "d"]}
    parents = [bullet_id("s", "c"), bullet_id("s", "a")]
    assert result.lineage == [{"bullet_id": bullet_id("s", "ac"), "from": parents}]
    assert applied(result.content, *result.inverse) == content


def test_a_merge_may_keep_the_wording_of_one_of_the_merged():
    content = {"s": ["a", "b", "c"]}
    result = ops.apply(content, [merge(["a", "b"], "b")])
    assert result.content == {"s": ["b", "c"]}
    assert applied(result.content, *result.inverse) == content


def test_a_merge_reaches_over_sections():
    content = {"s": ["a"], "t": ["x", "y"]}
    both = {
        "op": "merge",
        "bullet_ids": [bullet_id("t", "y"), bullet_id("s", "a")],
        "text": "ya",
    }
    result = ops.apply(content, [both])
    assert result.content == {"s": [], "t": ["x", "ya"]}
    assert applied(result.content, *result.inverse) == content


def test_a_move_gives_the_final_place():
    assert applied({"s": ["a", "b", "c"]}, move("a", 1)) == {"s": ["b", "a", "c"]}
    assert applied({"s": ["a", "b", "c"]}, move("a", 99)) == {"s": ["b", "c", "a"]}
    assert ops.apply({"s": ["a"]}, [move("a", 5)]).inverse == []


@pytest.mark.parametrize(
    "operation", [remove("x"), update("x", "y"), move("x", 0), merge(["a", "x"], "y")]
)
def test_a_bullet_that_is_not_there_is_refused(operation):
    with pytest.raises(ops.OperationError, match=bullet_id("s", "x")):
        ops.apply({"s": ["a"]}, [operation])


def test_bullets_of_two_sections_with_the_same_slug_are_told_apart():
    content = {"my goals": ["a"], "my-goals": ["a"]}
    assert applied(content, remove("a", "my-goals")) == {"my goals": ["a"], "my-goals": []}


@pytest.mark.parametrize(
    ("content", "operation", "expected"),
    [
        ({}, put("/a/b/0", 1), {"a": {"b": {"0": 1}}}),
        ({"a": [1, 2]}, put("/a/1", 9), {"a": [1, 9]}),
        ({"a": [1, 2]}, put("/a/-", 3), {"a": [1, 2, 3]}),
        ({"a": [1]}, put("/a/1/x", 3), {"a": [1, {"x": 3}]}),
        ({"a": {"-": 1}}, put("/a/-", 2), {"a": {"-": 2}}),
        ({"a~/b": 1}, put("/a~0~1b", 2), {"a~/b": 2}),
        ({"": 1}, put("/", 2), {"": 2}),
        ({"a": 1}, put("", {"b": 1}), {"b": 1}),
        ({"a": 1, "b": 2}, unset("/a"), {"b": 2}),
        ({"a": [1, 2, 3]}, unset("/a/1"), {"a": [1, 3]}),
        ({"a": None}, put("/a", False), {"a": False}),
        ({"a": 1}, put("/a", True), {"a": True}),
    ],
)
def test_a_path_is_set_and_unset_and_given_back(content, operation, expected):
    result = ops.apply(content, [operation])
    assert same(result.content, expected)
    assert same(applied(result.content, *result.inverse), content)


@pytest.mark.parametrize(
    ("content", "operation"),
    [
        ({"a": 1}, put("/a/b", 1)),
        ({"a": "text"}, put("/a/0", "x")),
        ({"a": [1]}, put("/a/2", 1)),
        ({"a": [1]}, put("/a/01", 1)),
        ({"a": [1]}, put("/a/x", 1)),
        ({"a": 1}, unset("/b")),
        ({"a": [1]}, unset("/a/1")),
        ({"a": [1]}, unset("/a/-")),
        ({}, put("/a" * 60, {"x": {"y": {"z": {"u": {"v": 1}}}}})),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(content, operation):
    with pytest.raises(ops.OperationError):
        ops.apply(content, [operation])


def test_setting_what_is_there_already_does_nothing():
    assert ops.apply({"a": {"b": 1}}, [put("/a", {"b": 1})]).inverse == []


def test_the_content_given_is_never_changed():
    content = {"s": ["a", "b"], "t": {"x": [1]}}
    value = ["p"]
    before = copy.deepcopy(content)
    ops.apply(content, [remove("a"), put("/t/x/0", 5), put("/s", value), add("q"), unset("/t")])
    assert content == before
    assert value == ["p"]


def test_a_result_over_the_limits_is_refused():
    with pytest.raises(ContentError):
        ops.apply({"s": ["a"]}, [put("/s/0", "x" * 20_001)])
    with pytest.raises(ContentError):
        ops.apply({"big": "x" * 4_999_900}, [add("y" * 200)])


# Inverse, for everything that hypothesis can think of --------------------------------------------

texts = st.text(
    alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8
)
words = st.sampled_from(["a", "b", "c", "a ", " b", "é", "e\u0301", "A/~", "", "x" * 1000]) | texts
keys = st.sampled_from(["s", "S", "s!", "t", "", "a/b", "~", "0", "-"]) | texts
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | words
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=10,
).map(normalise)
sections = st.lists(words, max_size=6) | values
contents = st.dictionaries(keys, sections, max_size=4).map(normalise)


@st.composite
def operation_on(draw, content):
    """Draw an operation that often, not always, fits the content."""
    ids = [b.bullet_id for b in bullets(content)] + [GOOD_ID]
    tokens = draw(st.lists(keys | st.sampled_from(["1", "2"]), min_size=1, max_size=3))
    path = "".join("/" + t.replace("~", "~0").replace("/", "~1") for t in tokens)
    position = st.integers(0, 7)
    kind = draw(st.sampled_from(["add", "move", "update", "remove", "merge", "set", "unset"]))
    fields = {
        "add": {"section": keys, "text": words},
        "move": {"bullet_id": st.sampled_from(ids), "position": position},
        "update": {"bullet_id": st.sampled_from(ids), "text": words},
        "remove": {"bullet_id": st.sampled_from(ids)},
        "merge": {
            "bullet_ids": st.lists(st.sampled_from(ids), min_size=1, max_size=4, unique=True),
            "text": words,
        },
        "set": {"path": st.just(path), "value": sections.map(normalise)},
        "unset": {"path": st.just(path)},
    }[kind]
    operation = {"op": kind, **{key: draw(value) for key, value in fields.items()}}
    if kind == "add" and draw(st.booleans()):
        operation["position"] = draw(position)
    return operation


@st.composite
def content_and_operations(draw):
    """Draw content and operations of which each fits what the ones before it left."""
    content = draw(contents)
    now, chosen = content, []
    for _ in range(draw(st.integers(1, 6))):
        operation = draw(operation_on(now))
        try:
            now = ops.apply(now, [operation]).content
        except ops.OperationError:
            continue
        chosen.append(operation)
    return content, chosen


@settings(max_examples=400, deadline=None)
@given(content_and_operations())
def test_apply_followed_by_its_inverse_is_the_identity(drawn):
    content, chosen = drawn
    before = copy.deepcopy(content)
    result = ops.apply(content, chosen)
    assert same(content, before)
    back = ops.apply(result.content, result.inverse)
    assert same(back.content, content)
    assert same(ops.apply(back.content, back.inverse).content, result.content)


@settings(max_examples=200, deadline=None)
@given(content_and_operations())
def test_applying_at_once_or_one_by_one_is_the_same(drawn):
    content, chosen = drawn
    now = content
    for operation in chosen:
        now = ops.apply(now, [operation]).content
    assert same(ops.apply(content, chosen).content, now)


@settings(max_examples=200, deadline=None)
@given(content_and_operations())
def test_what_rebases_on_its_own_base_is_what_was_written(drawn):
    content, chosen = drawn
    rebased = ops.rebase(ops.expectations(content, chosen), chosen, content)
    assert rebased.conflicts == []
    assert same(rebased.ok, chosen)


@settings(max_examples=200, deadline=None)
@given(content_and_operations(), contents)
def test_what_rebases_anywhere_can_be_applied_there(drawn, head):
    content, chosen = drawn
    seen = json.loads(json.dumps(ops.expectations(content, chosen)))
    rebased = ops.rebase(seen, chosen, head)
    result = ops.apply(head, rebased.ok)
    assert same(ops.apply(result.content, result.inverse).content, head)
    json.dumps(rebased.conflicts)
    forced = dict.fromkeys(range(len(chosen)), "delta")
    ops.apply(head, ops.resolve(seen, chosen, head, forced))


# Changes ---------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(contents, contents)
def test_changes_lead_to_what_they_say(base, wanted):
    changes = {key.replace(".", "\\."): value for key, value in wanted.items()}
    if not changes:
        return
    result = ops.apply(base, ops.changes_to_operations(base, changes))
    for key, value in wanted.items():
        assert same(result.content[key], value)
    assert same(ops.apply(result.content, result.inverse).content, base)


@settings(max_examples=300, deadline=None)
@given(st.permutations(list("abcdefgh")), st.permutations(list("efghijkl")), st.integers(0, 8))
def test_a_list_over_a_list_becomes_adds_removals_and_moves(old, new, size):
    found = ops.changes_to_operations({"s": old}, {"s": new[:size]})
    assert {item["op"] for item in found} <= {"add", "remove", "move"}
    assert applied({"s": old}, *found) == {"s": new[:size]}


def test_a_bullet_appended_in_changes_is_an_add_without_a_position():
    assert ops.changes_to_operations({"s": ["a"]}, {"s": ["a", "b"]}) == [add("b")]


def test_a_bullet_taken_to_the_end_is_one_move():
    found = ops.changes_to_operations({"s": list("abcd")}, {"s": list("bcda")})
    assert found == [move("a", 3)]


def test_changes_of_spaces_alone_are_updates():
    assert ops.changes_to_operations({"s": ["a b"]}, {"s": ["a  b"]}) == [update("a b", "a  b")]


def test_equal_strings_are_set_as_a_whole():
    assert ops.changes_to_operations({"s": ["a", "a"]}, {"s": ["a"]}) == [put("/s", ["a"])]


def test_a_dotted_path_is_a_path_and_an_escaped_dot_is_a_dot():
    found = ops.changes_to_operations({}, {"goals.first": 1, "v1\\.0.x": 2, "a/b": 3})
    assert found == [put("/goals/first", 1), put("/v1.0/x", 2), put("/a~1b", 3)]


def test_a_dotted_path_reaches_into_a_list():
    assert ops.changes_to_operations({"a": [1, 2]}, {"a.1": 3}) == [put("/a/1", 3)]


def test_what_is_so_already_is_no_operation():
    assert ops.changes_to_operations({"a": {"b": 1}, "s": ["x"]}, {"a.b": 1, "s": ["x"]}) == []


def test_later_changes_see_earlier_ones():
    base = {"a": {"b": 2}}
    found = ops.changes_to_operations(base, {"a": {"b": 1}, "a.b": 2})
    assert applied(base, *found) == {"a": {"b": 2}}


def test_a_list_with_more_than_200_differences_is_set_as_a_whole():
    new = [str(i) for i in range(300)]
    assert ops.changes_to_operations({"s": ["a"]}, {"s": new}) == [put("/s", new)]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        (None, ""),
        ([], ""),
        ({}, ""),
        ({f"k{i}": 1 for i in range(201)}, ""),
        ({"a": float("nan")}, "/a"),
        ({"a": ["fine", "x" * 20_001]}, "/a/1"),
        ({"a/b": {"c": "\x00"}}, "/a~1b/c"),
        ({"text.sub": 1}, "/text.sub"),
        ({5: 1}, "/5"),
        ({"a" + ".a" * 64: 1}, "/a" + ".a" * 64),
    ],
)
def test_malformed_changes_are_refused_with_their_pointer(changes, pointer):
    with pytest.raises(ops.OperationError) as caught:
        ops.changes_to_operations({"text": "t"}, changes)
    assert caught.value.errors[0]["pointer"] == pointer


def test_changes_and_operations_are_two_spellings_of_one_thing():
    base = {"goals": ["win"], "tone": {"style": "dry"}}
    by_changes = ops.changes_to_operations(base, {"goals": ["win", "learn"], "tone.style": "warm"})
    by_operations = ops.parse_operations([add("learn", "goals"), put("/tone/style", "warm")])
    assert by_changes == by_operations


# Rebasing --------------------------------------------------------------------------------------


def rebased(base, operations, head):
    return ops.rebase(ops.expectations(base, operations), operations, head)


def test_adds_commute():
    found = rebased({"s": ["a"]}, [add("mine")], {"s": ["a", "theirs"]})
    assert found.ok == [add("mine")]
    assert found.conflicts == []


def test_an_add_of_what_someone_else_added_is_no_conflict():
    found = rebased({"s": []}, [add("x")], {"s": ["x"]})
    assert found.conflicts == []
    assert ops.apply({"s": ["x"]}, found.ok).inverse == []


def test_two_adds_that_make_the_same_section_commute():
    found = rebased({}, [add("mine")], {"s": ["theirs"]})
    assert ops.apply({"s": ["theirs"]}, found.ok).content == {"s": ["theirs", "mine"]}


def test_an_add_with_a_position_keeps_its_place_behind_its_neighbour():
    base, head = {"s": ["a", "b"]}, {"s": ["new", "a", "b"]}
    found = rebased(base, [add("x", position=1)], head)
    assert applied(head, *found.ok) == {"s": ["new", "a", "x", "b"]}


def test_a_place_among_equal_bullets_is_the_nearest():
    base, head = {"s": ["a", "b", "a", "c"]}, {"s": ["n", "a", "b", "a", "c"]}
    found = rebased(base, [add("x", position=3)], head)
    assert applied(head, *found.ok) == {"s": ["n", "a", "b", "a", "x", "c"]}
    found = rebased(base, [add("x", position=1)], head)
    assert applied(head, *found.ok) == {"s": ["n", "a", "x", "b", "a", "c"]}


def test_a_move_keeps_its_place_behind_its_neighbour():
    base, head = {"s": ["a", "b", "c"]}, {"s": ["n", "a", "b", "c"]}
    found = rebased(base, [move("a", 1)], head)
    assert applied(head, *found.ok) == {"s": ["n", "b", "a", "c"]}


@pytest.mark.parametrize("operation", [update("a", "A"), remove("a"), move("a", 1)])
def test_a_change_of_a_bullet_that_is_gone_is_a_conflict(operation):
    found = rebased({"s": ["a", "b"]}, [operation], {"s": ["b"]})
    assert found.ok == []
    [conflict] = found.conflicts
    assert conflict["index"] == 0
    assert conflict["operation"] == operation
    assert conflict["saw"] == "a"
    assert conflict["now"] is None
    assert bullet_id("s", "a") in conflict["reason"]


def test_a_merge_needs_all_its_bullets_and_shows_which_are_left():
    [conflict] = rebased({"s": ["a", "b"]}, [merge(["a", "b"], "ab")], {"s": ["b"]}).conflicts
    one, other = bullet_id("s", "a"), bullet_id("s", "b")
    assert conflict["saw"] == {one: "a", other: "b"}
    assert conflict["now"] == {one: None, other: "b"}


def test_an_update_of_another_bullet_is_no_conflict():
    found = rebased({"s": ["a", "b"]}, [update("a", "A")], {"s": ["x", "a", "B"]})
    assert applied({"s": ["x", "a", "B"]}, *found.ok) == {"s": ["x", "A", "B"]}


def test_a_set_over_someone_elses_value_is_a_conflict():
    [conflict] = rebased({"a": 1}, [put("/a", 2)], {"a": 3}).conflicts
    assert (conflict["saw"], conflict["now"]) == (1, 3)


def test_a_set_tells_one_from_true():
    assert rebased({"a": 1}, [put("/a", 2)], {"a": True}).conflicts


def test_a_set_where_nothing_was_conflicts_with_what_is_there_now():
    [conflict] = rebased({}, [put("/a", 2)], {"a": None}).conflicts
    assert (conflict["saw"], conflict["now"]) == (None, None)


def test_two_sets_to_the_same_value_agree():
    found = rebased({"a": 1}, [put("/a", 2)], {"a": 2})
    assert found.conflicts == []
    assert ops.apply({"a": 2}, found.ok).inverse == []


def test_an_unset_over_someone_elses_value_is_a_conflict():
    assert rebased({"a": 1}, [unset("/a")], {"a": 3}).conflicts


def test_an_unset_of_what_is_gone_already_is_done():
    found = rebased({"a": 1}, [unset("/a")], {})
    assert (found.ok, found.conflicts) == ([], [])


def test_an_unset_of_what_never_was_is_a_conflict():
    assert rebased({}, [unset("/a")], {}).conflicts


def test_operations_of_one_delta_see_each_other():
    chosen = [add("x"), update("x", "y"), move("y", 0), put("/n", 1), put("/n", 2)]
    found = rebased({"s": ["a"]}, chosen, {"s": ["a", "b"]})
    assert found.conflicts == []
    assert applied({"s": ["a", "b"]}, *found.ok) == {"s": ["y", "a", "b"], "n": 2}


def test_an_operation_that_needs_a_conflicting_one_conflicts_too():
    chosen = [update("a", "A"), move("A", 0), add("fine")]
    found = rebased({"s": ["b", "a"]}, chosen, {"s": ["b"]})
    assert [c["index"] for c in found.conflicts] == [0, 1]
    assert found.ok == [add("fine")]


def test_expectations_are_one_for_each_operation():
    with pytest.raises(ValueError):
        ops.rebase([], [add("x")], {})


def test_what_was_not_there_at_proposal_may_have_come_since():
    found = rebased({"s": []}, [remove("a")], {"s": ["a"]})
    assert found.ok == [remove("a")]


def test_an_undo_of_a_sections_first_add_leaves_what_others_added_since():
    first = ops.apply({}, [add("first")])
    head = {"s": ["first", "second"]}
    undo = rebased(first.content, first.inverse, head)
    assert undo.conflicts == []
    assert applied(head, *undo.ok) == {"s": ["second"]}


def test_an_unset_of_an_empty_section_that_someone_filled_is_a_conflict():
    assert rebased({"s": []}, [unset("/s")], {"s": ["theirs"]}).conflicts


def test_an_undo_of_a_removal_finds_the_place_again():
    removed = ops.apply({"s": ["a", "b", "c"]}, [remove("b")])
    head = {"s": ["n", "a", "c", "d"]}
    undo = rebased(removed.content, removed.inverse, head)
    assert applied(head, *undo.ok) == {"s": ["n", "a", "b", "c", "d"]}


# Resolving -------------------------------------------------------------------------------------


def resolved(base, operations, head, keep):
    chosen = ops.resolve(ops.expectations(base, operations), operations, head, keep)
    return applied(head, *chosen)


def test_a_reviewer_may_keep_what_is_live():
    assert resolved({"a": 1}, [put("/a", 2), add("x")], {"a": 3}, {0: "live"}) == {
        "a": 3,
        "s": ["x"],
    }


def test_a_reviewer_may_let_the_delta_win():
    assert resolved({"a": 1}, [put("/a", 2)], {"a": 3}, {0: "delta"}) == {"a": 2}


def test_a_reworded_bullet_that_is_gone_comes_back_in_its_new_wording():
    base = {"s": ["a", "b"]}
    assert resolved(base, [update("a", "A")], {"s": ["b"]}, {0: "delta"}) == {"s": ["b", "A"]}


@pytest.mark.parametrize(
    ("left", "expected"), [(["b", "x"], ["m", "x"]), ([], ["m"]), (["c", "b"], ["m"])]
)
def test_a_merge_is_made_of_what_is_left(left, expected):
    base = {"s": ["a", "b", "c"]}
    chosen = [merge(["a", "b", "c"], "m")]
    assert resolved(base, chosen, {"s": left}, {0: "delta"}) == {"s": expected}


def test_a_conflict_without_a_choice_is_left_out():
    assert resolved({"a": 1}, [put("/a", 2)], {"a": 3}, {}) == {"a": 3}


def test_a_removal_of_what_is_gone_has_nothing_left_to_do():
    assert resolved({"s": ["a"]}, [remove("a")], {"s": ["b"]}, {0: "delta"}) == {"s": ["b"]}


# A sentence ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operations", "sentence"),
    [
        ([], "Change nothing"),
        ([add("be kind", "goals")], "Add “be kind” to goals"),
        ([add("a"), add("b")], "Add 2 lessons to s"),
        ([add("a"), add("b", "t")], "Add 2 lessons"),
        ([add("a"), remove("b"), put("/x", 1)], "Add 1 lesson, remove 1 and set 1 value"),
        ([remove("a"), add("a")], "Keep “a” once in s"),
        ([remove("a"), add("b")], "Remove 1 and add 1 lesson"),
        ([merge(["a", "b"], "ab")], "Merge 2 lessons into “ab”"),
        ([put("/a/b", "x")], "Set /a/b to “x”"),
        ([put("", {})], "Set everything to {}"),
        ([unset("/a")], "Unset /a"),
    ],
)
def test_a_change_is_said_in_one_sentence(operations, sentence):
    assert ops.describe(operations) == sentence


def test_a_sentence_names_a_bullet_by_its_text_where_that_is_known():
    base = {"s": ["old words"]}
    for operation, sentence in [
        (remove("old words"), "Remove “old words”"),
        (update("old words", "new"), "Reword “old words” to “new”"),
        (move("old words", 0), "Move “old words” to place 1"),
    ]:
        assert ops.describe([operation], ops.expectations(base, [operation])) == sentence
    assert ops.describe([remove("old words")]) == f"Remove {bullet_id('s', 'old words')}"


def test_a_long_text_is_cut_in_a_sentence():
    assert len(ops.describe([add("word " * 1000)])) < 150


# Speed -----------------------------------------------------------------------------------------


def test_five_operations_on_ten_thousand_bullets_change_only_what_they_name():
    content = {
        "s": [f"Lesson {i}: check the state of order {i} before you go on" for i in range(10_000)]
    }
    some = content["s"]
    chosen = [
        add("a new one"),
        update(some[5_000], "reworded"),
        remove(some[10]),
        move(some[9_000], 3),
        merge([some[20], some[30]], "merged"),
    ]
    applied = ops.apply(content, chosen).content["s"]
    assert applied[3] == some[9_000]
    assert set(some) - set(applied) == {some[5_000], some[10], some[20], some[30]}
    assert set(applied) - set(some) == {"a new one", "reworded", "merged"}


def test_a_bullet_is_looked_for_in_sections_of_its_slug_alone():
    base = {f"{n}-{n}": 0 for n in range(50_000)} | {"s": ["One."], "S": ["Two."]}
    wanted = [
        *[{"op": "remove", "bullet_id": f"x-{n:016x}"} for n in range(199)],
        remove("Two.", "S"),
    ]
    start = time.process_time()
    rebased = ops.rebase(ops.expectations(base, wanted), wanted, base)
    assert time.process_time() - start < 60
    assert rebased.ok == wanted[-1:]


def test_a_section_that_comes_during_the_changes_is_found():
    for first in (
        {"op": "set", "path": "/new", "value": ["One."]},
        {"op": "set", "path": "", "value": {"new": ["One."]}},
        add("One.", "new"),
    ):
        wanted = [remove("None."), first, update("One.", "Two.", "new")]
        seen = ops.expectations({"s": []}, wanted)
        content = ops.apply({"s": []}, ops.rebase(seen, wanted, {"s": []}).ok).content
        assert content["new"] == ["Two."]
