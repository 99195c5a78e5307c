"""Runs as traces and as what the reflector sees; the audit's verdicts."""

import json

from evolution.lessons import Lesson, LessonKind
from training.workshop.advice import harmful_lessons, neutral_lessons, right_lessons
from training.workshop.audit import audit_lessons, paired_effect
from training.workshop.simulation import episode_to_run, episode_to_trace, simulate
from training.workshop.world import World

WORLD = World(21)
EPISODES = simulate(WORLD, [], WORLD.tasks(0, 100))


def test_a_trace_is_json_and_says_that_it_is_simulated():
    body = episode_to_trace(EPISODES[0], playbook_version=3)

    assert json.loads(json.dumps(body)) == body
    assert body["metadata"]["simulated"] is True
    assert body["metadata"]["task_type"] == EPISODES[0].task_type
    assert body["playbook_version"] == 3
    assert "agent_id" not in body


def test_a_trace_keeps_outcome_steps_and_measured_time():
    for episode in EPISODES:
        body = episode_to_trace(episode)
        assert body["success"] == episode.success
        assert ("error_message" in body) != episode.success
        assert body["execution_time"] == episode.seconds > 0
        assert {"tool", "arguments", "seconds"} <= set(body["steps"][0])
        assert all(("error" in step) != ("result" in step) for step in body["steps"])


def test_trace_ids_differ_by_case_and_by_version():
    ids = {episode_to_trace(episode)["trace_id"] for episode in EPISODES}
    ids |= {episode_to_trace(episode, 2)["trace_id"] for episode in EPISODES}

    assert len(ids) == 2 * len(EPISODES)


def test_the_reflector_sees_the_same_steps_in_canonical_json():
    for episode in EPISODES:
        run = episode_to_run(episode, 1)
        assert [step.tool for step in run.steps] == [step["tool"] for step in episode.steps]
        assert json.loads(run.steps[0].arguments) == episode.steps[0]["arguments"]
        assert [step.error for step in run.steps] == [s.get("error") for s in episode.steps]
        assert (run.version, run.success) == (1, episode.success)


def test_the_audit_tells_right_neutral_and_harmful_lessons_apart():
    right = right_lessons(WORLD)
    typed = Lesson(LessonKind.NEVER, "issue_refund", task_type="refund")
    applied = [*right[:4], *right[-4:], neutral_lessons(WORLD)[0], typed]
    rows = audit_lessons(WORLD, applied, WORLD.tasks(5_000, 1_000))
    verdicts = {row.lesson: row.verdict for row in rows}

    assert [verdicts[lesson] for lesson in (*right[:4], *right[-4:])].count("helps") >= 7
    assert verdicts[neutral_lessons(WORLD)[0]] == "neutral"
    assert verdicts[typed] == "harms"


def test_the_audit_calls_a_ruinous_lesson_harmful():
    row = audit_lessons(WORLD, [harmful_lessons(WORLD)[0]], WORLD.tasks(0, 200))[0]

    assert row.verdict == "harms"
    assert row.alone.high < -0.2


def test_a_paired_effect_counts_the_tasks_it_does_not_touch_as_zero():
    effect = paired_effect([1.0, 1.0, -1.0], 10)

    assert effect.mean == 0.1
    assert effect.low < effect.mean < effect.high
