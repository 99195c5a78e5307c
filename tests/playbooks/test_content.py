"""What a playbook can hold, and that PostgreSQL gives back what was hashed."""

import hashlib
import json
import sys
import time
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playbooks import content as c

texts = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(10**40), max_value=10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def jsonb(value: object) -> object:
    """Read a value back as jsonb gives it: numeric keeps every digit and the scale."""

    def number(text: str) -> Decimal:
        return Decimal(text)

    def plain(item: object) -> object:
        if isinstance(item, Decimal):
            text = f"{item:f}"
            return json.loads(text.lstrip("-") if not item else text)
        if isinstance(item, list):
            return [plain(x) for x in item]
        if isinstance(item, dict):
            return {key: plain(item[key]) for key in sorted(item, key=lambda k: (len(k), k))}
        return item

    return plain(json.loads(json.dumps(value), parse_float=number))


@settings(deadline=None)
@given(values)
def test_a_jsonb_round_trip_is_the_identity_under_canonical(value):
    clean = c.normalise(value)
    assert c.canonical(jsonb(clean)) == c.canonical(clean)
    assert c.canonical(c.normalise(clean)) == c.canonical(clean)


@pytest.mark.parametrize(
    ("given_value", "stored"),
    [
        (1e22, 10**22),
        (1e23, 10**23),
        (1.5e300, 15 * 10**299),
        (1e16, 10**16),
        (-1e16, -(10**16)),
        (sys.float_info.max, int(Decimal(repr(sys.float_info.max)))),
        (1e15, 1e15),
        (1.0, 1.0),
        (5e-324, 5e-324),
        (1e-7, 1e-7),
    ],
)
def test_floats_become_what_numeric_gives_back(given_value, stored):
    assert c.canonical(c.normalise(given_value)) == c.canonical(stored)


def test_negative_zero_loses_its_sign():
    assert c.canonical(c.normalise([-0.0])) == b"[0.0]"


@pytest.mark.parametrize(
    ("value", "pointer", "word"),
    [
        ({"a": [float("nan")]}, "/a/0", "NaN"),
        ({"a": float("inf")}, "/a", "Infinity"),
        ({"a": "x\x00y"}, "/a", "NUL"),
        ({"a\x00": 1}, "", "NUL"),
        ({"a": "\ud800"}, "/a", "surrogate"),
        ({"\udfff": 1}, "", "surrogate"),
        ({"a/b": {1: 2}}, "/a~1b", "not a string"),
        ({"a": (1, 2)}, "/a", "tuple"),
        ({"a": 10**4300}, "/a", "digits"),
        ({"s": ["x" * 20_001]}, "/s/0", "20,000"),
        ({"s": "x" * 5_000_000}, "", "5,000,000"),
    ],
)
def test_what_cannot_be_stored_is_refused_with_its_pointer(value, pointer, word):
    with pytest.raises(c.ContentError) as caught:
        c.normalise(value)
    assert caught.value.pointer == pointer
    assert word in caught.value.message


def test_the_largest_integer_survives_json():
    largest = 10**4300 - 1
    assert json.loads(json.dumps(c.normalise(largest))) == largest


def nested(depth):
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


def test_64_levels_are_allowed_and_65_are_not():
    assert c.normalise(nested(64)) == nested(64)
    with pytest.raises(c.ContentError, match="deeper"):
        c.normalise(nested(65))


def test_depth_ten_thousand_is_refused_without_recursing():
    with pytest.raises(c.ContentError, match="deeper"):
        c.normalise(nested(10_000))


def test_content_must_be_an_object():
    assert c.normalise_content({"a": []}) == {"a": []}
    with pytest.raises(c.ContentError, match="object"):
        c.normalise_content([])


def test_a_prefix_is_put_before_the_pointer():
    with pytest.raises(c.ContentError) as caught:
        c.normalise({"a": "\x00"}, "/initial_context")
    assert caught.value.pointer == "/initial_context/a"


def test_a_long_string_outside_a_bullet_list_is_allowed():
    assert c.normalise({"notes": "x" * 30_000, "mixed": ["x" * 30_000, 1]})


def test_canonical_does_not_depend_on_the_order_of_keys():
    assert c.canonical({"b": 1, "a": "é"}) == '{"a":"é","b":1}'.encode()
    assert c.content_hash({"b": 1, "a": 2}) == c.content_hash({"a": 2, "b": 1})
    assert c.content_hash({}) == hashlib.sha256(b"{}").hexdigest()


def test_one_and_true_and_one_point_nought_are_not_the_same():
    assert not c.same(1, True)
    assert not c.same(1, 1.0)
    assert c.same({"a": [1]}, {"a": [1]})


def test_a_chain_hash_depends_on_the_parent_and_on_every_field():
    base = c.chain_hash("aa", {"n": 1})
    assert base == c.chain_hash("aa", {"n": 1})
    assert len({base, c.chain_hash("ab", {"n": 1}), c.chain_hash("aa", {"n": 2})}) == 3


def test_normal_text_folds_space_and_composes_letters():
    assert c.normal_text("  Cafe\u0301\t\n au  lait ") == "Caf\u00e9 au lait"


