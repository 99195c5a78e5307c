"""What was decided and said about a delta, in the order it happened."""

from dataclasses import dataclass
from datetime import datetime

from playbooks.models import Decision, Delta, DeltaComment, Review

MOST_SHOWN = 100
# decision: (icon, class, words)
_SIGNS = {
    Decision.APPROVE: ("check", "ace-good", "approved"),
    Decision.REJECT: ("x", "ace-3", "rejected"),
    Decision.REQUEST_CHANGES: ("message-circle", "ace-warn", "asked for changes"),
    Decision.UNDO: ("arrow-back-up", "ace-3", "took it back"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One decision or comment; `marks` qualify a decision in words."""

    pk: int
    by: str
    at: datetime
    text: str
    icon: str
    css: str
    did: str
    marks: tuple[str, ...] = ()
    asks: bool = False  # for changes


def discussion(delta: Delta) -> list[Entry]:
    """Return the newest decisions and comments, the first one first; two queries."""
    reviews = list(delta.reviews.all()[:MOST_SHOWN])
    comments = list(delta.comments.order_by("-pk")[:MOST_SHOWN])
    found = [*map(_decision, reviews), *map(_comment, comments)]
    return sorted(found, key=lambda entry: entry.at)[-MOST_SHOWN:]


def since(delta: Delta, *, review: int, comment: int) -> list[Entry]:
    """Return what was decided and said after that decision and that comment, in its order."""
    reviews = delta.reviews.filter(pk__gt=review)[:MOST_SHOWN]
    comments = delta.comments.filter(pk__gt=comment).order_by("-pk")[:MOST_SHOWN]
    found = [*map(_decision, reviews), *map(_comment, comments)]
    return sorted(found, key=lambda entry: entry.at)


def _decision(review: Review) -> Entry:
    icon, css, did = _SIGNS[Decision(review.decision)]
    marks = ["self-approved"] if review.self_approved else []
    asks = review.decision == Decision.REQUEST_CHANGES
    by, at = review.reviewer, review.created_at
    return Entry(review.pk, by, at, review.reason, icon, css, did, tuple(marks), asks)


def _comment(comment: DeltaComment) -> Entry:
    by, at = comment.author, comment.created_at
    return Entry(comment.pk, by, at, comment.text, "message-circle", "ace-3", "")
