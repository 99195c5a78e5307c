"""The bullets of a version with what is known of each: who brought it in, what became of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import F

from evolution.bullet_effects import ENOUGH_USES, Effect, Effects
from playbooks.content import Bullet as Lesson
from playbooks.models import OPEN, Bullet, Delta, Playbook, PlaybookVersion

MOST_OPEN = 200


@dataclass(frozen=True, slots=True)
class Line:
    """One bullet: its lesson, the record of it, open deltas, what is measured."""

    lesson: Lesson
    record: Bullet | None
    open: list[Delta]
    is_new: bool
    kind: str
    measured: Effect

    @property
    def effect(self) -> tuple[float, float, float] | None:
        """Return the effect predicted by the delta that brought it in, with its interval."""
        lift = getattr(self.record, "lift", None)
        interval = getattr(self.record, "interval", None)
        if not isinstance(lift, int | float) or not isinstance(interval, list):
            return None
        numbers = [v for v in interval if isinstance(v, int | float)]
        return (lift, numbers[0], numbers[1]) if len(numbers) == 2 else None

    @property
    def worth(self) -> tuple[float, float, float] | None:
        """Return the effect measured in its runs, like compared with like, with its interval."""
        found = self.measured.overall
        return (found.value, found.low, found.high) if self.measured.is_known and found else None

    @property
    def counted(self) -> Bullet | None:
        """Return the record where uses were counted for it."""
        return self.record if self.record and self.record.used else None

    @property
    def used(self) -> int:
        """Return how often it was used: as counted for it, or else in the newest traces."""
        return self.counted.used if self.counted else self.measured.used.runs

    @property
    def tally(self) -> str:
        """Return how many of its runs succeeded and failed, where they were counted: no effect."""
        row = self.counted
        return f"helped {row.helped:,}, harmed {row.harmed:,} times" if row else ""

    @property
    def hurts(self) -> bool:
        """Return whether the runs that used it clearly did worse."""
        return self.measured.is_harmful

    @property
    def reworded(self) -> bool:
        """Return whether it was made of other wordings."""
        return bool(self.record and self.record.lineage)

    @property
    def said(self) -> str:
        """Return what its uses say, as a sentence; a share is no effect, for tasks differ."""
        if not self.used:
            return "not measured yet"
        if self.used < ENOUGH_USES:
            few = f"{self.used} of {ENOUGH_USES} uses, too few to say"
            return f"{few}; {self.tally}" if self.tally else few
        if self.tally:
            return self.tally
        low, high = self.measured.used.interval
        return f"with it {low * 100:.0f} to {high * 100:.0f}\u202f% succeed"


def lines_of(
    playbook: Playbook, lessons: Sequence[Lesson], number: int, effects: Effects
) -> dict[Lesson, Line]:
    """Return a line for each of these lessons of version `number`; every query is for them all."""
    records = _records(playbook, {lesson.bullet_id for lesson in lessons})
    kinds = _kinds(playbook, records.values())
    waiting = open_on(playbook)
    return {
        lesson: _line(
            lesson,
            records,
            number,
            waiting=waiting.get(lesson.bullet_id, []),
            kinds=kinds,
            measured=effects.of(lesson.bullet_id),
        )
        for lesson in lessons
    }


def _line(
    lesson: Lesson,
    records: Mapping[str, Bullet],
    number: int,
    *,
    waiting: list[Delta],
    kinds: Mapping[int, str],
    measured: Effect,
) -> Line:
    record = records.get(lesson.bullet_id)
    introduced = record.introduced_version if record else 0
    return Line(
        lesson=lesson,
        record=record,
        open=waiting,
        is_new=introduced == number > 1,
        kind=kinds.get(introduced, ""),
        measured=measured,
    )


def domain_of(lines: Iterable[Line]) -> tuple[float, float]:
    """Return one scale for all effects on a page, zero in its middle."""
    effects = [effect for line in lines for effect in (line.effect, line.worth) if effect]
    reach = max((abs(bound) for effect in effects for bound in effect), default=0.0) or 0.1
    return -reach, reach


def _records(playbook: Playbook, names: set[str]) -> dict[str, Bullet]:
    rows = Bullet.objects.filter(playbook=playbook, bullet_id__in=names).select_related("delta")
    found = rows.only(
        *("bullet_id", "text", "lineage", "introduced_version", "introduced_by", "created_at"),
        *("used", "helped", "harmed", "playbook_id", "delta__source", "delta__author"),
    )
    # The rest of the evidence is large; only the figures are read.
    figures = found.annotate(
        lift=F("delta__evidence__lift"), interval=F("delta__evidence__interval")
    )
    return {row.bullet_id: row for row in figures}


def _kinds(playbook: Playbook, records: Iterable[Bullet]) -> dict[int, str]:
    numbers = {record.introduced_version for record in records}
    rows = PlaybookVersion.objects.filter(playbook=playbook, number__in=numbers)
    return dict(rows.values_list("number", "kind"))


def open_on(playbook: Playbook) -> dict[str, list[Delta]]:
    """Return the deltas that wait for a person, by the id of the bullet that they touch."""
    rows = Delta.objects.filter(playbook=playbook, status__in=OPEN)
    touching: dict[str, list[Delta]] = {}
    for delta in rows.only("status", "operations").order_by("-id")[:MOST_OPEN]:
        for operation in delta.operations:
            names = operation.get("bullet_ids") or [operation.get("bullet_id")]
            for name in dict.fromkeys(names):
                if name:
                    touching.setdefault(name, []).append(delta)
    return touching
