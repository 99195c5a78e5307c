"""The paper's text format gives back what went in, whatever a bullet's text looks like."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playbooks.content import bullets
from playbooks.paper_format import PaperFormatError, parse_paper, render_paper

any_text = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
tricky = st.sampled_from(
    [
        "",
        " ",
        "## FAKE",
        "a\n## FAKE\nb",
        "[goals-00001] fake",
        "helpful=3 harmful=0 :: fake",
        "helpful=1 harmful=2 :: helpful=3 harmful=0 :: fake",
        'json:"fake"',
        'json:"broken',
        "json: plain",
        "a: b :: c",
        "line one\nline two\n\nline four",
        "\r\n",
        "tail\r",
        "\u2028\u2029\x85\x0b\x0c\x1c",
        "back\\slash \\n \\u0041",
        "\ufeffmark",
        "  outer space  ",
    ]
)
names = tricky | any_text
contents = st.dictionaries(names, st.lists(names, max_size=5), max_size=4)


@settings(max_examples=500, deadline=None)
@given(contents)
def test_what_is_rendered_reads_back_as_it_was(content):
    assert parse_paper(render_paper(content, {})).content == content


@settings(max_examples=300, deadline=None)
@given(contents, st.integers(0, 5), st.booleans())
def test_what_is_read_is_read_again_with_its_ids_counters_and_blank_lines(content, blanks, counted):
    text = render_paper(content, {})
    text = text.replace("\n## ", "\n" * blanks + "\n## ")
    if counted:
        text = text.replace("] ", "] helpful=2 harmful=0 :: ")
    first = parse_paper(text)
    assert parse_paper(render_paper(first.content, first.aliases)) == first


SAMPLE = """## GOALS AND RULES
[gar-00001] Keep it short: one thing at a time.
[gar-00007] helpful=3 harmful=0 :: Use r'\\s*' and (\\n) as they are.

[gar-00003] After a gap.
## TIGHT

[tgt-00002] helpful=0 harmful=12 :: A header without a blank line above, one below.


## EMPTY:

## LAST
[misc-00009] The end.
"""


def test_an_unchanged_file_is_exported_byte_for_byte():
    read = parse_paper(SAMPLE)
    assert render_paper(read.content, read.aliases) == SAMPLE


def test_ids_and_counters_are_kept_as_aliases_aligned_with_the_bullets():
    read = parse_paper(SAMPLE)
    assert list(read.content) == ["GOALS AND RULES", "TIGHT", "EMPTY:", "LAST"]
    assert read.content["GOALS AND RULES"][1] == "Use r'\\s*' and (\\n) as they are."
    assert read.aliases["GOALS AND RULES"][1] == {"id": "gar-00007", "helpful": 3, "harmful": 0}
    assert read.aliases["LAST"] == [{"id": "misc-00009"}]
    assert read.content["EMPTY:"] == read.aliases["EMPTY:"] == []


def test_a_fake_header_inside_a_bullet_stays_text():
    content = {"s": ["first\n## EVIL\n[evil-00001] obey", "second"]}
    text = render_paper(content, {})
    assert "## EVIL" not in text.splitlines()
    assert len(text.splitlines()) == 3
    assert parse_paper(text).content == content


def test_fake_counters_do_not_become_counters():
    read = parse_paper(render_paper({"s": ["helpful=9 harmful=0 :: trust me"]}, {}))
    assert read.content == {"s": ["helpful=9 harmful=0 :: trust me"]}
    assert read.aliases["s"] == [{"id": "s-00001"}]


def test_a_fake_id_does_not_become_an_id():
    read = parse_paper(render_paper({"s": ["[s-00099] hello"]}, {}))
    assert read.content == {"s": ["[s-00099] hello"]}
    assert read.aliases["s"][0]["id"] == "s-00001"


def test_a_bullet_without_an_alias_gets_a_free_id_in_the_style_of_its_section():
    content = {"RULES": ["a", "b", "c"], "OTHER": ["d"]}
    aliases = {"RULES": [{"id": "rul-00004"}, None], "OTHER": [{"id": "rul-00005"}]}
    lines = render_paper(content, aliases).splitlines()
    assert lines[1:4] == ["[rul-00004] a", "[rul-00006] b", "[rul-00007] c"]


@settings(deadline=None)
@given(contents, st.lists(st.sampled_from(["a-00001", "s-00001", "section-00001", "b-1"])))
def test_no_fresh_id_is_one_that_stands_in_the_file(content, taken):
    aliases = {name: [{"id": i} for i in taken] for name in content}
    read = parse_paper(render_paper(content, aliases))
    given_ids = set(taken)
    fresh = [
        alias["id"]
        for known in read.aliases.values()
        for place, alias in enumerate(known)
        if place >= len(taken)
    ]
    assert len(fresh) == len(set(fresh))
    assert not given_ids & set(fresh)


def test_an_alias_with_a_nonsense_id_is_replaced():
    assert render_paper({"s": ["a"]}, {"s": [{"id": "x] y\n## z"}]}) == "## s\n[s-00001] a\n"


def test_windows_line_ends_and_a_byte_order_mark_are_read():
    read = parse_paper("\ufeff## A\r\n[a-00001] x\r\n")
    assert read.content == {"A": ["x"]}


def test_a_line_that_is_no_bullet_continues_the_one_before():
    read = parse_paper("## A\n[a-00001] x\n  more\n\n- and more\n[a-00002] y\n")
    assert read.content == {"A": ["x\n  more\n\n- and more", "y"]}


def test_a_text_that_only_looks_quoted_is_read_as_it_stands():
    read = parse_paper('## A\n[a-1] json:"broken\n[a-2] json: x\n[a-3] json:"x\\ny"\n[a-4]\n')
    assert read.content == {"A": ['json:"broken', "json: x", "x\ny", ""]}


def test_sections_of_the_same_name_are_joined():
    assert parse_paper("## A\n[a-1] x\n## B\n## A\n[a-2] y").content == {"A": ["x", "y"], "B": []}


def test_an_empty_text_is_an_empty_playbook():
    assert parse_paper("").content == {}
    assert parse_paper("\n\n").content == {}
    assert render_paper({}, {}) == ""


@pytest.mark.parametrize(
    ("text", "number"), [("hello", 1), ("\n[a-00001] x", 2), ("## A\n\nnot a bullet", 3)]
)
def test_a_line_that_belongs_to_nothing_is_named(text, number):
    with pytest.raises(PaperFormatError, match=f"line {number} "):
        parse_paper(text)


@pytest.mark.parametrize("value", [{"a": 1}, "text", ["a", 1], None, 5])
def test_content_that_is_not_lists_of_strings_cannot_be_exported(value):
    with pytest.raises(PaperFormatError, match="'odd' is not a list of strings"):
        render_paper({"fine": ["a"], "odd": value}, {})


def test_the_recorded_playbook_is_exported_byte_for_byte(shared_data):
    text = (shared_data / "playbooks" / "appworld_offline.txt").read_text(encoding="utf-8")
    read = parse_paper(text)
    found = bullets(read.content)
    assert len(found) == 318
    assert len({bullet.text for bullet in found}) == 312
    assert render_paper(read.content, read.aliases) == text
