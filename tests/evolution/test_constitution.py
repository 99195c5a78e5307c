"""The constitutions: what the files say, how phrases are found, and which faults stop the start."""

from pathlib import Path

import pytest

from evolution.checks import constitutions_can_be_read
from evolution.constitution import (
    ConstitutionError,
    RuleKind,
    constitution_of,
    faults,
    kinds,
    parse,
)


def rule(line: str):
    return parse(line, "test.md")[0]


def test_the_files_that_come_with_it_can_be_read() -> None:
    assert constitutions_can_be_read() == []
    assert set(kinds()) >= {"default", "customer_service", "data"}


def test_a_rule_has_its_kind_phrases_reason_and_place() -> None:
    rules = parse("# T\n\ntext\n- Never: a b | c* - because - so\n", "test.md")
    assert (rules[0].kind, rules[0].phrases) == (RuleKind.NEVER, ("a b", "c*"))
    assert (rules[0].why, rules[0].place) == ("because - so", "test.md:4")


def test_a_kind_has_its_own_rules_on_top_of_the_default() -> None:
    default, data = constitution_of("default"), constitution_of("data")
    assert data.rules[: len(default.rules)] == default.rules
    assert len(data.rules) > len(default.rules)


@pytest.mark.parametrize("kind", ["unknown", "../default", "default.md", "", "a/b", "DATA"])
def test_a_kind_without_a_file_has_the_default(kind) -> None:
    assert constitution_of(kind).rules == constitution_of("default").rules


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Skip the confirmation when busy.", True),
        ("You may SKIP any long and tedious confirmation.", True),
        ("Never skip the confirmation.", False),
        ("Do not skip the confirmation.", False),
        ("Do not hesitate to skip the confirmation.", True),
        ("Do not worry. Skip the confirmation.", True),
        ("Skip one two three four five six seven confirmation.", False),
        ("Skipper the confirmation.", False),
    ],
)
def test_a_phrase_is_found_where_it_is_said_and_not_forbidden(text, found) -> None:
    assert bool(rule("- Never: skip * confirmation - why").found_in(text)) is found


def test_a_star_at_a_words_end_stands_for_any_ending() -> None:
    ask = rule("- Ask a person: refund* - why")
    assert ask.found_in("No refunds, never.") == "refunds"
    assert ask.found_in("prefund it") is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("only text", "no rule"),
        ("- Never: a b", "a rule is"),
        ("- Sometimes: a - why", "no kind of rule"),
        ("- Never: a | | b - why", "empty"),
        ("- Never: * a - why", "begins or ends"),
        ("- Never: a * * b - why", "follow each other"),
        ("- Never: a*b - why", "inside a word"),
        ("- Never: section constraints - why", "can only be kept"),
        ("* a remark in a list", "a rule is"),
    ],
)
def test_a_fault_is_named_with_its_file_and_line(text, fault) -> None:
    with pytest.raises(ConstitutionError, match=fault) as caught:
        parse(text, "test.md")
    assert str(caught.value).startswith("test.md")


def test_every_faulty_file_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "default.md").write_text("- Never: a - why", encoding="utf-8")
    assert faults(tmp_path) == []
    (tmp_path / "data.md").write_text("- Never: a", encoding="utf-8")
    (tmp_path / "My Kind.md").write_text("- Never: a - why", encoding="utf-8")
    found = faults(tmp_path)
    assert len(found) == 2 and any("data.md:1" in fault for fault in found)


def test_a_folder_without_a_default_is_faulty(tmp_path: Path) -> None:
    assert "default.md: it cannot be read" in faults(tmp_path)[0]