@pytest.mark.parametrize(
    ("section", "slug"),
    [
        ("STRATEGIES AND HARD RULES", "strategies-and-hard-rules"),
        ("goals", "goals"),
        ("--", "section"),
        ("", "section"),
        ("目标", "section"),
        ("x" * 300, "x" * 64),
    ],
)
def test_a_slug_is_plain_and_never_empty(section, slug):
    assert c.section_slug(section) == slug


def test_a_bullet_id_is_the_slug_and_sixteen_hex_of_the_hash():
    digest = hashlib.sha256(b"My Goals\x00Be kind").hexdigest()[:16]
    assert c.bullet_id("My Goals", "  Be \n kind ") == f"my-goals-{digest}"


def test_the_same_text_in_two_sections_has_two_ids():
    assert c.bullet_id("a!", "x") != c.bullet_id("a?", "x")


def test_bullets_are_the_strings_of_list_sections_with_their_places():
    found = c.bullets({"a": ["x", "y", "x"], "mixed": ["x", 1], "text": "x", "none": []})
    assert [(b.section, b.text, b.position) for b in found] == [
        ("a", "x", 0),
        ("a", "y", 1),
        ("a", "x", 2),
    ]
    assert found[0].bullet_id == found[2].bullet_id == c.bullet_id("a", "x")


@pytest.mark.parametrize(
    ("value", "answer"), [([], True), (["a"], True), (["a", 1], False), ("a", False), ({}, False)]
)
def test_a_bullet_list_holds_strings_only(value, answer):
    assert c.is_bullet_list(value) is answer


def test_the_diff_names_added_removed_and_moved_bullets():
    found = c.diff({"s": ["a", "b", "c", "d"]}, {"s": ["d", "a", "b", "e"]})
    section = found["sections"]["s"]
    assert [x["text"] for x in section["added"]] == ["e"]
    assert [x["position"] for x in section["added"]] == [3]
    assert [x["text"] for x in section["removed"]] == ["c"]
    assert [(x["text"], x["from"], x["to"]) for x in section["moved"]] == [("d", 3, 0)]
    assert found["set"] == found["unset"] == []


def test_an_insertion_in_front_moves_nothing():
    section = c.diff({"s": ["a", "b"]}, {"s": ["x", "a", "b"]})["sections"]["s"]
    assert section["moved"] == []
    assert len(section["added"]) == 1


def test_the_diff_counts_equal_bullets():
    section = c.diff({"s": ["a", "a"]}, {"s": ["a"]})["sections"]["s"]
    assert [x["position"] for x in section["removed"]] == [1]
    assert section["removed"][0]["bullet_id"] == c.bullet_id("s", "a")


def test_the_diff_shows_a_change_of_spaces_alone():
    section = c.diff({"s": ["a b"]}, {"s": ["a  b"]})["sections"]["s"]
    assert section["respaced"] == [
        {"bullet_id": c.bullet_id("s", "a b"), "old": "a b", "new": "a  b"}
    ]


def test_the_diff_names_paths_set_and_unset():
    found = c.diff({"a": {"x": 1, "y": 2}, "gone": 1}, {"a": {"x": 1, "y": 3, "z/": 4}, "e": []})
    assert found["set"] == [
        {"path": "/a/y", "old": 2, "new": 3},
        {"path": "/a/z~1", "new": 4},
        {"path": "/e", "new": []},
    ]
    assert found["unset"] == [{"path": "/gone", "old": 1}]
    assert found["sections"] == {}


@settings(deadline=None)
@given(st.dictionaries(texts, values, max_size=4))
def test_the_diff_of_a_playbook_with_itself_is_empty(content):
    assert c.diff(content, content) == {"sections": {}, "set": [], "unset": []}


@settings(deadline=None)
@given(st.dictionaries(texts, values, max_size=3), st.dictionaries(texts, values, max_size=3))
def test_the_diff_of_two_different_playbooks_is_not_empty(old, new):
    found = c.diff(old, new)
    changed = bool(found["sections"] or found["set"] or found["unset"])
    assert changed is not c.same(old, new)
    json.dumps(found)


@settings(deadline=None)
@given(st.lists(st.integers(0, 30), unique=True), st.lists(st.integers(0, 30), unique=True))
def test_what_is_kept_stands_in_the_same_order_in_both(old, new):
    old_names, new_names = [str(x) for x in old], [str(x) for x in new]
    kept = c.kept_in_order(old_names, new_names)
    assert [x for x in old_names if x in kept] == [x for x in new_names if x in kept]
    assert kept or not set(old) & set(new)


def test_the_most_is_kept():
    assert c.kept_in_order(list("abcdef"), list("fabcde")) == set("abcde")


@settings(deadline=None)
@given(texts, texts)
def test_a_word_diff_loses_no_character(old, new):
    runs = c.word_diff(old, new)
    assert "".join(text for tag, text in runs if tag != "ins") == old
    assert "".join(text for tag, text in runs if tag != "del") == new


def test_a_word_diff_is_by_words():
    assert c.word_diff("call the old tool", "call the new tool") == [
        ("same", "call the "),
        ("del", "old"),
        ("ins", "new"),
        ("same", " tool"),
    ]


def test_a_word_diff_of_huge_texts_is_capped():
    old = " ".join(str(i % 97) for i in range(100_000))
    new = " ".join(str(i % 89) for i in range(100_000))
    start = time.perf_counter()
    runs = c.word_diff(old, new)
    assert time.perf_counter() - start < 30
    assert "".join(text for tag, text in runs if tag != "ins") == old
