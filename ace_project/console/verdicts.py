"""What the judges said of a delta, as its page shows it: one list, and the council apart."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.utils.dateparse import parse_datetime

from ace_project.console.people import name_of
from ace_project.console.templatetags.signs import judge_in_words
from playbooks.judges.council import (
    AGREEMENT,
    COUNCIL,
    COUNCIL_MODEL,
    MANDATES,
    is_free_text,
    is_waiting,
)
from playbooks.judges.waived import may_be_waived
from playbooks.models import Delta

_GRAVITY = {"block": 0, "warn": 1, "pass": 2, "abstain": 3}
_MODEL = "is there where no model could be heard"


@dataclass(frozen=True, slots=True)
class Waiving:
    """Who waived a verdict, why, and until when."""

    by: str
    reason: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Word:
    """One verdict: `said_by` is empty, `rules`, or the name of a model that `call` asked."""

    judge: str
    outcome: str
    reason: str
    said_by: str
    call: uuid.UUID | None
    waiving: Waiving | None
    may_be_waived: bool


@dataclass(frozen=True, slots=True)
class Judge:
    """A judge of the council with its mandate and what its rules and a model said."""

    name: str
    title: str
    mandate: str
    words: list[Word]

    @property
    def may_be_waived(self) -> bool:
        """Whether something that it said blocks."""
        return any(word.may_be_waived for word in self.words)


@dataclass(frozen=True, slots=True)
class Council:
    """Why the council was asked, whether it is still waited for, and what its judges said."""

    asked: list[str]
    waiting: str
    judges: list[Judge]


def words_of(verdicts: Sequence[Mapping[str, Any]], *, moved: bool = False) -> list[Word]:
    """Return what the judges other than the council said, what holds the delta back first.

    `moved`: whether the live version has a conflict now, which the judge could not know.
    """
    ours = {COUNCIL, COUNCIL_MODEL, *MANDATES}
    words = [_word(verdict) for verdict in verdicts if verdict.get("judge") not in ours]
    if moved:
        words = [_moved(word) if word.judge == "conflict" else word for word in words]
    return sorted(words, key=lambda word: _GRAVITY.get(word.outcome, len(_GRAVITY)))


def _moved(word: Word) -> Word:
    reason = "the live version changed after it was proposed; then it fitted"
    return replace(word, outcome="warn", reason=reason)


def council_of(verdicts: Sequence[Mapping[str, Any]]) -> Council | None:
    """Return what the council said, None where it was not asked."""
    waiting = next((_word(v).reason for v in verdicts if is_waiting(v)), "")
    mandates = MANDATES | {COUNCIL_MODEL: _MODEL}
    judges = [
        Judge(name, judge_in_words(name).capitalize(), mandate, words)
        for name, mandate in mandates.items()
        if (words := [_word(v) for v in verdicts if v.get("judge") == name])
    ]
    asked = list(dict.fromkeys(reason for verdict in verdicts for reason in _asked(verdict)))
    return Council(asked, waiting, judges) if judges or waiting else None


def agreement_of(delta: Delta) -> str:
    """Return what a model's own words wait for, empty where they do not or are none."""
    waits = any(verdict.get("judge") == COUNCIL for verdict in delta.verdicts)
    return AGREEMENT if waits and is_free_text(delta.source, delta.evidence) else ""


def models_of(delta: Delta) -> str:
    """Return the language models that wrote or judged a delta, empty for none."""
    said = [str(_data(verdict).get("model") or "") for verdict in delta.verdicts]
    return ", ".join(dict.fromkeys(name for name in [delta.model, *said] if name))


def _asked(verdict: Mapping[str, Any]) -> Iterator[str]:
    asked = _data(verdict).get("asked")
    yield from (str(reason) for reason in asked) if isinstance(asked, list) else ()


def _data(verdict: Mapping[str, Any]) -> Mapping[str, Any]:
    data = verdict.get("data")
    return data if isinstance(data, Mapping) else {}


def _word(verdict: Mapping[str, Any]) -> Word:
    data = _data(verdict)
    mark = data.get("waived")
    return Word(
        judge=str(verdict.get("judge")),
        outcome=str(verdict.get("outcome")),
        reason=str(verdict.get("reason", "")),
        said_by=str(data.get("model") or data.get("by") or ""),
        call=_call(data.get("call")),
        waiving=_waiving(mark) if isinstance(mark, Mapping) else None,
        may_be_waived=may_be_waived(verdict),
    )


def _call(name: object) -> uuid.UUID | None:
    try:
        return uuid.UUID(str(name))
    except ValueError:
        return None


def _waiving(mark: Mapping[str, Any]) -> Waiving:
    until = parse_datetime(str(mark.get("until", "")))
    return Waiving(name_of(str(mark.get("by", ""))), str(mark.get("reason", "")), until)
