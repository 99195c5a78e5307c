"""The constitution: rules that people write for a kind of agent, read by them and by the council.

A file is Markdown. Every list item is a rule, all else is for people:

    - Never: skip * confirmation | without asking - why
    - Must keep: section constraints | refund* - why
    - Ask a person: legal advice - why

A phrase is one or more words, alternatives are parted by `|`. A `*` alone stands for up to five
words, at a word's end for any ending. The reason after ` - ` is not optional.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

FOLDER = Path(__file__).parent / "constitutions"
DEFAULT = "default"

_ITEM = re.compile(r"\s*[-*+] (?P<text>.*)")
_RULE = re.compile(r"(?P<kind>[A-Z][a-z ]*): (?P<phrases>.+?) - (?P<why>\S.*)")
_SECTION = re.compile(r"section (?P<name>\S.*)")
_NAME = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*")
_WORD = re.compile(r"\*|[^\s*|]+\*?")
_GAP = r"(?:\S+\s+){0,5}?"
_SENTENCE_END = re.compile(r"[.!?;]\s|\n")
_NEGATION = re.compile(r"\b(?:never|not|no|cannot|avoid|refuse|nor|neither|without)\b|n't\b")
# "Do not hesitate to skip it" tells to skip it.
_UNNEGATION = re.compile(r"\b(?:hesitate|afraid|worry|forget|fail|shy|need|necessary|required)\b")


class ConstitutionError(ValueError):
    """A file that cannot be read as a constitution; the message names file, line and fault."""


class RuleKind(StrEnum):
    NEVER = "Never"
    KEEP = "Must keep"
    ASK = "Ask a person"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: phrases as compiled patterns, or the names of whole sections that must be kept."""

    kind: RuleKind
    phrases: tuple[str, ...]
    patterns: tuple[re.Pattern[str], ...]
    sections: tuple[str, ...]
    why: str
    # `default.md:12`
    place: str

    def found_in(self, text: str) -> str | None:
        """Return the words of a text that a phrase matches, None where none does."""
        plain = plainly(text)
        for pattern in self.patterns:
            for match in pattern.finditer(plain):
                if self.kind is not RuleKind.NEVER or not _is_negated(plain, match.start()):
                    return match[0]
        return None


@dataclass(frozen=True, slots=True)
class Constitution:
    """The rules that hold for one kind of agent, those of every agent first."""

    kind: str
    rules: tuple[Rule, ...]
    # The files as they stand, for those who read them.
    text: str

    def of(self, kind: RuleKind) -> Iterator[Rule]:
        """Yield the rules of one kind, in the order of the file."""
        return (rule for rule in self.rules if rule.kind is kind)


def parse(text: str, name: str) -> tuple[Rule, ...]:
    """Return the rules of a file called `name`; raises ConstitutionError at the first fault."""
    items = [
        (number, match["text"].strip())
        for number, line in enumerate(text.splitlines(), start=1)
        if (match := _ITEM.fullmatch(line))
    ]
    if not items:
        raise ConstitutionError(f"{name}: it has no rule, that is no list item")
    return tuple(_rule(item, f"{name}:{number}") for number, item in items)


def _rule(item: str, place: str) -> Rule:
    found = _RULE.fullmatch(item)
    if found is None:
        raise ConstitutionError(
            f"{place}: a rule is `- Never: phrase | phrase - why`, not {item!r}"
        )
    kinds = {kind.value: kind for kind in RuleKind}
    if found["kind"] not in kinds:
        known = ", ".join(kinds)
        raise ConstitutionError(f"{place}: {found['kind']!r} is no kind of rule: {known}")
    kind = kinds[found["kind"]]
    alternatives = [phrase.strip() for phrase in found["phrases"].split("|")]
    if not all(alternatives):
        raise ConstitutionError(f"{place}: an alternative is empty")
    named = [_SECTION.fullmatch(phrase) for phrase in alternatives]
    sections = tuple(match["name"] for match in named if match)
    if sections and kind is not RuleKind.KEEP:
        raise ConstitutionError(f"{place}: a section can only be kept, by {RuleKind.KEEP}")
    phrases = tuple(a for a, match in zip(alternatives, named, strict=True) if not match)
    patterns = tuple(_pattern(phrase, place) for phrase in phrases)
    return Rule(kind, phrases, patterns, sections, found["why"], place)


def _pattern(phrase: str, place: str) -> re.Pattern[str]:
    words = phrase.split()
    if not all(_WORD.fullmatch(word) for word in words):
        raise ConstitutionError(f"{place}: in {phrase!r} a `*` stands inside a word")
    if "*" in (words[0], words[-1]):
        raise ConstitutionError(f"{place}: {phrase!r} begins or ends with a `*`")
    if re.search(r"(?:^| )\* \*(?: |$)", phrase):
        raise ConstitutionError(f"{place}: in {phrase!r} two `*` follow each other")
    parts = []
    for word in words:
        if word == "*":
            parts.append(_GAP)
            continue
        parts.append(re.escape(plainly(word.rstrip("*"))))
        parts.append(r"\w*" if word.endswith("*") else "")
        parts.append(r"\s+")
    return re.compile(r"(?<!\w)" + "".join(parts[:-1]) + r"(?!\w)")


def plainly(text: str) -> str:
    """Return a text as phrases are looked for in it: lower case, straight quotes."""
    return text.casefold().replace("’", "'")


def _is_negated(text: str, start: int) -> bool:
    """Tell whether the sentence before `start` forbids what follows it."""
    before = text[max(0, start - 200) : start]
    ends = [end.end() for end in _SENTENCE_END.finditer(before)]
    clause = before[ends[-1] :] if ends else before
    negations = list(_NEGATION.finditer(clause))
    return bool(negations) and not _UNNEGATION.search(clause, negations[-1].end())


def kinds(folder: Path = FOLDER) -> Sequence[str]:
    """Return the kinds of agents that have a file, in order."""
    return sorted(path.stem for path in folder.glob("*.md"))


@lru_cache(maxsize=64)
def constitution_of(kind: str, folder: Path = FOLDER) -> Constitution:
    """Return what holds for a kind of agent: the default, and the kind's own rules on top.

    A kind without a file has the default alone. Raises ConstitutionError for a faulty file.
    """
    own = kind != DEFAULT and bool(_NAME.fullmatch(kind)) and (folder / f"{kind}.md").is_file()
    names = [DEFAULT, kind] if own else [DEFAULT]
    texts = [_read(folder / f"{name}.md") for name in names]
    rules = [parse(text, f"{name}.md") for name, text in zip(names, texts, strict=True)]
    return Constitution(
        names[-1], tuple(rule for found in rules for rule in found), "\n".join(texts)
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConstitutionError(f"{path.name}: it cannot be read: {error}") from error


def faults(folder: Path = FOLDER) -> list[str]:
    """Return what is wrong with the files of a folder, one line each."""
    found = []
    for kind in dict.fromkeys([DEFAULT, *kinds(folder)]):
        try:
            if not _NAME.fullmatch(kind):
                raise ConstitutionError(f"{kind}.md: a kind is lower-case letters, digits and _")
            parse(_read(folder / f"{kind}.md"), f"{kind}.md")
        except ConstitutionError as error:
            found.append(str(error))
    return found
