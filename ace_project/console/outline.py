"""Which part of a long playbook a page shows: a section, what was looked for, or the beginnings."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from playbooks.content import Bullet, Content, bullets, is_bullet_list, normal_text

# A playbook of at most so many bullets is shown whole.
MOST_WHOLE = 150
# Of each section of a longer one, so many; and so many sections.
FIRST = 10
PAGE = 100
MOST_SECTIONS = 200
MOST_FOUND = 100


@dataclass(frozen=True, slots=True)
class Part:
    """A section as a page shows it: some of its bullets, how many there are, where they begin."""

    name: str
    number: int
    count: int = 0
    is_value: bool = False
    start: int = 0
    shown: list[Bullet] = field(default_factory=list)

    @property
    def hidden(self) -> int:
        """How many of its bullets are not shown."""
        return self.count - len(self.shown)

    @property
    def end(self) -> int:
        """The place behind the last bullet that is shown."""
        return self.start + len(self.shown)


@dataclass(frozen=True, slots=True)
class Outline:
    """The parts that a page shows; `section` or `find` where it asks for some alone.

    `jumps` are all sections with their counts, `found` how many bullets have the words.
    """

    parts: list[Part]
    jumps: list[tuple[str, int]]
    total: int
    section: str | None = None
    find: str = ""
    found: int = 0
    start: int = 0
    size: int = PAGE

    @property
    def is_whole(self) -> bool:
        """Whether every bullet is shown."""
        return self.find == "" and self.section is None and not any(p.hidden for p in self.parts)

    @property
    def lessons(self) -> list[Bullet]:
        """The bullets that are shown."""
        return [bullet for part in self.parts for bullet in part.shown]

    @property
    def earlier(self) -> int | None:
        """Where the page of the section before this one begins, None on the first."""
        return max(0, self.start - self.size) if self.section is not None and self.start else None

    @property
    def later(self) -> int | None:
        """Where the next page of the section begins, None on the last."""
        if self.section is None or not self.parts or self.parts[0].end >= self.parts[0].count:
            return None
        return self.parts[0].end


def outline(
    content: Content,
    *,
    section: str | None = None,
    start: int = 0,
    find: str = "",
    size: int = PAGE,
) -> Outline:
    """Return what a page shows of `content`; a section that is not there shows nothing."""
    sections = _by_section(content)
    jumps = [(name, len(lessons)) for name, lessons in sections.items()]
    total = sum(count for _, count in jumps)
    if find:
        parts, found = _found(content, sections, find)
        return Outline(parts, jumps, total, find=find, found=found)
    if section is not None:
        parts = [p for p in _parts(content, sections) if p.name == section]
        begin = min(start, max(0, len(sections.get(section, [])) - 1)) // size * size
        shown = [_cut(p, sections[p.name], begin, size) for p in parts]
        return Outline(shown, jumps, total, section=section, start=begin, size=size)
    first = MOST_WHOLE if total <= MOST_WHOLE else FIRST
    parts = _parts(content, sections)[:MOST_SECTIONS]
    return Outline([_cut(p, sections[p.name], 0, first) for p in parts], jumps, total)


def _by_section(content: Content) -> dict[str, list[Bullet]]:
    found: dict[str, list[Bullet]] = {name: [] for name in content}
    for bullet in bullets(content):
        found[bullet.section].append(bullet)
    return found


def _parts(content: Content, sections: dict[str, list[Bullet]]) -> list[Part]:
    return [
        Part(name, number, count=len(sections[name]), is_value=not is_bullet_list(value))
        for number, (name, value) in enumerate(content.items())
    ]


def _cut(part: Part, lessons: Sequence[Bullet], start: int, most: int) -> Part:
    shown = list(lessons[start : start + most])
    return Part(part.name, part.number, part.count, part.is_value, start, shown)


def _found(
    content: Content, sections: dict[str, list[Bullet]], find: str
) -> tuple[list[Part], int]:
    """Return the parts whose bullets hold every word, or whose name does; and how many bullets."""
    words = normal_text(find).casefold().split()
    parts, left, found = [], MOST_FOUND, 0
    for part in _parts(content, sections):
        hits = [b for b in sections[part.name] if b.bullet_id == find or _has(b.text, words)]
        found += len(hits)
        if hits or (part.is_value and all(word in part.name.casefold() for word in words)):
            parts.append(
                Part(part.name, part.number, len(hits), part.is_value, 0, hits[: max(0, left)])
            )
            left -= len(hits)
    return parts[:MOST_SECTIONS], found


def _has(text: str, words: Sequence[str]) -> bool:
    folded = text.casefold()
    return all(word in folded for word in words)
