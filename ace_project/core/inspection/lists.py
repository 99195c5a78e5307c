"""Lists of the admin over tables of any size: no count, sort, filter or search without an end."""

from collections.abc import Sequence
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.contrib.admin.views.main import ORDER_VAR, SEARCH_VAR
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import ForeignKey, Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.views import ChangeList  # type: ignore[import-untyped]

# Rows that a list counts and leads to; what lies further back is found by search or by a filter.
MOST_COUNTED = 10_000
# Filters on columns without an index look into this many of the newest rows.
WINDOW = 50_000


def one_of(column: str, known: Sequence[str | int]) -> type[SimpleListFilter]:
    """Return a filter by the values that there may be: to ask the table for them reads it all."""

    class OneOf(SimpleListFilter):
        title = column.replace("_", " ")
        parameter_name = column

        def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
            return [(str(value), str(value).replace("_", " ")) for value in known]

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            return queryset if self.value() is None else queryset.filter(**{column: self.value()})

    return OneOf


class BoundedPaginator(Paginator):
    """Pages over the first rows alone: to count a million of them takes longer than to read 50."""

    @cached_property
    def count(self) -> int:
        """Return how many rows there are, at most MOST_COUNTED."""
        rows = self.object_list
        if not isinstance(rows, QuerySet):
            return min(len(rows), MOST_COUNTED)
        return int(rows.order_by()[:MOST_COUNTED].count())


class BoundedList(ChangeList):
    """A list that reads no large column, and of a large table no more than a window."""

    window = WINDOW

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet[Any]:
        """Return the rows asked for, without what is large."""
        rows = super().get_queryset(request, *args, **kwargs).defer(*self.model_admin.large_fields)
        self.windowed = self.model_admin.is_large and self._looks_far()
        column = self.model_admin.ordering[0].removeprefix("-")
        return newest(rows, column, WINDOW) if self.windowed else rows

    def get_results(self, request: HttpRequest) -> None:
        """Count what is listed; without a filter that is all there is to count."""
        super().get_results(request)
        if not self.filter_params:
            self.full_result_count = self.result_count

    def _looks_far(self) -> bool:
        """Tell whether a filter is set that no index serves; search and keys are served."""
        names = set(self.filter_params) - {SEARCH_VAR, ORDER_VAR}
        keys = {f"{f.name}__exact" for f in self.model._meta.fields if f.is_relation}
        return bool(names) and not names & keys and not self.query

    def get_ordering_field(self, field_name: Any) -> Any:
        """Return a column to sort by; none but those offered, also to who edits the address."""
        if self.sortable_by is not None and field_name not in self.sortable_by:
            return None
        return super().get_ordering_field(field_name)

    @property
    def is_cut(self) -> bool:
        """Whether there may be more rows than the list leads to."""
        return bool(self.result_count >= MOST_COUNTED)


def newest(rows: QuerySet[Any], column: str, window: int) -> QuerySet[Any]:
    """Return those of `rows` that are among the newest `window` of their table, by `column`."""
    every = rows.model._default_manager.order_by(f"-{column}").values_list(column, flat=True)
    floor = next(iter(every[window - 1 : window]), None)
    return rows if floor is None else rows.filter(**{f"{column}__gte": floor})


def found_exactly(rows: QuerySet[Any], words: str, lookups: Sequence[str]) -> QuerySet[Any]:
    """Return the rows that every word names, each by the first lookup that finds any.

    One lookup after the other, since PostgreSQL reads the whole table for an OR over two of them.
    """
    for word in words.split()[:5]:
        asked = (_condition(rows.model, lookup, word) for lookup in lookups)
        found = next((q for q in asked if q is not None and rows.filter(q).exists()), None)
        rows = rows.none() if found is None else rows.filter(found)
    return rows


def _condition(model: type[Model], lookup: str, word: str) -> Q | None:
    """Return `lookup` = `word` with the related row found first; None where no row can fit."""
    path, _, name = lookup.rpartition("__")
    target = _target(model, path) if path else model
    field = target._meta.pk if name == "pk" else target._meta.get_field(name)
    try:
        value = field.to_python(word)  # type: ignore[union-attr]
    except ValidationError:
        return None
    if not path:
        return Q(**{name: value})
    key = target._default_manager.filter(**{name: value}).values_list("pk", flat=True).first()
    return None if key is None else Q(**{path: key})


def _target(model: type[Model], path: str) -> type[Model]:
    for name in path.split("__"):
        field = model._meta.get_field(name)
        assert isinstance(field, ForeignKey)
        model = field.related_model
    return model
