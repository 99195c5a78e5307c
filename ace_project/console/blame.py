"""The bullets of a version with what is known of each: who brought it in, what became of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import F

from evolution.bullet_effects import ENOUGH_USES, NOTHING, Effect
from playbooks.content import Bullet as Lesson
from playbooks.content import Content, bullets, is_bullet_list
from playbooks.models import OPEN, Bullet, Delta, Playbook, PlaybookVersion

MAX_REWORDINGS = 5
MOST_OPEN = 200


@dataclass(frozen=True, slots=True)
class Line:
    """One bullet: its lesson, the record of it, earlier wordings (newest first), open deltas."""

    lesson: Lesson
    record: Bullet | None
    wordings: list[str]
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


@dataclass(frozen=True, slots=True)
class Section:
    """A top-level key: lines where it holds bullets, a value where it holds anything else."""

    name: str
    lines: list[Line] = field(default_factory=list)
    value: Any = None
    is_value: bool = False


def sections_of(
    playbook: Playbook,
    content: Content,
    number: int,
    *,
    most: int,
    effects: Mapping[str, Effect],
) -> list[Section]:
    """Return the sections of version `number` with at most `most` bullets in all."""
    lessons = bullets(content)[:most]
    records = _records(playbook, {lesson.bullet_id for lesson in lessons})
    kinds = _kinds(playbook, records.values())
    waiting = open_on(playbook)
    lines: dict[str, list[Line]] = {}
    for lesson in lessons:
        record = records.get(lesson.bullet_id)
        introduced = record.introduced_version if record else 0
        line = Line(
            lesson=lesson,
            record=record,
            wordings=_wordings(record, records),
            open=waiting.get(lesson.bullet_id, []),
            is_new=introduced == number > 1,
            kind=kinds.get(introduced, ""),
            measured=effects.get(lesson.bullet_id, NOTHING),
        )
        lines.setdefault(lesson.section, []).append(line)
    return [
        Section(name, lines.get(name, []))
        if is_bullet_list(value)
        else Section(name, value=value, is_value=True)
        for name, value in content.items()
    ]


def domain_of(sections: Iterable[Section]) -> tuple[float, float]:
    """Return one scale for all effects on a page, zero in its middle."""
    lines = [line for section in sections for line in section.lines]
    effects = [effect for line in lines for effect in (line.effect, line.worth) if effect]
    reach = max((abs(bound) for effect in effects for bound in effect), default=0.0) or 0.1
    return -reach, reach


def _records(playbook: Playbook, names: set[str]) -> dict[str, Bullet]:
    """Return the records of these bullets and, some rewordings back, of what they were before."""
    known: dict[str, Bullet] = {}
    for _ in range(MAX_REWORDINGS):
        rows = Bullet.objects.filter(playbook=playbook, bullet_id__in=names - known.keys())
        found = rows.select_related("delta").only(
            *("bullet_id", "text", "lineage", "introduced_version", "introduced_by", "created_at"),
            *("used", "helped", "harmed", "playbook_id", "delta__source", "delta__author"),
        )
        # The rest of the evidence is large; only the figures are read.
        figures = found.annotate(
            lift=F("delta__evidence__lift"), interval=F("delta__evidence__interval")
        )
        known |= {row.bullet_id: row for row in figures}
        names = {old for row in known.values() for old in row.lineage}
        if names <= known.keys():
            break
    return known


def _kinds(playbook: Playbook, records: Iterable[Bullet]) -> dict[int, str]:
    numbers = {record.introduced_version for record in records}
    rows = PlaybookVersion.objects.filter(playbook=playbook, number__in=numbers)
    return dict(rows.values_list("number", "kind"))


def _wordings(record: Bullet | None, records: dict[str, Bullet]) -> list[str]:
    texts: list[str] = []
    seen: set[str] = set()
    names = list(record.lineage) if record else []
    while names and len(texts) < MAX_REWORDINGS:
        name = names.pop(0)
        before = records.get(name)
        if name in seen or before is None:
            continue
        seen.add(name)
        texts.append(before.text)
        names += before.lineage
    return texts


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
