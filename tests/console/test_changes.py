"""What lies between two versions: every kind of change as the operation that a reader knows."""

from typing import Any

from ace_project.console.changes import MOST_SHOWN, changes_between
from playbooks import services
from playbooks.actors import person
from playbooks.content import bullet_id
from playbooks.models import Agent, Source

BOB = person("bob")


def rows(agent: Agent, old: Any, new: Any) -> list[Any]:
    found = changes_between(agent.playbook, old, new)
    return [row for section in found.sections for row in section.rows]


def apply(agent: Agent, *operations: dict[str, Any]) -> None:
    delta = services.propose_delta(
        agent=agent,
        operations=list(operations),
        confidence=0.9,
        source=Source.OPERATOR,
        author=person("ann"),
        may_apply=False,
    ).delta
    services.approve_delta(delta=delta, by=BOB)


def test_the_same_content_has_no_changes(agent: Agent) -> None:
    found = changes_between(agent.playbook, {"a": ["x"]}, {"a": ["x"]})
    assert (found.sections, found.total, found.later) == ([], 0, None)


def test_bullets_come_go_and_move(agent: Agent) -> None:
    old, new = {"a": ["one", "two", "three"]}, {"a": ["three", "one", "four"]}
    assert [(op["op"], before) for op, before in rows(agent, old, new)] == [
        ("add", None),
        ("remove", "two"),
        ("move", "three"),
    ]


def test_a_bullet_whose_spaces_changed_is_an_update(agent: Agent) -> None:
    ((operation, before),) = rows(agent, {"a": ["one  two"]}, {"a": ["one two"]})
    assert (operation["op"], operation["text"], before) == ("update", "one two", "one  two")


def test_values_are_set_and_unset_by_path(agent: Agent) -> None:
    found = rows(agent, {"goals": {"a": 1, "b": 2}}, {"goals": {"a": 3}, "new": 4})
    assert found == [
        ({"op": "set", "path": "/goals/a", "value": 3}, 1),
        ({"op": "set", "path": "/new", "value": 4}, None),
        ({"op": "unset", "path": "/goals/b"}, 2),
    ]


def test_a_merge_is_one_change_forwards_and_no_bullet_is_lost_backwards(agent: Agent) -> None:
    texts = ["Check the booking date.", "Open with a summary."]
    ids = [bullet_id("strategies", text) for text in texts]
    apply(agent, {"op": "merge", "bullet_ids": ids, "text": "Check, then sum up."})
    old, new = {"strategies": texts}, {"strategies": ["Check, then sum up."]}
    assert rows(agent, old, new) == [
        ({"op": "merge", "bullet_ids": ids, "text": "Check, then sum up."}, texts)
    ]
    back = rows(agent, new, old)
    assert sorted(operation["op"] for operation, _ in back) == ["add", "update"]
    assert {operation["text"] for operation, _ in back} == set(texts)


def test_a_long_list_comes_in_pages_that_join_without_a_gap(agent: Agent) -> None:
    new = {"a": [f"Lesson {n}." for n in range(MOST_SHOWN + 7)], "b": ["last"]}
    found = changes_between(agent.playbook, {}, new)
    assert (found.total, found.end, found.earlier) == (MOST_SHOWN + 8, MOST_SHOWN, None)
    rest = changes_between(agent.playbook, {}, new, start=found.later or 0)
    assert [(part.name, len(part.rows)) for part in rest.sections] == [("a", 7), ("b", 1)]
    assert (rest.earlier, rest.later) == (0, None)
