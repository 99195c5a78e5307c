"""Lessons of known worth in a world: what its tools really need, what harms, what does nothing."""

from dataclasses import dataclass
from random import Random
from typing import Literal

from evolution.lessons import Lesson, LessonKind, error_signature, render
from training.workshop.rules import ACTIONS, CHECKS, OPEN, TASK_TYPES, Rules
from training.workshop.world import World

Worth = Literal["right", "harmful", "neutral"]
HARMFUL_TYPED = 2


@dataclass(frozen=True, slots=True)
class Candidate:
    """A lesson for a playbook and what it is worth in its world."""

    lesson: Lesson
    worth: Worth

    @property
    def text(self) -> str:
        """The lesson as a bullet."""
        return render(self.lesson)

    @property
    def typed(self) -> bool:
        """Whether the lesson is limited to one task type."""
        return self.lesson.task_type is not None


def right_lessons(world: World) -> list[Lesson]:
    """Return what a perfect reflector would find: each lesson mends a slip this agent has."""
    rules, habits = world.rules, world.habits
    slips = habits.tidy[TASK_TYPES[0]]
    before, finish = LessonKind.BEFORE, LessonKind.FINISH
    lessons = [
        Lesson(before, ACTIONS[kind], other=check)
        for kind in TASK_TYPES
        for check in rules.required[kind]
    ]
    lessons += [Lesson(before, rules.seal, other=rules.prior), Lesson(finish, rules.seal)]
    lessons.append(stale_lesson(rules))
    if any(habits.tidy[kind].basis for kind in TASK_TYPES):
        lessons.append(Lesson(before, rules.basis_of[1], other=rules.basis_of[0]))
    if slips.harmful:
        lessons.append(Lesson(LessonKind.NEVER, rules.harmful))
    if slips.double:
        lessons.append(Lesson(LessonKind.REPEAT, rules.once))
    for kind, duty in rules.special_duty.items():
        if duty == "required":
            lessons.append(Lesson(finish, rules.special, task_type=kind))
        elif duty == "forbidden":
            lessons.append(Lesson(LessonKind.NEVER, rules.special, task_type=kind))
    return lessons


def stale_lesson(rules: Rules) -> Lesson:
    """Return the lesson that mends a revision somebody else has changed."""
    message = rules.stale_wording.format(revision=1, ticket=50_001)
    return Lesson(
        LessonKind.AFTER_ERROR,
        rules.contested,
        other=rules.refresh,
        error=error_signature(message),
    )


def harmful_lessons(world: World) -> list[Lesson]:
    """Return lessons without a task type, each of which ruins most cases when obeyed.

    They do so on top of the right lessons as well: "Never call X" would outweigh a duty to call X.
    """
    rules = world.rules
    before, finish, never = LessonKind.BEFORE, LessonKind.FINISH, LessonKind.NEVER
    wilful = [ACTIONS[kind] for kind in _unguarded(rules)]
    return [
        Lesson(never, rules.seal),
        Lesson(never, rules.prior),
        Lesson(never, OPEN),
        Lesson(before, rules.prior, other=rules.seal),
        Lesson(before, rules.seal, other=rules.harmful),
        *(Lesson(finish, action) for action in wilful),
        *(Lesson(before, rules.seal, other=action) for action in wilful),
    ]


def harmful_typed_lessons(world: World) -> list[Lesson]:
    """Return lessons that ruin the cases of one type and touch no other."""
    rules = world.rules
    wilful = _unguarded(rules)
    lessons = [
        Lesson(LessonKind.NEVER, rules.special, task_type=kind)
        for kind in TASK_TYPES
        if rules.special_duty[kind] == "required"
    ]
    lessons += [
        Lesson(LessonKind.FINISH, ACTIONS[other], task_type=kind)
        for other in wilful
        for kind in TASK_TYPES
        if kind != other
    ]
    lessons += [
        Lesson(LessonKind.NEVER, action, task_type=kind) for kind, action in ACTIONS.items()
    ]
    return lessons


def _unguarded(rules: Rules) -> list[str]:
    """Task types whose action goes through in any case, wanted or not."""
    guarded = {rules.basis_of[1]} if rules.basis_strict else set()
    return [
        kind
        for kind in TASK_TYPES
        if not rules.strict[kind] and not guarded.intersection(rules.required[kind])
    ]


def neutral_lessons(world: World) -> list[Lesson]:
    """Return lessons that change what the agent does and not what comes of it."""
    rules = world.rules
    lessons = [
        Lesson(LessonKind.NEVER, rules.idle),
        Lesson(LessonKind.FINISH, rules.idle),
        Lesson(LessonKind.BEFORE, rules.seal, other=rules.idle),
        Lesson(LessonKind.REPEAT, rules.special),
    ]
    for kind, action in ACTIONS.items():
        useless = [check for check in CHECKS if check not in rules.required[kind]]
        lessons += [Lesson(LessonKind.BEFORE, action, other=check) for check in useless]
    return lessons


def candidate_lessons(world: World, n: int = 30, harmful: int = 6) -> list[Candidate]:
    """Return `n` labelled lessons in random order: all right ones, `harmful`, the rest neutral.

    Of the harmful ones two hold for one task type only. Deterministic by the world's seed.
    """
    rng = Random(f"candidates/{world.seed}")
    bad = rng.sample(harmful_typed_lessons(world), HARMFUL_TYPED)
    bad += rng.sample(harmful_lessons(world), harmful - HARMFUL_TYPED)
    right = right_lessons(world)
    spare = rng.sample(neutral_lessons(world), n - len(right) - len(bad))
    candidates = [Candidate(lesson, "right") for lesson in right]
    candidates += [Candidate(lesson, "harmful") for lesson in bad]
    candidates += [Candidate(lesson, "neutral") for lesson in spare]
    rng.shuffle(candidates)
    return candidates
