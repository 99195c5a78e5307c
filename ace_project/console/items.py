"""The lines of what needs a person."""

from dataclasses import dataclass
from datetime import datetime

from evolution.intervals import Difference


@dataclass(frozen=True, slots=True)
class Action:
    """A link, or with `verb` a button that posts that decision."""

    label: str
    url: str
    verb: str = ""
    primary: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the list; `tone` is red, warn or quiet, `mark` its word for screen readers."""

    tone: str
    icon: str
    mark: str
    title: str
    url: str
    text: str
    actions: tuple[Action, ...] = ()
    simulated: bool = False
    difference: Difference | None = None
    since: datetime | None = None
