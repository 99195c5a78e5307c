"""Pages of a list by its last row's key: every page costs the same, none repeats a row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest

PAGE_SIZE = 50

M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """Rows of one page and the addresses of its neighbours (empty at the ends)."""

    rows: list[M]
    previous_url: str
    next_url: str


def newest(rows: QuerySet[M], window: int) -> QuerySet[M]:
    """Return the rows that are among the newest `window` of them: a search in these has an end.

    A bound on the key, since PostgreSQL reads the whole table for `IN (... LIMIT n)`.
    """
    keys = rows.order_by("-pk").values_list("pk", flat=True)[window - 1 : window]
    return rows.filter(pk__gte=next(iter(keys), 0))


def is_key(text: str) -> bool:
    """Return whether a text is a whole number that a row's key can hold."""
    return text.isascii() and text.isdigit() and len(text) <= 18


def whole_number(request: HttpRequest, name: str) -> int | None:
    """Return a query parameter as a whole number that a row's key can hold; None otherwise."""
    raw = request.GET.get(name, "")
    return int(raw) if is_key(raw) else None


def address(request: HttpRequest, *, without: Sequence[str] = (), **changed: object) -> str:
    """Return this page's address with its filters, but `without` some, and the place given."""
    query = request.GET.copy()
    for name in ("before", "after", *without):
        query.pop(name, None)
    for name, value in changed.items():
        query[name] = str(value)
    return f"?{query.urlencode()}" if query else request.path


def keyset_page(
    request: HttpRequest,
    rows: QuerySet[M],
    *,
    by: str = "pk",
    size: int = PAGE_SIZE,
    begin: int | None = None,
) -> Page[M]:
    """Return the page that `?before=` or `?after=` asks for, ordered by the unique column `by`.

    An address without a place begins before `begin`, or at the newest.
    """
    after, before = whole_number(request, "after"), whole_number(request, "before")
    before = begin if before is None else before
    if after is not None:
        found = list(rows.filter(**{f"{by}__gt": after}).order_by(by)[: size + 1])
        shown, newer, older = found[:size][::-1], len(found) > size, True
    else:
        here = rows if before is None else rows.filter(**{f"{by}__lt": before})
        found = list(here.order_by(f"-{by}")[: size + 1])
        shown, newer, older = found[:size], before is not None, len(found) > size
    return page_of(request, shown, previous=newer, following=older, by=by)


def page_of(
    request: HttpRequest, shown: list[M], *, previous: bool, following: bool, by: str = "pk"
) -> Page[M]:
    """Return rows as a page, with its neighbours' addresses where there are any."""
    if not shown:
        is_past = previous or "after" in request.GET
        return Page([], address(request) if is_past else "", "")
    first, last = getattr(shown[0], by), getattr(shown[-1], by)
    return Page(
        shown,
        address(request, after=first) if previous else "",
        address(request, before=last) if following else "",
    )
