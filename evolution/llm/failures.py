"""How a call of a model can fail, and what each failure means for retries and the breaker."""

import email.utils
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from ace_project.core.errors import AceError
from evolution.ledger import Usage


class Kind(StrEnum):
    """What went wrong with one try."""

    UNREACHABLE = "unreachable"
    BROKEN_OFF = "broken off"
    TIMED_OUT = "timed out"
    RATE_LIMITED = "rate limited"
    NO_QUOTA = "no quota"
    SERVER_ERROR = "server error"
    BAD_KEY = "key refused"
    NO_MODEL = "no such model"
    BAD_REQUEST = "request refused"
    FILTERED = "content filtered"
    REDIRECTED = "redirected"
    UNUSABLE = "unusable answer"
    EMPTY = "no text"
    OPEN = "breaker open"
    CROWDED = "too many calls under way"


class Treatment(NamedTuple):
    """`retry`: the same again may work. `faulty`: it counts as a failure for the breaker."""

    retry: bool
    faulty: bool


# A time-out has used up the time there was; a rate limit is obeyed by waiting, and an endpoint
# that says so works. What is about this one request says nothing about the next.
TREATMENT = {
    Kind.UNREACHABLE: Treatment(retry=True, faulty=True),
    Kind.BROKEN_OFF: Treatment(retry=True, faulty=True),
    Kind.TIMED_OUT: Treatment(retry=False, faulty=True),
    Kind.RATE_LIMITED: Treatment(retry=True, faulty=False),
    Kind.NO_QUOTA: Treatment(retry=False, faulty=True),
    Kind.SERVER_ERROR: Treatment(retry=True, faulty=True),
    Kind.BAD_KEY: Treatment(retry=False, faulty=True),
    Kind.NO_MODEL: Treatment(retry=False, faulty=True),
    Kind.BAD_REQUEST: Treatment(retry=False, faulty=False),
    Kind.FILTERED: Treatment(retry=False, faulty=False),
    Kind.REDIRECTED: Treatment(retry=False, faulty=True),
    Kind.UNUSABLE: Treatment(retry=False, faulty=True),
    Kind.EMPTY: Treatment(retry=False, faulty=False),
    Kind.OPEN: Treatment(retry=False, faulty=False),
    Kind.CROWDED: Treatment(retry=False, faulty=False),
}
# Another model may say yes; if none does, it is the question that is refused.
REFUSALS = frozenset({Kind.BAD_REQUEST, Kind.FILTERED})


@dataclass(eq=False)
class CallFailed(Exception):
    """One try that brought no answer; every text of it is safe to show and to store.

    `sent` tells whether any byte of the request may have left. `raw` is what came back.
    """

    kind: Kind
    detail: str
    sent: bool = True
    status: int | None = None
    # Seconds that the endpoint asks to wait.
    retry_after: float | None = None
    usage: Usage | None = None
    raw: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}"

    @property
    def treatment(self) -> Treatment:
        return TREATMENT[self.kind]


class NoModel(AceError):
    """No language model is configured."""

    status = 503
    title = "No language model is configured"


class ModelUnavailable(AceError):
    """Every model was open or failed; `reasons` says of each which, in the order of asking."""

    status = 503
    title = "No language model answered"

    def __init__(self, reasons: tuple[str, ...]) -> None:
        super().__init__("; ".join(reasons), reasons=list(reasons))
        self.reasons = reasons


class AnswerRefused(ModelUnavailable):
    """Every model refused this question: a content filter, or an error that no retry helps."""

    status = 502
    title = "The language models refused the question"


def retry_after(header: str, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks for, None where it says nothing clear."""
    header = header.strip()
    if header.isascii() and header.isdigit() and len(header) < 10:
        return float(header)
    try:
        at = email.utils.parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - now).total_seconds())
