"""What lies between two versions of a playbook, as the operations that a reader knows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from playbooks.content import Content, diff
from playbooks.models import Bullet, Playbook
from playbooks.operations import describe

MOST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Section:
    """The changes of one section (no name: other values), each an operation and what it met."""

    name: str
    rows: list[tuple[dict[str, Any], Any]]


@dataclass(frozen=True, slots=True)
class Changes:
    """Sections with at most MOST_SHOWN changes of `total`, from number `start` on."""

    sections: list[Section]
    total: int
    start: int
    sentence: str

    @property
    def end(self) -> int:
        """The number behind the last change that is shown."""
        return self.start + sum(len(section.rows) for section in self.sections)

    @property
    def earlier(self) -> int | None:
        """Where the page before begins, None on the first."""
        return max(0, self.start - MOST_SHOWN) if self.start else None

    @property
    def later(self) -> int | None:
        """Where the next page begins, None on the last."""
        return self.end if self.end < self.total else None


def changes_between(playbook: Playbook, old: Content, new: Content, *, start: int = 0) -> Changes:
    """Return the changes from `old` to `new`; a reworded bullet is one, told by its lineage."""
    found: dict[str, Any] = diff(old, new)
    parents = _parents(playbook, found)
    sections = [
        Section(name, list(_bullet_rows(name, part, parents)))
        for name, part in found["sections"].items()
    ]
    if found["set"] or found["unset"]:
        sections.append(Section("", list(_value_rows(found))))
    rows = [row for section in sections for row in section.rows]
    begin = start if start < len(rows) else 0
    return Changes(
        sections=list(_window(sections, begin, begin + MOST_SHOWN)),
        total=len(rows),
        start=begin,
        sentence=describe([operation for operation, _ in rows]),
    )


def _window(sections: Sequence[Section], start: int, end: int) -> Iterator[Section]:
    """Yield what lies in [start, end) of all rows, section by section."""
    for section in sections:
        shown = section.rows[max(0, start) : max(0, end)]
        if shown:
            yield Section(section.name, shown)
        start, end = start - len(section.rows), end - len(section.rows)


def _parents(playbook: Playbook, found: dict[str, Any]) -> dict[str, list[str]]:
    """Return by added bullet the removed ones that it rewords, whichever of them came first."""
    added = {b["bullet_id"] for part in found["sections"].values() for b in part["added"]}
    gone = {b["bullet_id"] for part in found["sections"].values() for b in part["removed"]}
    if not added or not gone:
        return {}
    rows = Bullet.objects.filter(playbook=playbook, bullet_id__in=added | gone).exclude(lineage=[])
    lineage: dict[str, list[str]] = dict(rows.values_list("bullet_id", "lineage"))
    parents = {name: lineage[name] for name in added if name in lineage}
    for name in gone & lineage.keys():
        # Going back in time, the one that goes was made of the one that comes.
        for old in added.intersection(lineage[name]):
            parents.setdefault(old, []).append(name)
    return parents


def _bullet_rows(
    section: str, part: dict[str, Any], parents: dict[str, list[str]]
) -> Iterator[tuple[dict[str, Any], Any]]:
    gone = {bullet["bullet_id"]: bullet["text"] for bullet in part["removed"]}
    for bullet in part["added"]:
        before = [name for name in parents.get(bullet["bullet_id"], []) if name in gone]
        texts = [gone.pop(name) for name in before]
        if len(before) == 1:
            yield {"op": "update", "bullet_id": before[0], "text": bullet["text"]}, texts[0]
        elif before:
            yield {"op": "merge", "bullet_ids": before, "text": bullet["text"]}, texts
        else:
            add = {"op": "add", "section": section, "text": bullet["text"]}
            yield add | {"position": bullet["position"]}, None
    for name, text in gone.items():
        yield {"op": "remove", "bullet_id": name}, text
    for bullet in part["moved"]:
        move = {"op": "move", "bullet_id": bullet["bullet_id"], "position": bullet["to"]}
        yield move, bullet["text"]
    for bullet in part["respaced"]:
        update = {"op": "update", "bullet_id": bullet["bullet_id"], "text": bullet["new"]}
        yield update, bullet["old"]


def _value_rows(found: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Any]]:
    for change in found["set"]:
        yield {"op": "set", "path": change["path"], "value": change["new"]}, change.get("old")
    for change in found["unset"]:
        yield {"op": "unset", "path": change["path"]}, change["old"]
