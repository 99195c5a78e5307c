"""The fields of a change by hand: which bullets they show, and what a posted form asks for."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ace_project.console.outline import Outline
from ace_project.core.errors import InvalidInput
from playbooks.content import Content, bullets, escape, is_bullet_list, normal_text, same

# A larger value is changed through a file.
MOST_VALUE = 50_000


@dataclass(frozen=True, slots=True)
class Row:
    """A bullet in the form, with what was typed over its text and place (from 1)."""

    bullet_id: str
    text: str
    value: str
    place: str
    removed: bool


@dataclass(frozen=True, slots=True)
class Part:
    """A section in the form: rows and room for new lessons, or one JSON value."""

    number: int
    name: str
    count: int
    rows: list[Row] = field(default_factory=list)
    new: str = ""
    value: str = ""
    is_value: bool = False
    is_large: bool = False
    removed: bool = False

    @property
    def height(self) -> int:
        """The lines that a value gets to be read in."""
        return min(24, max(6, self.value.count("\n") + 1))


def text_of(posted: Mapping[str, Any], name: str) -> str:
    """Return a posted text with the line ends that the content has; browsers send their own."""
    return str(posted.get(name, "")).replace("\r\n", "\n").replace("\x00", "")


def parts_of(
    content: Content, shown: Outline, typed: Mapping[str, Any], removing: str = ""
) -> list[Part]:
    """Return the fields of what an outline shows, with what was `typed` in them so far."""
    found = []
    for part in shown.parts:
        value = json.dumps(content[part.name], ensure_ascii=False, indent=2)
        rows = {b.bullet_id: b for b in reversed(part.shown)}
        found.append(
            Part(
                part.number,
                part.name,
                part.count,
                rows=[
                    _row(b.bullet_id, b.text, b.position, typed, removing)
                    for b in part.shown
                    if rows[b.bullet_id] is b
                ],
                new=text_of(typed, f"new-{part.number}"),
                value=text_of(typed, f"json-{part.number}") or value if part.is_value else "",
                is_value=part.is_value,
                is_large=part.is_value and len(value) > MOST_VALUE,
                removed=f"drop-section-{part.number}" in typed,
            )
        )
    return found


def _row(name: str, text: str, position: int, typed: Mapping[str, Any], removing: str) -> Row:
    value = text_of(typed, f"text-{name}") if f"text-{name}" in typed else text
    place = str(typed.get(f"place-{name}", position + 1))
    return Row(name, text, value, place, name == removing or f"remove-{name}" in typed)


def edits(content: Content, posted: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the operations that a posted form asks for on the content that it showed.

    Moves come first, for they name bullets by the texts that the form showed. Raises InvalidInput.
    """
    lessons = {b.bullet_id: b for b in reversed(bullets(content))}
    rows = [b for b in lessons.values() if f"text-{b.bullet_id}" in posted]
    rows.sort(key=lambda b: (b.section, b.position))
    for bullet in rows:
        yield from _moved(bullet.bullet_id, bullet.position, posted)
    for bullet in rows:
        yield from _of_bullet(bullet.bullet_id, bullet.text, posted)
    for number, (section, value) in enumerate(content.items()):
        if f"drop-section-{number}" in posted:
            yield {"op": "unset", "path": f"/{escape(section)}"}
        elif is_bullet_list(value):
            yield from _added(section, text_of(posted, f"new-{number}"))
        else:
            yield from _of_value(section, value, text_of(posted, f"json-{number}"))
    yield from _new_section(posted)


def _moved(name: str, position: int, posted: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    raw = str(posted.get(f"place-{name}", "")).strip()
    if f"remove-{name}" in posted or not raw or raw == str(position + 1):
        return
    if not (raw.isascii() and raw.isdigit() and 0 < int(raw[:8]) <= 1_000_000):
        raise InvalidInput("a bullet's place is a number from 1 on")
    yield {"op": "move", "bullet_id": name, "position": int(raw[:8]) - 1}


def _of_bullet(name: str, text: str, posted: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if f"remove-{name}" in posted:
        yield {"op": "remove", "bullet_id": name}
        return
    wanted = text_of(posted, f"text-{name}")
    if not wanted.strip():
        raise InvalidInput("a bullet may not be empty: choose Remove to take it out")
    if normal_text(wanted) != normal_text(text):
        yield {"op": "update", "bullet_id": name, "text": wanted.strip()}


def _added(section: str, lines: str) -> Iterator[dict[str, Any]]:
    for line in lines.split("\n"):
        if line.strip():
            yield {"op": "add", "section": section, "text": line.strip()}


def _of_value(section: str, value: Any, text: str) -> Iterator[dict[str, Any]]:
    if not text.strip():
        return
    wanted = _json(section, text)
    if not same(wanted, value):
        yield {"op": "set", "path": f"/{escape(section)}", "value": wanted}


def _new_section(posted: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    name = text_of(posted, "new-name").strip()
    lessons, value = text_of(posted, "lessons"), text_of(posted, "new-value")
    if not lessons.strip() and not value.strip():
        return
    if not name:
        raise InvalidInput("name the new section")
    yield from _added(name, lessons)
    if value.strip():
        if lessons.strip():
            raise InvalidInput("a new section holds lessons or a value, not both")
        yield {"op": "set", "path": f"/{escape(name)}", "value": _json(name, value)}


def _json(section: str, text: str) -> Any:
    try:
        value = json.loads(text)
        same(value, value)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{section} is not JSON: {error}") from error
    return value
