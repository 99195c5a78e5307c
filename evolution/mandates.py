"""The council's four judges as rules: constitution, evidence, quality, consistency. Pure.

Each answers with one verdict. A block is a veto: a person decides. A doubt warns and holds nothing
back by itself.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evolution import lessons
from evolution.changes import Change
from evolution.constitution import Constitution, Rule, RuleKind
from evolution.opposites import NEGATIVE, Opposites
from evolution.restrictions import loosened, permits
from playbooks.content import normal_text, section_slug
from playbooks.judges.council import (
    FEW_CITATIONS,
    GENERATORS,
    citations,
    little_evidence,
    runs_counted,
)
from playbooks.judges.verdict import Outcome, Verdict
from playbooks.similarity import near_duplicate

# Lessons longer than this are vetoed; from half of it on they raise a doubt.
MAX_LESSON = 600
# More texts than these at once are for a person to read.
MAX_TEXTS = 50
# Of a text, as many characters are searched; one so long is vetoed for its length.
MAX_READ = 5000
MAX_QUOTED = 90
# Of cited traces, as many must be of different tasks.
FEW_TASKS = 2


@dataclass(frozen=True, slots=True)
class Cited:
    """What the traces that a delta cites are: how many were named, found, of how many tasks.

    `trusted` counts those found that did not come from outside.
    """

    named: int = 0
    found: int = 0
    tasks: int = 0
    trusted: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """A lesson that stays in the playbook when the delta is applied."""

    section: str
    text: str


@dataclass(frozen=True, slots=True)
class Matter:
    """What the council deliberates on; `staying` are the lessons that the change leaves."""

    changes: Sequence[Change]
    staying: Sequence[Standing]
    constitution: Constitution
    source: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    cited: Cited = Cited()

    @property
    def written(self) -> list[str]:
        """The texts that the change writes."""
        return [text for change in self.changes for text in change.written]

    @property
    def lost(self) -> list[str]:
        """The texts that stand there no more."""
        return [text for change in self.changes for text in change.lost]


@dataclass(slots=True)
class _Findings:
    """What one judge found: vetoes and doubts, as clauses of a sentence."""

    vetoes: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)

    def verdict(self, judge: str, fine: str) -> Verdict:
        said = list(dict.fromkeys([*self.vetoes, *self.doubts]))
        outcome: Outcome = "block" if self.vetoes else "warn" if self.doubts else "pass"
        more = f"; and {len(said) - 4} more" if len(said) > 4 else ""
        data: dict[str, Any] = {"by": "rules"}
        if self.rules:
            data["rules"] = self.rules
        return Verdict(judge, outcome, ("; ".join(said[:4]) or fine) + more, data)


def deliberate(matter: Matter) -> list[Verdict]:
    """Return the verdicts of the four judges, in their order."""
    judges: list[Callable[[Matter], Verdict]] = [
        judge_constitution,
        judge_evidence,
        judge_quality,
        judge_consistency,
    ]
    return [judge(matter) for judge in judges]


def _abstain(judge: str, reason: str) -> Verdict:
    return Verdict(judge, "abstain", reason, {"by": "rules"})


def _quoted(text: str) -> str:
    line = " ".join(text[:MAX_READ].split())
    return f"“{line if len(line) <= MAX_QUOTED else line[: MAX_QUOTED - 1] + '…'}”"


# ---- constitution ----
def judge_constitution(matter: Matter) -> Verdict:
    """Judge a change by the rules that people wrote, and let no constraint become looser."""
    found = _Findings()
    for rule in matter.constitution.rules:
        said = _kept(rule, matter) if rule.kind is RuleKind.KEEP else _said(rule, matter)
        if said:
            found.vetoes.append(said)
            found.rules.append(rule.place)
    fine = f"keeps to the {len(matter.constitution.rules)} rules of “{matter.constitution.kind}”"
    return found.verdict("council_constitution", fine)


def _said(rule: Rule, matter: Matter) -> str:
    verb = "says" if rule.kind is RuleKind.NEVER else "is about"
    for text in matter.written[:MAX_TEXTS]:
        words = rule.found_in(text[:MAX_READ])
        if words:
            return f"it {verb} {_quoted(words)}: {rule.why} ({rule.place})"
    return ""


def _kept(rule: Rule, matter: Matter) -> str:
    for change in matter.changes:
        if any(section_slug(name) == section_slug(change.section) for name in rule.sections):
            weaker = _weaker(change)
            if weaker:
                return f"in {change.section} it {weaker}: {rule.why} ({rule.place})"
    if not any(rule.found_in(bullet.text) for bullet in matter.staying):
        for text in matter.lost:
            words = rule.found_in(text[:MAX_READ])
            if words:
                return f"nothing says {_quoted(words)} any more: {rule.why} ({rule.place})"
    return ""


def _weaker(change: Change) -> str:
    """Return how a change makes a section that must be kept weaker; empty where it does not."""
    if change.lost and not change.written:
        return f"takes away {_quoted(change.lost[0])}"
    if len(change.lost) > len(change.written):
        return f"makes {len(change.written)} of {len(change.lost)} lessons"
    pairs = zip(change.lost, change.written[:MAX_TEXTS], strict=False)
    for before, after in pairs:
        how = loosened(before[:MAX_READ], after[:MAX_READ])
        if how:
            return f"{how} in {_quoted(before)}"
    for text in change.written[:MAX_TEXTS]:
        permission = permits(text[:MAX_READ])
        if permission:
            return f"permits something ({_quoted(permission)})"
    return ""


# ---- evidence ----
def judge_evidence(matter: Matter) -> Verdict:
    """Judge what a change rests on: counts, contrasts inside a task group, citations, origins."""
    judge, cited = "council_evidence", matter.cited
    if not matter.evidence and matter.source not in GENERATORS:
        return _abstain(judge, f"a change of this source ({matter.source}) owes none")
    found = _Findings()
    little = little_evidence(matter.source, matter.evidence)
    if little:
        found.vetoes.append(f"too little to act on without a person: {little}")
    if cited.named and not cited.trusted:
        found.vetoes.append(_untrusted(cited))
    elif cited.found < cited.named:
        found.doubts.append(f"{cited.named - cited.found} of {cited.named} cited traces are gone")
    if matter.source == "llm" and cited.tasks < FEW_TASKS:
        found.vetoes.append("all that it cites is one task" if cited.tasks else "it cites nothing")
    interval = matter.evidence.get("interval")
    if _reaches_zero(interval):
        found.doubts.append("the interval of its effect reaches zero")
    return found.verdict(judge, _enough(matter))


def _untrusted(cited: Cited) -> str:
    if not cited.found:
        return "none of the cited traces is there"
    return "it rests on traces from outside alone"


def _reaches_zero(interval: object) -> bool:
    if not isinstance(interval, list) or len(interval) != 2:
        return False
    numbers = [limit for limit in interval if isinstance(limit, int | float)]
    return len(numbers) == 2 and numbers[0] <= 0 <= numbers[1]


def _enough(matter: Matter) -> str:
    runs = runs_counted(matter.evidence)
    kind = "same task done both ways" if matter.evidence.get("within_group") is True else ""
    parts = [f"{runs} runs" if runs is not None else "", kind]
    named = len(citations(matter.evidence, "for", "against"))
    parts.append(f"{named} traces cited" if named >= FEW_CITATIONS else "")
    return ", ".join(part for part in parts if part) or "has what its source owes"


# ---- quality ----
_VAGUE = re.compile(
    r"\b(?:be (?:more |very |extra )?(?:careful|accurate|thorough|diligent|smart|precise|helpful)"
    r"|(?:try|do|give) (?:your|its) best|try harder|think (?:harder|carefully|deeply)"
    r"|do (?:it |things |this )?(?:better|well|properly|right|correctly)|pay (?:more )?attention"
    r"|avoid (?:mistakes|errors)|improve (?:performance|quality|results)|as appropriate"
    r"|use (?:good|common) (?:judge?ment|sense)|make sure everything works|work efficiently)\b",
    re.IGNORECASE,
)
_ABSOLUTE = re.compile(r"\b(?:always|never|every time|in all cases|under no circumstances)\b", re.I)
# A name, a number, a quotation, or a condition: something by which one can tell if it was kept to.
_CONCRETE = re.compile(
    r"[`\"“]|\d|\w_\w|\b(?:before|after|when|if|unless|until|while|without|only|for|in)\b", re.I
)
_SENTENCE = re.compile(r"[^.!?\n]*\w[^.!?\n]*(?:[.!?\n]+|$)")
_WORD = re.compile(r"[\w'’-]+")
_TOO_MANY_SENTENCES, _MANY_SENTENCES = 6, 3


def judge_quality(matter: Matter) -> Verdict:
    """Judge each text that is written: clear, of a length to be read, one thing to do."""
    judge, texts = "council_quality", matter.written
    if not texts:
        return _abstain(judge, "it writes nothing")
    found = _Findings()
    if len(texts) > MAX_TEXTS:
        found.vetoes.append(f"{len(texts)} texts at once are for a person to read")
    for text in texts[:MAX_TEXTS]:
        _weigh(text, found)
    count = "one clear text" if len(texts) == 1 else f"{len(texts)} clear texts"
    return found.verdict(judge, count)


def _weigh(text: str, found: _Findings) -> None:
    sentences = len(_SENTENCE.findall(text[: 2 * MAX_LESSON]))
    # The controlled language says what an agent must have done: it is concrete by its making.
    controlled = len(text) <= MAX_LESSON and lessons.parse(text) is not None
    length, text = len(text), text[:MAX_READ]
    vague = _VAGUE.search(text)
    concrete = controlled or bool(_CONCRETE.search(_VAGUE.sub("", text)))
    quoted = _quoted(text)
    if length > MAX_LESSON:
        found.vetoes.append(f"{quoted} has {length:,} characters, {MAX_LESSON} at most are read")
    elif length > MAX_LESSON / 2:
        found.doubts.append(f"{quoted} is long")
    if vague and not concrete:
        found.vetoes.append(f"nobody could tell whether an agent kept to {quoted}")
    elif vague:
        found.doubts.append(f"{_quoted(vague[0])} says nothing that can be checked")
    if sentences > _TOO_MANY_SENTENCES:
        found.vetoes.append(f"{quoted} is {sentences} lessons in one")
    elif sentences > _MANY_SENTENCES:
        found.doubts.append(f"{quoted} says {sentences} things at once")
    absolute = _ABSOLUTE.search(text)
    if absolute and not concrete:
        found.doubts.append(f"“{absolute[0]}” has no scope in {quoted}")
    if text.rstrip().endswith("?") or len(_WORD.findall(text[:MAX_LESSON])) < 2:
        found.doubts.append(f"{quoted} is no instruction")


# ---- consistency ----
# Anything that could be an id, from its first character on: reading stays linear.
_BULLET_ID = re.compile(r"(?<![a-z0-9-])[a-z0-9]+(?:-[a-z0-9]+)+")
_NAMED = re.compile(r"`[^`]+`|\b\w*[_\d]\w*\b")
_LONG_ENOUGH = 12


def judge_consistency(matter: Matter) -> Verdict:
    """Judge a change against the lessons that stay: opposites, repetitions, what refers to it."""
    found = _Findings()
    staying = [bullet.text for bullet in matter.staying]
    texts = [text for text in matter.written if len(text) <= MAX_LESSON][:MAX_TEXTS]
    standing = Opposites(staying if texts else [])
    for number, text in enumerate(texts):
        other = standing.of(text) or Opposites(texts[:number]).of(text)
        if other:
            said = f"{_quoted(text)} {other.how}" + (
                f" {_quoted(other.text)}" if other.text else ""
            )
            (found.vetoes if other.clear else found.doubts).append(said)
        twin = near_duplicate(text, staying)
        if twin and normal_text(staying[twin[0]]) != normal_text(text):
            found.doubts.append(f"{_quoted(staying[twin[0]])} says it already")
    found.vetoes += _orphaned(matter, staying)
    found.vetoes += [said for change in matter.changes if (said := _merged_away(change))]
    return found.verdict("council_consistency", "at odds with no lesson that stands")


def _orphaned(matter: Matter, staying: Sequence[str]) -> list[str]:
    """Return which of the lessons that stay refer to one that goes, by its id or its words."""
    gone = {name for change in matter.changes for name in change.bullet_ids}
    words = [normal_text(text).rstrip(".!") for change in matter.changes for text in change.lost]
    words = [text for text in words if _LONG_ENOUGH <= len(text) <= MAX_LESSON][:MAX_TEXTS]
    # What a merge leaves says what goes in its place: it may hold the words of both.
    merged = {normal_text(change.merged) for change in matter.changes if change.merged}
    said = []
    for text in staying:
        plain = normal_text(text)
        if plain in merged:
            continue
        if gone.intersection(_BULLET_ID.findall(plain)):
            said.append(f"{_quoted(text)} refers to a lesson that goes")
        elif any(goes in plain and goes != plain.rstrip(".!") for goes in words):
            said.append(f"{_quoted(text)} quotes a lesson that goes")
    return said


def _merged_away(change: Change) -> str:
    """Return what a merge leaves out that only one of the merged lessons names."""
    if not change.merged:
        return ""
    merged = change.merged
    kept = {name.strip("`").casefold() for name in _NAMED.findall(merged)}
    for text in change.lost:
        for name in _NAMED.findall(text):
            if name.strip("`").casefold() not in kept:
                return f"the merged text leaves out {_quoted(name)} of {_quoted(text)}"
        if NEGATIVE.search(text) and not NEGATIVE.search(merged):
            return f"the merged text no longer forbids what {_quoted(text)} does"
    return ""
