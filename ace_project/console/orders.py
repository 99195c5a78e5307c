"""Orders of the review queue: those that indexes give, so that each page of each costs the same."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from django.db.models import QuerySet
from django.http import HttpRequest

from ace_project.console.keyset import PAGE_SIZE, Page, page_of, whole_number
from playbooks.models import Delta, Risk


@dataclass(frozen=True, slots=True)
class Place:
    """Where a delta stands in an order: by the order's column, then by its key."""

    pk: int
    value: float | str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """By `column`, of few `values` in the order of those, then by the key; falling or rising."""

    words: str
    column: str = ""
    rising: bool = False
    values: tuple[str, ...] = ()

    def place(self, pk: int | None) -> Place | None:
        """Return where a delta stands; None for one that there is not, or is no more."""
        if pk is None or not self.column:
            return None if pk is None else Place(pk)
        found = Delta.objects.filter(pk=pk).values_list(self.column, flat=True).first()
        return None if found is None else Place(pk, found)

    def place_of(self, delta: Delta) -> Place:
        """Return where a delta stands."""
        return Place(delta.pk, getattr(delta, self.column) if self.column else None)

    def reversed(self) -> "Order":
        """Return the same order from its end."""
        return replace(self, rising=not self.rising, values=self.values[::-1])

    def after(self, rows: QuerySet[Delta], place: Place | None) -> Iterator[QuerySet[Delta]]:
        """Yield what stands behind a place, or all of it: parts that follow each other.

        One condition for all of them (`a < x OR a = x AND id < y`) would read every tie anew.
        """
        sign, than = ("", "gt") if self.rising else ("-", "lt")
        key = f"{sign}pk"
        behind = rows if place is None else rows.filter(**{f"pk__{than}": place.pk})
        if not self.column:
            yield behind.order_by(key)
        elif self.values:
            first = 0 if place is None else self.values.index(str(place.value))
            for number, value in enumerate(self.values[first:]):
                part = rows if number else behind
                yield part.filter(**{self.column: value}).order_by(key)
        else:
            if place is not None:
                yield behind.filter(**{self.column: place.value}).order_by(key)
                rows = rows.filter(**{f"{self.column}__{than}": place.value})
            yield rows.order_by(f"{sign}{self.column}", key)


BY_AGE = {"": Order("Newest first"), "oldest": Order("Oldest first", rising=True)}
ORDERS = {
    **BY_AGE,
    "sure": Order("Most confident first", "confidence"),
    "unsure": Order("Least confident first", "confidence", rising=True),
    "risk": Order(
        "Worst verdict first",
        "risk",
        values=(Risk.BLOCK.value, Risk.WARN.value, Risk.CLEAR.value),
    ),
}


def page(request: HttpRequest, rows: QuerySet[Delta], order: Order) -> Page[Delta]:
    """Return the page that `?before=` (what follows a delta) or `?after=` (what leads to it) asks.

    An address without a place, or with one that is gone, begins at the first.
    """
    after = whole_number(request, "after")
    place = order.place(whole_number(request, "before") if after is None else after)
    if after is not None and place is not None:
        found = _taken(order.reversed().after(rows, place), PAGE_SIZE + 1)
        shown, more = found[:PAGE_SIZE][::-1], len(found) > PAGE_SIZE
        return page_of(request, shown, previous=more, following=True)
    found = _taken(order.after(rows, place), PAGE_SIZE + 1)
    more = len(found) > PAGE_SIZE
    return page_of(request, found[:PAGE_SIZE], previous=place is not None, following=more)


def _taken(parts: Iterable[QuerySet[Delta]], count: int) -> list[Delta]:
    found: list[Delta] = []
    for part in parts:
        found += part[: count - len(found)]
        if len(found) == count:
            break
    return found


def neighbours(rows: QuerySet[Delta], order: Order, delta: Delta) -> tuple[int | None, int | None]:
    """Return the deltas before and after one in an order."""
    place = order.place_of(delta)
    return _first(order.reversed().after(rows, place)), _first(order.after(rows, place))


def _first(parts: Iterable[QuerySet[Delta]]) -> int | None:
    keys = (part.values_list("pk", flat=True).first() for part in parts)
    return next((key for key in keys if key is not None), None)
