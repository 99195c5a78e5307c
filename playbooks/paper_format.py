"""The ACE paper's text format: `## SECTION` headers, then one bullet a line.

A bullet is `[slug-00001] text` or `[slug-00001] helpful=H harmful=M :: text`. A text (or a
section's name) that one line could not give back is written as `json:` and a JSON string: one with
a line break, an empty one, one that begins with counters of its own or with `json:"`. Every other
line stays as it is. A line that is neither header, bullet nor blank continues the bullet before it.

An alias is what the source says of a bullet: `{"id", "helpful"?, "harmful"?, "above"?, "below"?}`.
Above and below count the blank lines around it where they are not as usual (none above a bullet,
one between sections), so that an unchanged file is exported byte for byte.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeGuard

from playbooks.content import Content, bullet_texts, section_slug

Alias: TypeAlias = dict[str, Any]

_HEADER = re.compile(r"## (.*)")
_BULLET = re.compile(r"\[([A-Za-z0-9_.-]*-[0-9]{1,12})\](?: (.*))?")
_ID = re.compile(r"[A-Za-z0-9_.-]*-[0-9]{1,12}")
_COUNT = r"(0|[1-9][0-9]{0,11})"
_COUNTERS = re.compile(f"helpful={_COUNT} harmful={_COUNT} :: ")
_QUOTED = 'json:"'
# What str.splitlines, and so many a reader, takes for the end of a line beyond \n and \r.
_BREAKS = re.compile("[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")


class PaperFormatError(ValueError):
    """A text that is not in the format, or content that the format cannot hold."""


@dataclass(frozen=True, slots=True)
class PaperPlaybook:
    """A playbook read from the format; `aliases[section][i]` belongs to the i-th bullet."""

    content: Content
    aliases: dict[str, list[Alias]]


@dataclass(slots=True)
class _Section:
    """A section being read, with the blank lines met since its last bullet (or its header)."""

    texts: list[str] = field(default_factory=list)
    aliases: list[Alias] = field(default_factory=list)
    blanks: int = 0


def parse_paper(text: str) -> PaperPlaybook:
    """Return the playbook that a text in the paper's format holds.

    Sections of the same name are joined. Raises PaperFormatError with the number of a line that
    stands before any header or bullet that could own it.
    """
    sections: dict[str, _Section] = {}
    current: _Section | None = None
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").removesuffix("\n").split("\n")
    for number, line in enumerate(lines, start=1):
        header, bullet = _HEADER.fullmatch(line), _BULLET.fullmatch(line)
        if header:
            _close(current, last=False)
            current = sections.setdefault(_unquote(header[1]), _Section())
        elif current is None and line.strip():
            raise PaperFormatError(f"line {number} stands before the first ## header")
        elif current is None:
            continue
        elif bullet:
            _take(current, bullet[1], bullet[2] or "")
        elif not line.strip():
            current.blanks += 1
        elif not current.texts:
            raise PaperFormatError(f"line {number} is neither a header nor a bullet [slug-00001]")
        else:
            current.texts[-1] += "\n" * (current.blanks + 1) + line
            current.blanks = 0
    _close(current, last=True)
    return PaperPlaybook(
        content={name: [*section.texts] for name, section in sections.items()},
        aliases={name: section.aliases for name, section in sections.items()},
    )


def _take(section: _Section, name: str, rest: str) -> None:
    """Append a bullet line's content to the section being read."""
    alias: Alias = {"id": name}
    counters = _COUNTERS.match(rest)
    if counters:
        alias |= {"helpful": int(counters[1]), "harmful": int(counters[2])}
        rest = rest[counters.end() :]
    if section.blanks:
        alias["above"] = section.blanks
    section.blanks = 0
    section.texts.append(_unquote(rest))
    section.aliases.append(alias)


def _close(section: _Section | None, *, last: bool) -> None:
    """Keep the blank lines at a section's end where they are not one (at the file's end, none)."""
    if section is None:
        return
    usual = 0 if last else 1
    if section.aliases and section.blanks != usual:
        section.aliases[-1]["below"] = section.blanks
    section.blanks = 0


def render_paper(content: Content, aliases: Mapping[str, Sequence[Alias | None]]) -> str:
    """Return a playbook in the paper's format; `aliases` is aligned with the bullets' positions.

    A bullet without an alias (or beyond the end of the list) gets an id that no other has.
    Raises PaperFormatError for a section that is not a list of strings.
    """
    used = {alias["id"] for known in aliases.values() for alias in known if _usable(alias)}
    sections = list(content)
    lines: list[str] = []
    for section in sections:
        texts = bullet_texts(content, section)
        if texts is None:
            raise PaperFormatError(
                f"section {section!r:.80} is not a list of strings: export the playbook as JSON"
            )
        known = aliases.get(section, ())
        fresh = _fresh_ids(section, known, used)
        lines.append(f"## {_quote(section)}")
        below = 1
        for position, text in enumerate(texts):
            given = known[position] if position < len(known) else None
            alias: Alias = given if _usable(given) else {"id": next(fresh)}
            lines += [""] * alias.get("above", 0)
            lines.append(_bullet_line(alias, text))
            below = alias.get("below", int(section != sections[-1]))
        if texts or section != sections[-1]:
            lines += [""] * below
    return "".join(f"{line}\n" for line in lines)


def _usable(alias: Alias | None) -> TypeGuard[Alias]:
    return alias is not None and bool(_ID.fullmatch(str(alias.get("id"))))


def _fresh_ids(section: str, known: Sequence[Alias | None], used: set[str]) -> Iterator[str]:
    """Yield ids `<slug>-<5 digits>` not used yet, with the slug that the section uses most."""
    slugs = Counter(a["id"].rpartition("-")[0] for a in known if _usable(a))
    slug = slugs.most_common(1)[0][0] if slugs else section_slug(section)
    taken = [name.rpartition("-")[2] for name in used if name.startswith(f"{slug}-")]
    number = max((int(digits) for digits in taken if len(digits) < 10), default=0)
    while True:
        number += 1
        name = f"{slug}-{number:05d}"
        if name not in used:
            used.add(name)
            yield name


def _bullet_line(alias: Alias, text: str) -> str:
    if "helpful" in alias and "harmful" in alias:
        counters = f"helpful={alias['helpful']} harmful={alias['harmful']} :: "
        return f"[{alias['id']}] {counters}{_quote(text)}"
    return f"[{alias['id']}] {_quote(text, counters=True)}"


def _quote(text: str, *, counters: bool = False) -> str:
    """Return text as it stands where a line can hold it, else as `json:` and a JSON string."""
    broken = not text or _BREAKS.search(text) or text.startswith(_QUOTED)
    if not broken and not (counters and _COUNTERS.match(text)):
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return "json:" + _BREAKS.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)


def _unquote(text: str) -> str:
    if not text.startswith(_QUOTED):
        return text
    try:
        value = json.loads(text.removeprefix("json:"))
    except ValueError:
        return text
    return value if isinstance(value, str) else text
