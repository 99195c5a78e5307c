"""Two traces side by side: what they share, and where they part."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from ace_project.console.trace_alignment import MOST_ALIGNED, align
from evolution.models import ExecutionTrace
from evolution.trace_steps import Call
from playbooks import services
from playbooks.actors import person
from playbooks.models import Agent


def call(number: int, tool: str, arguments: str = "{}", answer: str = "ok") -> Call:
    return Call(number, tool, arguments, arguments, answer, None, None)


def calls(names: str) -> list[Call]:
    """Return calls of tools of one letter each; `a1` is tool a with other arguments."""
    return [call(n, name[0], name[1:]) for n, name in enumerate(names.split(), 1)]


def kinds(left: str, right: str) -> str:
    aligned = align(calls(left), calls(right))
    return " ".join(p.kind for stretch in aligned.stretches for p in stretch.pairs)


@pytest.mark.parametrize(
    ("left", "right", "found"),
    [
        ("a b c", "a b c", "same same same"),
        ("a b c", "a c", "same left same"),
        ("a c", "a b c", "same right same"),
        ("a b1 c", "a b2 c", "same arguments same"),
        ("a x", "a y", "same left right"),
        ("", "a", "right"),
        ("a b b c", "b c", "left same left same"),
    ],
)
def test_steps_are_aligned_where_most_of_them_agree(left: str, right: str, found: str) -> None:
    assert kinds(left, right) == found


def test_the_same_call_with_another_answer_is_the_first_difference() -> None:
    aligned = align([call(1, "a"), call(2, "b")], [call(1, "a"), call(2, "b", answer="no")])
    assert aligned.first is not None
    assert (aligned.first.kind, aligned.first.left and aligned.first.left.number) == ("answer", 2)
    assert [stretch.is_same for stretch in aligned.stretches] == [True, False]


def test_traces_of_five_thousand_steps_are_aligned_as_far_as_is_quick() -> None:
    shared = [call(n, "a") for n in range(1, 4_001)]
    tail = [call(n, f"b{n}") for n in range(4_001, 5_001)]
    aligned = align(shared + tail, shared)
    assert aligned.left_over == 1_000 - MOST_ALIGNED
    assert len(aligned.stretches[0].pairs) == 4_000


@pytest.fixture
def runs(agent: Agent) -> list[ExecutionTrace]:
    """Return two runs of one task that part at their second step."""

    def run(name: str, success: bool, tool: str, **fields: Any) -> ExecutionTrace:
        steps = [{"tool": "find", "arguments": {}}, {"tool": tool, "arguments": {"n": 1}}]
        return ExecutionTrace.objects.create(
            agent=agent,
            trace_id=name,
            task_id="refund-7",
            success=success,
            captured_at=timezone.now(),
            steps=steps,
            step_count=2,
            **fields,
        )

    return [
        run("good", True, "pay", bullets=["b-1", "b-2"], playbook_version=1, tokens=10),
        run("bad", False, "<b>give up</b>\u202e", bullets=["b-1"], playbook_version=2),
    ]


def test_two_runs_of_a_task_say_where_they_part(
    signed_in: Callable[..., Client], runs: list[ExecutionTrace]
) -> None:
    good, bad = runs
    answer = signed_in("viewer").get(f"/traces/{good.pk}/compare/{bad.pk}/")
    page = answer.content.decode()
    assert "They part at step 2 of A: only A called pay." in page
    assert answer.context["counts"] == {"same": 1, "differ": 0, "left": 1, "right": 1}
    assert answer.context["bullets"] == {"shared": 1, "left": ["b-2"], "right": []}
    assert "/playbooks/airline/compare/?from=1&amp;to=2" in page
    assert "&lt;b&gt;give up&lt;/b&gt;" in page
    assert "U+202E" in page


def test_traces_of_two_agents_are_not_compared(
    signed_in: Callable[..., Client], runs: list[ExecutionTrace]
) -> None:
    other = services.create_agent(agent_id="other", author=person("bob"))
    foreign = ExecutionTrace.objects.create(
        agent=other, trace_id="t", success=True, captured_at=timezone.now()
    )
    viewer = signed_in("viewer")
    picked = viewer.get("/traces/compare/", {"trace": [runs[0].pk, foreign.pk]})
    assert "Choose two traces of one agent" in picked.text
    assert viewer.get(f"/traces/{runs[0].pk}/compare/{foreign.pk}/").status_code == 404
    assert viewer.get(f"/traces/{runs[0].pk}/compare/999999/").status_code == 404
    assert viewer.post(f"/traces/{runs[0].pk}/compare/{runs[1].pk}/").status_code == 405


def test_strangers_compare_nothing(client: Client, runs: list[ExecutionTrace]) -> None:
    address = f"/traces/{runs[0].pk}/compare/{runs[1].pk}/"
    assert client.get(address)["Location"].startswith("/sign-in/")


def test_exactly_two_traces_are_picked_to_compare(
    signed_in: Callable[..., Client], runs: list[ExecutionTrace]
) -> None:
    viewer, (good, bad) = signed_in("viewer"), runs
    pair = viewer.get("/traces/compare/", {"trace": [bad.pk, good.pk]})
    assert pair["Location"] == f"/traces/{good.pk}/compare/{bad.pk}/"
    for asked in ({}, {"trace": [good.pk]}, {"trace": ["x", good.pk]}, {"trace": [good.pk] * 2}):
        page = viewer.get("/traces/compare/", asked).content.decode()
        assert "Select two traces in the list" in page
