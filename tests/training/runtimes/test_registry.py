"""Which specs of a runtime there can be, and what a wrong one is told."""

import pytest

from training.runtimes.base import InvalidRuntime
from training.runtimes.registry import check_runtime, make_runtime, own_tasks


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({}, "runtime.name"),
        ({"name": "slot machine"}, "runtime.name"),
        ({"name": ["workshop"]}, "runtime.name"),
        ({"name": "workshop", "seed": -1}, "runtime.seed"),
        ({"name": "workshop", "seed": True}, "runtime.seed"),
        ({"name": "workshop", "url": "https://a.example"}, "runtime.url"),
        ({"name": "gymnasium"}, "runtime.env"),
        ({"name": "gymnasium", "env": "NoSuchThing-v1"}, "runtime.env"),
        # It would import the module before the colon.
        ({"name": "gymnasium", "env": "antigravity:CartPole-v1"}, "runtime.env"),
        # Its actions are no choice among so many.
        ({"name": "gymnasium", "env": "Pendulum-v1"}, "runtime.env"),
    ],
)
def test_a_wrong_spec_names_its_field(spec: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidRuntime) as caught:
        check_runtime(spec)
    assert caught.value.field == field


def test_without_the_package_gymnasium_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gymnasium", None)
    with pytest.raises(InvalidRuntime, match="pip install gymnasium"):
        check_runtime({"name": "gymnasium", "env": "CartPole-v1"})


@pytest.mark.parametrize(
    "spec", [{"name": "workshop", "seed": 3}, {"name": "gymnasium", "env": "FrozenLake-v1"}]
)
def test_a_checked_spec_is_canonical_and_its_splits_share_no_task(spec: dict[str, object]) -> None:
    assert check_runtime(spec) == spec
    assert make_runtime(spec).simulated
    drawn = [own_tasks(spec, split, 30) or [] for split in ("train", "validation", "test")]
    assert [[task.number for task in split] for split in drawn] == [list(range(30))] * 3
    assert len({str(task.query) for split in drawn for task in split}) == 90
    assert own_tasks(spec, "train", 30) == drawn[0]
