"""Applying operations to content, with the inverse computed against the content met.

Rules where the contract leaves room. Equal bullets share an id: an update rewords and a removal
removes all of them, a move moves the first. An update to a text that its section holds already
folds into it. A merge stands where the first named bullet stood. A position past the end means
last. A set makes the objects missing on its way; in a list it replaces, or appends behind the last.
The inverse gives back the same JSON; the order of an object's keys is not part of it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast

from playbooks.content import (
    JSON,
    MAX_BYTES,
    MAX_DEPTH,
    Content,
    ContentError,
    bullet_id,
    bullet_ids,
    bullet_texts,
    canonical,
    check_limits,
    same,
    section_slug,
)
from playbooks.operations import pointer as paths
from playbooks.operations.pointer import MISSING, Missing, NotApplicable
from playbooks.operations.shape import Operation, OperationError

MAX_INVERSE_BYTES = 4 * MAX_BYTES


@dataclass(frozen=True, slots=True)
class Applied:
    """What operations made: the new content, and how to take it back.

    `applied_operations` are those that changed something; `lineage` has one
    `{"bullet_id": new, "from": [old ids]}` for each bullet that an update or a merge made.
    """

    content: Content
    inverse: list[Operation]
    applied_operations: list[Operation]
    lineage: list[dict[str, JSON]]


@dataclass(frozen=True, slots=True)
class Step:
    """The effect of one operation; an empty inverse means that nothing changed."""

    inverse: list[Operation] = field(default_factory=list)
    lineage: list[dict[str, JSON]] = field(default_factory=list)


class Found(NamedTuple):
    """Where a bullet stands; equal bullets of a section have several positions."""

    section: str
    positions: list[int]


def apply(content: Content, operations: Sequence[Operation]) -> Applied:
    """Return `content` after `operations`, which stays as it was.

    `apply(applied.content, applied.inverse).content` is `content` again. Raises OperationError
    (pointer `/index`) for an operation that the content does not allow, ContentError where the
    result is too large.
    """
    draft = Draft(content)
    steps: list[tuple[Operation, Step]] = []
    for index, operation in enumerate(operations):
        try:
            step = draft.perform(operation)
        except NotApplicable as reason:
            raise OperationError(f"/{index}", str(reason)) from reason
        if step.inverse:
            steps.append((operation, step))
    check_limits(draft.content)
    return Applied(
        content=draft.content,
        inverse=[undo for _, step in reversed(steps) for undo in step.inverse],
        applied_operations=[operation for operation, _ in steps],
        lineage=[entry for _, step in steps for entry in step.lineage],
    )


def check_way_back(inverse: Sequence[Operation]) -> None:
    """Raise ContentError where an inverse is over 20 MB: it may name one large list many times."""
    size = 0
    for operation in inverse:
        size += len(canonical(operation))
        if size > MAX_INVERSE_BYTES:
            raise ContentError("", f"to be taken back it needs over {MAX_INVERSE_BYTES:,} bytes")


class Draft:
    """Content being changed: sections are copied when first touched, ids computed once."""

    def __init__(self, content: Content) -> None:
        self.content: Content = dict(content)
        self._texts: dict[str, list[str]] = {}
        self._ids: dict[str, list[str]] = {}
        # Sections by slug, those that went since included: a find looks at few, not at all.
        self._named: dict[str, set[str]] | None = None

    def perform(self, operation: Operation) -> Step:
        """Carry out one operation; raises NotApplicable and then leaves the draft as it was."""
        match operation["op"]:
            case "add":
                return self._add(operation["section"], operation["text"], operation.get("position"))
            case "move":
                return self._move(operation["bullet_id"], operation["position"])
            case "update":
                return self._update(operation["bullet_id"], operation["text"])
            case "remove":
                return self._remove(operation["bullet_id"])
            case "merge":
                return self._merge(operation["bullet_ids"], operation["text"])
            case "set":
                return self._set(paths.split(operation["path"]), operation["value"])
            case "unset":
                return self._unset(paths.split(operation["path"]))
        raise NotApplicable(f"there is no operation {operation['op']!r:.40}")

    def ids(self, section: str) -> list[str] | None:
        """Return the ids of a section's bullets, or None where it is no list of bullets."""
        if section not in self._ids:
            texts = bullet_texts(self.content, section)
            if texts is None:
                return None
            self._ids[section] = bullet_ids(section, texts)
        return self._ids[section]

    def find(self, name: str) -> Found | None:
        """Return where the bullet with an id stands, or None."""
        slug = name.rpartition("-")[0]
        for section in self._sections_named(slug):
            ids = self.ids(section) or []
            if name in ids:
                return Found(section, [i for i, other in enumerate(ids) if other == name])
        return None

    def _sections_named(self, slug: str) -> Iterator[str]:
        if self._named is None:
            self._named = {}
            self._name(self.content)
        yield from (name for name in self._named.get(slug, ()) if name in self.content)

    def _name(self, sections: Iterable[str]) -> None:
        """Keep the slugs of sections that may be new."""
        if self._named is not None:
            for section in sections:
                self._named.setdefault(section_slug(section), set()).add(section)

    def texts(self, section: str) -> list[str]:
        """Return the texts of a section's bullets; none where it is no list of bullets."""
        return bullet_texts(self.content, section) or []

    def text(self, found: Found) -> str:
        """Return the text of a bullet (the first of equal ones)."""
        return self._own(found.section)[found.positions[0]]

    def value(self, tokens: list[str]) -> JSON | Missing:
        """Return what stands at a path, safe from later changes of the draft."""
        self._forget(tokens)
        return paths.get(self.content, tokens)

    def _own(self, section: str) -> list[str]:
        """Return a bullet section's list as one that may be changed in place."""
        if section not in self._texts:
            texts = bullet_texts(self.content, section) or []
            self._texts[section] = texts
            self.content[section] = cast(list[JSON], texts)
        return self._texts[section]

    def _forget(self, tokens: list[str]) -> None:
        """Stop changing lists at or under a path in place: someone else holds them now."""
        for section in tokens[:1] or [*self._texts]:
            self._texts.pop(section, None)

    def _whole(self, section: str) -> Operation:
        """Return the operation that gives a section back as it stands now."""
        return {"op": "set", "path": paths.join([section]), "value": [*self._own(section)]}

    def _needed(self, name: str) -> Found:
        found = self.find(name)
        if found is None:
            raise NotApplicable(f"there is no bullet {name}")
        return found

    def _insert(self, section: str, position: int, text: str, name: str) -> None:
        self._own(section).insert(position, text)
        self._ids[section].insert(position, name)

    def _pop(self, section: str, position: int) -> str:
        self._ids[section].pop(position)
        return self._own(section).pop(position)

    def _add(self, section: str, text: str, position: int | None) -> Step:
        name = bullet_id(section, text)
        remove = {"op": "remove", "bullet_id": name}
        if section not in self.content:
            self.content[section] = [text]
            self._ids.pop(section, None)
            self._name([section])
            return Step([remove, {"op": "unset", "path": paths.join([section])}])
        ids = self.ids(section)
        if ids is None:
            raise NotApplicable(f"{section!r:.80} is not a list of bullets")
        if name in ids:
            return Step()
        last = len(ids)
        self._insert(section, last if position is None else min(position, last), text, name)
        return Step([remove])

    def _move(self, name: str, position: int) -> Step:
        section, (old, *others) = self._needed(name)
        new = min(position, len(self._own(section)) - 1)
        if new == old:
            return Step()
        back: Operation = {"op": "move", "bullet_id": name, "position": old}
        inverse = [self._whole(section)] if others else [back]
        self._insert(section, new, self._pop(section, old), name)
        return Step(inverse)

    def _remove(self, name: str) -> Step:
        section, positions = self._needed(name)
        back: Operation = {"op": "add", "section": section, "position": positions[0]}
        inverse = [self._whole(section)] if len(positions) > 1 else [back]
        for position in reversed(positions):
            back["text"] = self._pop(section, position)
        return Step(inverse)

    def _update(self, name: str, text: str) -> Step:
        section, positions = self._needed(name)
        new = bullet_id(section, text)
        lineage: list[dict[str, JSON]] = [{"bullet_id": new, "from": [name]}] if new != name else []
        if new != name and new in (self.ids(section) or []):
            return Step(self._remove(name).inverse, lineage)
        texts = self._own(section)
        old = {texts[position] for position in positions}
        if old == {text}:
            return Step()
        back: Operation = {"op": "update", "bullet_id": new, "text": texts[positions[0]]}
        inverse = [self._whole(section)] if len(old) > 1 else [back]
        for position in positions:
            texts[position] = text
            self._ids[section][position] = new
        return Step(inverse, lineage)

    def _merge(self, names: Sequence[str], text: str) -> Step:
        first, *others = [(name, self._needed(name)) for name in names]
        new = bullet_id(first[1].section, text)
        steps = [self._remove(name) for name, _ in others]
        steps.append(self._update(first[0], text))
        inverse = [undo for step in reversed(steps) for undo in step.inverse]
        old: list[JSON] = [name for name in names if name != new]
        return Step(inverse, [{"bullet_id": new, "from": old}])

    def _set(self, tokens: list[str], value: JSON) -> Step:
        if len(tokens) + paths.depth(value) > MAX_DEPTH:
            raise NotApplicable(f"nested deeper than {MAX_DEPTH}")
        tokens = self._concrete(tokens)
        old = self.value(tokens)
        if old is MISSING:
            inverse: Operation = {"op": "unset", "path": self._first_missing(tokens)}
        elif same(old, value):
            return Step()
        else:
            inverse = {"op": "set", "path": paths.join(tokens), "value": old}
        self._replace(paths.put(self.content, tokens, value), tokens)
        return Step([inverse])

    def _unset(self, tokens: list[str]) -> Step:
        old = self.value(tokens)
        if old is MISSING or not tokens:
            raise NotApplicable(f"there is nothing at {paths.join(tokens)!r:.80}")
        parent = self.value(tokens[:-1])
        if isinstance(parent, list):
            back: Operation = {"op": "set", "path": paths.join(tokens[:-1]), "value": parent}
        else:
            back = {"op": "set", "path": paths.join(tokens), "value": old}
        self._replace(paths.drop(self.content, tokens), tokens)
        return Step([back])

    def _replace(self, content: JSON, tokens: list[str]) -> None:
        if not isinstance(content, dict):
            raise NotApplicable("the whole content must be an object")
        self.content = dict(content)
        self._name(tokens[:1] or self.content)
        for section in tokens[:1] or [*self._ids]:
            self._ids.pop(section, None)
        self._forget(tokens)

    def _concrete(self, tokens: list[str]) -> list[str]:
        """Return a path with each `-` on a list as the index that it means."""
        found: list[str] = []
        for token in tokens:
            parent = paths.get(self.content, found)
            append = token == "-" and isinstance(parent, list)
            found.append(str(len(parent)) if append and isinstance(parent, list) else token)
        return found

    def _first_missing(self, tokens: list[str]) -> str:
        for length in range(1, len(tokens)):
            if paths.get(self.content, tokens[:length]) is MISSING:
                return paths.join(tokens[:length])
        return paths.join(tokens)
