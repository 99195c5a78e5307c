"""How figures, texts of others, changes and plots read in the console."""

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from time import process_time
from typing import Any

import pytest
from django.template import Context, Template
from hypothesis import given
from hypothesis import strategies as st

from ace_project.console.templatetags import console as tags
from ace_project.console.templatetags import figures, signs, words
from ace_project.console.templatetags.trail import trail
from ace_project.core import hidden

NOW = datetime(2026, 3, 20, 14, 32, tzinfo=UTC)


class Elements(HTMLParser):
    """The names of all elements and attributes that a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}


def render(source: str, **context: Any) -> str:
    return Template("{% load console %}" + source).render(Context(context))


# ---- figures ----
def test_a_share_reads_in_percent_with_a_narrow_space() -> None:
    assert figures.percent(0.77) == "77.0\u202f%"


@pytest.mark.parametrize(
    ("difference", "words_"),
    [(0.237, "+23.7"), (-0.142, "\u221214.2"), (0.0, "0.0"), (-1e-6, "0.0")],
)
def test_a_difference_reads_in_points_with_its_sign(difference: float, words_: str) -> None:
    assert figures.points(difference) == words_


def test_an_interval_names_both_ends() -> None:
    assert figures.interval(0.113, 0.351) == "+11.3 to +35.1"


@pytest.mark.parametrize(
    ("low", "high", "tone"),
    [(0.01, 0.2, "good"), (-0.2, -0.01, "bad"), (-0.1, 0.1, "mute"), (0.0, 0.2, "mute")],
)
def test_an_interval_over_zero_is_never_green_or_red(low: float, high: float, tone: str) -> None:
    assert figures.tone(low, high) == tone


def test_an_unknown_interval_has_no_tone() -> None:
    assert figures.tone(None, None) == "mute"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.42, "0.42\u202fs"), (8.4, "8.4\u202fs"), (41, "41\u202fs"), (600, "10 min"),
     (7500, "2 h 5 min"), (7200, "2 h")],
)  # fmt: skip
def test_a_duration_reads_at_the_precision_a_reader_uses(seconds: float, text: str) -> None:
    assert figures.duration(seconds) == text


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (timedelta(seconds=3), "3 s ago"),
        (timedelta(minutes=12), "12 min ago"),
        (timedelta(hours=3), "3 h ago"),
        (timedelta(days=6), "6 d ago"),
        (-timedelta(minutes=5), "in 5 min"),
    ],
)
def test_a_time_is_relative(ago: timedelta, text: str) -> None:
    assert figures.relative(NOW - ago, NOW) == text


def test_a_time_carries_the_absolute_moment() -> None:
    html = render("{% when moment %}", moment=NOW - timedelta(hours=2), now=NOW)
    assert "2 h ago</time>" in html
    assert 'title="2026-03-20 12:32:00 UTC"' in html
    assert 'datetime="2026-03-20T12:32:00+00:00"' in html


def test_a_moment_that_never_came_is_unknown() -> None:
    assert "unknown" in render("{% when moment %}", moment=None)


def test_unknown_money_is_the_word_unpriced() -> None:
    assert ">unpriced<" in render("{{ cost|money }}", cost=None)
    assert render("{{ cost|money }} {{ cost|money:4 }}", cost=0.0184) == "$0.02 $0.0184"
    assert render("{{ limit|money }} {{ none|money }}", limit=0.0001, none=0) == "$0.0001 $0.00"


def test_what_was_not_measured_is_unknown_and_not_zero() -> None:
    html = render("{{ x|percent }}{{ x|points }}{{ x|thousands }}{{ x|duration }}", x=None)
    assert html.count(">unknown<") == 4
    assert "0" not in html


@pytest.mark.parametrize(
    ("name", "letters"), [("R. Lindqvist", "RL"), ("operator", "OP"), ("", "?"), ("a@b.c", "AC")]
)
def test_a_person_has_two_initials(name: str, letters: str) -> None:
    assert figures.initials(name) == letters


# ---- text written by others ----
def test_hidden_characters_are_shown() -> None:
    html = render("{{ text|visible }}", text="a\u202eb\u200bc\x00d\U000e0041e")
    for code in ("U+202E", "U+200B", "U+0000", "U+E0041"):
        assert f"\u27e8{code}\u27e9" in html


def test_newlines_and_tabs_stay_text() -> None:
    assert hidden.reveal("a\r\n\tb\n") == "a\r\n\tb\n"


@given(st.text())
def test_no_text_of_others_brings_markup_or_hidden_characters(text: str) -> None:
    html = hidden.reveal(text)
    bare = re.sub(r'<span class="ace-hidden-char" title="[^"]*">[^<]*</span>', "", html)
    assert "<" not in bare
    assert not re.search("[\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]", bare)


@pytest.mark.parametrize(
    "source",
    [
        "{{ evil|visible }}",
        "{{ evil|as_json }}",
        "{% words_changed evil evil2 %}",
        "{% person evil %}",
        "{% automation evil %}",
        "{% actor evil %}",
        "{% chip 'line' evil %}",
        "{% icon 'x' evil %}",
        "{% simulated evil %}",
        "{% risk verdicts %}",
        "{% operation op evil %}",
        '{% include "parts/trail.html" %}',
        "{% panel evil evil %}x{% endpanel %}",
        "{% table evil %}x{% endtable %}",
        "{% tile evil evil evil %}x{% endtile %}",
        "{% include 'parts/verdicts.html' %}",
        "{% include 'parts/evidence.html' with for_traces=traces for_count=1 against_count=0 %}",
        "{% include 'parts/timeline_item.html' %}",
        "{% include 'parts/stages.html' %}",
        "{% include 'parts/filters.html' %}",
        "{% include 'parts/empty.html' with text=evil %}",
        "{% include 'parts/undo.html' %}",
        "{% include 'parts/conflict.html' %}",
        "{% include 'parts/guided.html' %}",
    ],
)
def test_every_part_escapes_what_it_is_given(source: str) -> None:
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    html = render(
        source,
        evil=evil,
        evil2=f"{evil} more",
        op={"op": "update", "bullet_id": evil, "text": evil, "path": evil},
        trail=trail([{"tool": evil, "arguments": {evil: evil}, "result": evil, "error": evil}]),
        verdicts=[{"judge": evil, "outcome": "warn", "reason": evil}],
        traces=[{"url": "#", "title": evil, "success": True, "seconds": 1, "quote": evil}],
        item={"number": 1, "at": NOW, "reason": evil, "author": f"person:{evil}", "count": 0},
        stages=[{"name": evil, "state": "done", "note": evil}],
        filters=[{"name": "q", "label": evil, "value": evil, "options": [(evil, evil)]}],
        conflict={
            "number": 0,
            "what": evil,
            "base_text": "",
            "live_text": evil,
            "delta_text": evil,
        },
        guide={
            "state": "done",
            "agent_id": evil,
            "lesson": evil,
            "effect": 0.3,
            "low": 0.1,
            "high": 0.4,
            "passed": 6,
            "failed": 1,
            "now_pass": 14,
            "now_fail": 1,
            "seconds": 8,
        },
        undo={"text": evil, "note": evil, "url": "/x/", "seconds": 10, "seconds_left": 7},
    )
    elements = Elements()
    elements.feed(html)
    assert not {"script", "img"} & elements.names
    assert "onerror" not in elements.attributes


@pytest.mark.parametrize(
    ("state", "shown", "hidden_"),
    [
        ("waiting", ["Approve the lesson"], ["Run the 60 tasks", "hx-get"]),
        ("approved", ["Run the 60 tasks", "Take it back"], ["Approve the lesson", "hx-get"]),
        ("running", ["hx-get", "37 of 60 tasks", "14 now pass", "1 now fails"], ["Take it back"]),
        ("done", ["14 now pass", "1 now fails", "Take it back", "Run them again"], ["hx-get"]),
        ("undone", ["Taken back"], ["Approve the lesson", "hx-get"]),
    ],
)
def test_the_guided_card_shows_one_step_at_a_time(
    state: str, shown: list[str], hidden_: list[str]
) -> None:
    guide = {
        "state": state, "agent_id": "demo", "agent_url": "/", "lesson": "Before x, call y.",
        "delta_url": "/", "effect": 0.3, "low": 0.1, "high": 0.4, "passed": 61, "failed": 9,
        "tasks": 60, "approve_url": "/", "rerun_url": "/", "poll_url": "/", "done": 37,
        "before_pass": 24, "after_pass": 37, "now_pass": 14, "now_fail": 1, "live_version": 2,
        "undo_url": "/" if state in ("approved", "done") else "", "seconds": 8.4,
    }  # fmt: skip
    html = render("{% include 'parts/guided.html' %}", guide=guide)
    assert "workshop (simulated)" in html
    assert all(text in html for text in shown)
    assert not any(text in html for text in hidden_)


# ---- word diffs ----
def test_a_reworded_phrase_reads_as_one_change() -> None:
    html = words.word_diff_html(
        "Before a refund, check the booking date.",
        "Before a refund, call get_fare_rules and name the rule that applies.",
    )
    assert html == (
        "Before a refund, <del>check the booking date</del> "
        "<ins>call get_fare_rules and name the rule that applies</ins>."
    )


def test_equal_texts_have_no_marks() -> None:
    assert words.word_diff_html("Same words.", "Same words.") == "Same words."


@given(st.text(), st.text())
def test_a_diff_holds_both_texts_whole(before: str, after: str) -> None:
    segments = words.word_diff(before, after)
    assert "".join(s.text for s in segments if s.kind != "ins") == before
    assert "".join(s.text for s in segments if s.kind != "del") == after


def test_huge_texts_are_replaced_whole() -> None:
    segments = words.word_diff("a b " * 2000, "a c " * 2000)
    assert [s.kind for s in segments] == ["del", "ins"]


# ---- marks ----
def test_an_icon_without_a_label_is_decoration() -> None:
    assert 'aria-hidden="true"' in tags.icon("inbox")
    assert 'role="img" aria-label="Passed"' in tags.icon("check", "Passed")


def test_every_icon_used_is_in_the_sprite(settings: Any) -> None:
    root = settings.BASE_DIR
    sprite = (root / "static/vendor/icons.svg").read_text()
    sources = [
        *(root / "templates").rglob("*.html"),
        *(root / "ace_project/console/templatetags").glob("*.py"),
    ]
    used = {
        name
        for path in sources
        for name in re.findall(r"""\bicon\(?\s*["']([a-z0-9-]+)["']""", path.read_text())
    }
    used |= set(signs.SOURCE_ICONS.values()) | {c[1] for c in signs.STATUS_CHIPS.values()}
    used |= {c[0] for c in signs.OUTCOME_ICONS.values()}
    assert {name for name in used if f'id="{name}"' not in sprite} == set()


def test_a_person_is_round_and_automation_is_square() -> None:
    assert "ace-who--person" in tags.actor("person:ann")
    assert "ace-who--auto" in tags.actor("automatic")
    assert "Automatic" in tags.actor("automatic")
    assert "Run 12" in tags.actor("run:12")
    assert "Training 7" in tags.actor("run:training-7")
    assert "airline-support" in tags.actor("agent:airline-support")


@pytest.mark.parametrize(
    ("outcomes", "chip"),
    [
        ([("schema", "pass")], "clear"),
        ([("schema", "pass"), ("conflict", "warn")], "ace-chip--conflict"),
        ([("evidence", "warn"), ("safety", "block")], "safety"),
        ([("evidence", "warn"), ("duplication", "warn")], "evidence +1"),
        ([], "not judged"),
    ],
)
def test_risk_names_the_worst_judge(outcomes: list[tuple[str, str]], chip: str) -> None:
    assert chip in tags.risk([{"judge": j, "outcome": o} for j, o in outcomes])


@pytest.mark.parametrize(
    ("name", "threshold", "text"),
    [("strict", 0.7, "strict"), ("dry_run", None, "dry run"), ("auto", 0.7, "auto \u2265 0.70")],
)
def test_a_mode_reads_as_words(name: str, threshold: float | None, text: str) -> None:
    assert tags.mode(name, threshold) == text


def test_the_current_page_is_marked() -> None:
    class Match:
        view_name = "console:delta"

    class Request:
        resolver_match = Match()

    source = "{% current 'console:review' 'console:delta' %}"
    assert render(source, request=Request()) == 'aria-current="page"'
    assert render("{% current 'console:audit' %}", request=Request()) == ""
    assert render(source) == ""


# ---- changes ----
@pytest.mark.parametrize(
    ("op", "before", "expected"),
    [
        ({"op": "add", "text": "New.", "position": 0}, None, ["<ins>New.</ins>", "to place 1"]),
        ({"op": "remove", "bullet_id": "s-1"}, "Old.", ["<del>Old.</del>", "s-1"]),
        ({"op": "update", "bullet_id": "s-1", "text": "b"}, "a", ["<del>a</del> <ins>b</ins>"]),
        ({"op": "update", "bullet_id": "s-1", "text": "b"}, None, ["not in the version"]),
        ({"op": "move", "bullet_id": "s-1", "position": 2}, "Kept.", ["Kept.", "to place 3"]),
        (
            {"op": "merge", "bullet_ids": ["s-1", "s-2"], "text": "c"},
            ["a", "b"],
            ["<del>a</del>", "<del>b</del>", "<ins>c</ins>", "s-2"],
        ),
        ({"op": "set", "path": "/n", "value": 2}, 1, ["/n", "<del>1</del> <ins>2</ins>"]),
        ({"op": "unset", "path": "/n"}, 1, ["/n", "<del>1</del>"]),
    ],
)
def test_an_operation_shows_what_it_changes(
    op: dict[str, Any], before: Any, expected: list[str]
) -> None:
    html = render("{% operation op before %}", op=op, before=before)
    for text in expected:
        assert text in html


@pytest.mark.parametrize(("letters", "scrolls"), [(2_000, 0), (2_001, 1)])
def test_a_long_text_scrolls_in_its_place_and_by_keyboard(letters: int, scrolls: int) -> None:
    for op in ({"op": "add", "text": "a" * letters}, {"op": "set", "value": "a" * letters}):
        html = render("{% operation op %}", op=op)
        assert html.count('class="ace-long" tabindex="0"') == scrolls
        assert html.count("<div") == html.count("</div>")


def test_a_diff_of_endless_punctuation_takes_no_time() -> None:
    started = process_time()
    for mark in (".", "'a", "-.", "a-"):
        words.word_diff_html(mark * 10_000, mark * 9_999)
    assert process_time() - started < 60


def test_words_keep_the_marks_that_join_them() -> None:
    segments = words.word_diff("it isn't so-called v1.2", "it isn't so-named v1.2")
    assert [s.text for s in segments if s.kind != "keep"] == ["so-called", "so-named"]
