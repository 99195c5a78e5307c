"""The search for candidate lessons on the discovery part of the runs."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from evolution.contrasts import Evidence, compare
from evolution.lessons import Lesson, LessonKind, contradicts, untyped
from evolution.mining import Conduct
from evolution.samples import Sample, groups_with

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MIN_SPREAD = 3
MIN_SCORE = 1.3  # standard errors that make a lesson worth testing
FEW = 10  # candidates up to which any gain is worth it
STRONG_SCORE = 3.0  # and that make its breach count when others are compared
NEAR_TIE = 0.85  # of the best score
ALIKE = 0.7  # correlation of conduct from which two lessons may be one effect
SAME = 0.9  # and from which they are
WORST_TYPE_SCORE = -0.5
MAX_ADJUSTED = 14
MAX_BREACHES = 2
HURTING_SCORE = 2.0


@dataclass(frozen=True, slots=True)
class Pick:
    """A candidate: a column of the conduct, within one task type or (None) in all."""

    lesson: Lesson
    column: int
    kind: int | None
    score: float
    remove: bool = False  # a lesson of the playbook that seems to hurt: tried the other way round


@dataclass(slots=True)
class Search:
    """The state of a forward selection over columns x (types and "all types")."""

    sample: Sample
    conduct: Conduct
    eligible: Bools  # (T + 1, K): rows are task types, the last row is "all types"
    adjust: bool  # whether breaches of what was found count when others are compared
    picks: list[Pick] = field(default_factory=list)

    @property
    def everywhere(self) -> int:
        """The row of `eligible` and of the scores that stands for all task types."""
        return len(self.sample.types)


def eligible_lessons(
    sample: Sample, conduct: Conduct, taken: Collection[Lesson], min_runs: int
) -> Bools:
    """Return which lessons have a contrast, (T + 1, K), by conduct alone and on all runs.

    For one task type: at least `min_runs` runs each way, from at least MIN_SPREAD groups. Without
    a task type: a contrast in every type where the lesson would act, which is every type in which
    some run breaks it.
    """
    types = len(sample.types)
    kept, broken = (np.zeros((types, len(conduct.lessons)), dtype=np.int64) for _ in range(2))
    wide = np.zeros((types, len(conduct.lessons)), dtype=bool)
    for kind in range(types):
        rows = sample.kind == kind
        followed, group = conduct.followed[rows], sample.group[rows]
        others = conduct.at_risk[rows] & ~followed
        kept[kind], broken[kind] = followed.sum(axis=0), others.sum(axis=0)
        spread = np.minimum(groups_with(followed, group), groups_with(others, group))
        wide[kind] = spread >= MIN_SPREAD
    contrast = (kept >= min_runs) & (broken >= min_runs) & wide
    everywhere = np.all((broken == 0) | (kept >= min_runs), axis=0)
    shared = contrast.sum(axis=0) >= min(2, types)
    eligible = np.vstack([contrast, everywhere & shared])
    if types == 1:
        eligible[0] = False  # the only task type there is: the lesson needs no prefix
    eligible[[kind is None for kind in sample.types] + [False]] = False
    for column, lesson in enumerate(conduct.lessons):
        for row, task_type in enumerate((*sample.types, None)):
            typed = replace(lesson, task_type=task_type)
            eligible[row, column] &= lesson not in taken and typed not in taken
    return eligible


def standing(sample: Sample, conduct: Conduct, lessons: Collection[Lesson]) -> list[Pick]:
    """Return the lessons of a playbook that the runs can speak about."""
    column = {lesson: index for index, lesson in enumerate(conduct.lessons)}
    picks = []
    for lesson in lessons:
        known = untyped(lesson) in column and lesson.task_type in (None, *sample.types)
        if known:
            kind = None if lesson.task_type is None else sample.types.index(lesson.task_type)
            picks.append(Pick(lesson, column[untyped(lesson)], kind, 0.0))
    return picks


def search(state: Search, most: int, known: Sequence[Pick], breaches: Ints) -> list[Pick]:
    """Return up to `most` candidates, the strongest first, and known lessons that seem to hurt.

    `breaches` (N,) counts the broken ones of the known. A strong find joins them: later
    candidates are compared among runs that broke equally many, so that what merely travels with a
    known mistake finds nothing left to explain.
    """
    hurting = _hurting(state, known, breaches)
    scores = _scores(state, breaches)
    adjusted = 0
    while len(state.picks) < most:
        pick = _best(state, scores)
        if pick is None:
            break
        pick = _tightest(state, scores, pick)
        _close(state, pick)
        if _is_redundant(state, pick):
            continue
        state.picks.append(pick)
        if state.adjust and pick.score >= STRONG_SCORE and adjusted < MAX_ADJUSTED:
            adjusted += 1
            breaches = breaches + broken(state.conduct, state.sample, pick)
            scores = _scores(state, breaches)
    return hurting + state.picks


def _hurting(state: Search, known: Sequence[Pick], breaches: Ints) -> list[Pick]:
    """Return those known lessons that runs do better without, to be tried the other way round."""
    hurting = []
    for pick in known:
        rows = state.conduct.at_risk[:, pick.column]
        if pick.kind is not None:
            rows = rows & (state.sample.kind == pick.kind)
        cases = state.sample.part(rows)
        others = breaches[rows] - broken(state.conduct, state.sample, pick)[rows]
        followed = state.conduct.followed[rows, pick.column][:, None]
        every = np.ones_like(followed)
        found = compare(cases.success, every, followed, cases.group, blocks(cases, others))
        if found.z[0] <= -HURTING_SCORE:
            hurting.append(replace(pick, score=float(-found.z[0]), remove=True))
    return hurting


def broken(conduct: Conduct, sample: Sample, pick: Pick) -> Ints:
    """Return 1 for each run (N,) that broke the lesson, 0 for others."""
    rows = conduct.at_risk[:, pick.column] & ~conduct.followed[:, pick.column]
    if pick.kind is not None:
        rows = rows & (sample.kind == pick.kind)
    return rows.astype(np.int64)


def blocks(sample: Sample, breaches: Ints) -> Ints:
    """Return the block (N,) inside which runs are compared: stratum and number of breaches."""
    return sample.stratum * (MAX_BREACHES + 1) + np.minimum(breaches, MAX_BREACHES)


def _scores(state: Search, breaches: Ints) -> Floats:
    """Return the scores (T + 1, K), -inf where a lesson is not eligible."""
    sample, conduct = state.sample, state.conduct
    block = blocks(sample, breaches)
    columns = np.flatnonzero(state.eligible.any(axis=0))
    scores = np.full(state.eligible.shape, -np.inf)
    if not len(columns):
        return scores
    parts = []
    for kind in range(len(sample.types)):
        rows = sample.kind == kind
        parts.append(
            compare(
                sample.success[rows],
                conduct.at_risk[np.ix_(rows, columns)],
                conduct.followed[np.ix_(rows, columns)],
                sample.group[rows],
                block[rows],
            )
        )
    scores[:-1, columns] = [part.overall.z for part in parts]
    scores[-1, columns] = _common_score(parts)
    scores[~state.eligible] = -np.inf
    return scores


def _common_score(parts: list[Evidence]) -> Floats:
    """Return the score over all types, -inf where the types disagree.

    A lesson for all types must not lose in any, and the types must agree on its size (Cochran's
    Q against its 5 % point, by Wilson and Hilferty's approximation).
    """
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    score = total.overall.z
    if len(parts) == 1:
        return score
    lifts = np.array([_lift(part) for part in parts])
    weights = np.array([_precision(part) for part in parts])
    centre = (weights * lifts).sum(axis=0) / np.maximum(weights.sum(axis=0), 1e-12)
    disagreement = (weights * (lifts - centre) ** 2).sum(axis=0)
    freedom = np.maximum((weights > 0).sum(axis=0) - 1, 1)
    limit = freedom * (1 - 2 / (9 * freedom) + 1.645 * np.sqrt(2 / (9 * freedom))) ** 3
    worst = np.min([part.overall.z for part in parts], axis=0)
    return np.where((disagreement <= limit) & (worst >= WORST_TYPE_SCORE), score, -np.inf)


def _lift(part: Evidence) -> Floats:
    return part.overall.gain / np.maximum(part.overall.information, 1e-9)


def _precision(part: Evidence) -> Floats:
    both = part.overall
    known = both.variance > 1e-9
    return np.where(known, both.information**2 / np.maximum(both.variance, 1e-9), 0.0)


def _best(state: Search, scores: Floats) -> Pick | None:
    scores = np.where(state.eligible, scores, -np.inf)
    if not scores.size:
        return None
    row, column = np.unravel_index(int(np.argmax(scores)), scores.shape)
    if scores[row, column] < (0.0 if len(state.picks) < FEW else MIN_SCORE):
        return None
    return _pick(state, scores, int(row), int(column))


def _pick(state: Search, scores: Floats, row: int, column: int) -> Pick:
    kind = None if row == state.everywhere else row
    task_type = None if kind is None else state.sample.types[kind]
    lesson = replace(state.conduct.lessons[column], task_type=task_type)
    return Pick(lesson, column, kind, float(scores[row, column]))


def _tightest(state: Search, scores: Floats, pick: Pick) -> Pick:
    """Return the tightest of those lessons that explain the same effect about as well.

    "Before close, ..." does as well as "before exchange, ..." where every exchange is closed; the
    call that the check is closest to is the one that needs it.
    """
    row = state.everywhere if pick.kind is None else pick.kind
    best = pick
    for column in np.flatnonzero(scores[row] >= NEAR_TIE * pick.score):
        rival = _pick(state, scores, row, int(column))
        if (
            state.eligible[row, column]
            and _rivals(rival.lesson, pick.lesson)
            and likeness(state.sample, state.conduct, rival, pick) >= ALIKE
            and _looseness(state, rival) < _looseness(state, best)
        ):
            best = rival
    return best


def _rivals(one: Lesson, other: Lesson) -> bool:
    """Tell whether two lessons may be anchors of one effect; of two finishes the last one is."""
    finishes = one.kind is LessonKind.FINISH and other.kind is LessonKind.FINISH
    return finishes or _aim(one) == _aim(other)


def _aim(lesson: Lesson) -> tuple[bool, str | None]:
    """Return what a lesson asks for: a call to make, or one to leave out."""
    match lesson.kind:
        case LessonKind.BEFORE | LessonKind.AFTER_ERROR:
            return True, lesson.other
        case LessonKind.FINISH:
            return True, lesson.tool
        case LessonKind.REPEAT | LessonKind.NEVER:
            return False, lesson.tool


_ORDER = {
    LessonKind.AFTER_ERROR: 0,
    LessonKind.BEFORE: 1,
    LessonKind.FINISH: 2,
    LessonKind.REPEAT: 3,
    LessonKind.NEVER: 4,
}


def _looseness(state: Search, pick: Pick) -> tuple[int, float]:
    return _ORDER[pick.lesson.kind], float(state.conduct.gap[pick.column])


def likeness(sample: Sample, conduct: Conduct, one: Pick, other: Pick) -> float:
    """Return the correlation of keeping the two lessons where both apply, 0 with few such runs."""
    rows = conduct.at_risk[:, one.column] & conduct.at_risk[:, other.column]
    for pick in (one, other):
        if pick.kind is not None:
            rows = rows & (sample.kind == pick.kind)
    first, second = (conduct.followed[rows, pick.column] for pick in (one, other))
    if len(first) < 2 or first.all() or second.all() or not first.any() or not second.any():
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _is_redundant(state: Search, pick: Pick) -> bool:
    """Tell whether a pick is the same effect as an earlier one, or its opposite."""
    if contradicts(pick.lesson, [earlier.lesson for earlier in state.picks]):
        return True
    return any(
        _family(earlier.lesson) == _family(pick.lesson)
        and likeness(state.sample, state.conduct, earlier, pick) >= SAME
        for earlier in state.picks
    )


def _family(lesson: Lesson) -> bool:
    """Tell duties after an error from standing ones: they act at different moments."""
    return lesson.kind is LessonKind.AFTER_ERROR


def _close(state: Search, pick: Pick) -> None:
    """Take a pick, and what it contains or is contained in, out of the search."""
    if pick.kind is None:
        state.eligible[:, pick.column] = False
    else:
        state.eligible[pick.kind, pick.column] = False
        state.eligible[state.everywhere, pick.column] = False
