"""One model in the admin: rows that people look at, with their secrets left out."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Field, ForeignKey, Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin  # type: ignore[import-untyped]

from ace_project.core.hidden import spell_out
from ace_project.core.inspection import values
from ace_project.core.inspection.lists import BoundedList, BoundedPaginator, found_exactly
from ace_project.core.people import Role, role_of

Shown = Callable[[Any], Any]


class InspectOnly(ModelAdmin):
    """Rows that nobody adds or deletes here, and of which few columns can be changed.

    `large_fields` are read on a row's own page only, `secret_fields` never. A table that grows
    without an end `is_large`: filters look into its newest rows, nothing sorts it. What
    `search_fields` name is found exactly where `searches_exactly`.
    """

    icon = "table_rows"
    large_fields: tuple[str, ...] = ()
    secret_fields: tuple[str, ...] = ()
    changeable: ClassVar[tuple[str, ...]] = ()
    is_large = False
    searches_exactly = False

    actions = None
    paginator = BoundedPaginator
    show_full_result_count = False
    # Counts beside each filter read the whole table.
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 200
    list_fullwidth = True
    list_before_template = "admin/window.html"
    change_form_outer_after_template = "admin/related_rows.html"
    ordering: ClassVar[Sequence[str]] = ("-pk",)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Who may enter sees every kind of row."""
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Operators look at every row."""
        return role_of(request.user) >= Role.OPERATOR

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows come from the product, never from here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only what `changeable` names, and only by admins: the rest goes by audited services."""
        return bool(self.changeable) and role_of(request.user) >= Role.ADMIN

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nothing is deleted here; the console erases whole agents."""
        return False

    def view_on_site(self, row: Any) -> str | None:
        """Return the address of the row's page in the console, where it has one."""
        return None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows without what is never shown."""
        return super().get_queryset(request).defer(*self.secret_fields)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BoundedList]:
        """Return the list that keeps to its bounds."""
        return BoundedList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return what the words find: by index alone where the table is searched exactly."""
        if self.searches_exactly and search_term:
            return found_exactly(queryset, search_term, self.search_fields), False
        return super().get_search_results(request, queryset, search_term)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Return whether an address may filter so: by what is offered, or by a row's key.

        Django lets it ask any column of the table, and so tells a secret letter by letter.
        """
        offered = lookup.partition("__")[0] in self._filtered or lookup in self._keys
        return offered and super().lookup_allowed(lookup, value, request)

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Return the columns, each as text, and one that leads to the console."""
        return [*self._listed, *([self._console] if self._has_console else [])]

    def get_sortable_by(self, request: HttpRequest) -> Sequence[Any]:
        """Return the columns to sort by: none where that would read the whole table."""
        return () if self.is_large else self._listed

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return every column but the secret ones; those that may be changed by their names."""
        free = self.changeable if self.has_change_permission(request, obj) else ()
        return [name if name in free else shown for name, shown in self._columns.items()]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return what is shown and cannot be changed."""
        return [field for field in self.get_fields(request, obj) if callable(field)]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add the lists of rows that point to this one, and spell out its name for the title."""
        if row := kwargs.get("obj"):
            context["subtitle"] = spell_out(str(row))
        context["related_lists"] = self._related_lists(kwargs.get("obj"))
        return super().render_change_form(request, context, *args, **kwargs)

    @cached_property
    def _listed(self) -> list[Any]:
        names = self.list_display
        return [self._column(n, values.MOST_LISTED, linked=n != names[0]) for n in names]

    @cached_property
    def _filtered(self) -> set[str]:
        """The names of what lists are filtered by."""
        names = {
            getattr(f, "parameter_name", f[0] if isinstance(f, tuple) else f)
            for f in self.list_filter
        }
        return {*names, *([self.date_hierarchy] if self.date_hierarchy else [])}

    @cached_property
    def _keys(self) -> set[str]:
        """What the lists of related rows are asked for by."""
        return {f"{f.name}__exact" for f in self.model._meta.fields if f.is_relation}

    @cached_property
    def _columns(self) -> dict[str, Shown | str]:
        fields = [f for f in self.model._meta.fields if f.name not in self.secret_fields]
        return {f.name: self._column(f.name, values.MOST_SHOWN, linked=True) for f in fields}

    def _column(self, name: str, most: int, *, linked: bool) -> Shown | str:
        """Return a function that shows a column; the name of what the class itself shows."""
        field = next((f for f in self.model._meta.fields if f.name == name), None)
        return name if field is None else _shower(field, most, linked=linked)

    @cached_property
    def _has_console(self) -> bool:
        return type(self).view_on_site is not InspectOnly.view_on_site

    @admin.display(description="Console")
    def _console(self, row: Any) -> SafeString | str:
        address = self.view_on_site(row)
        if address is None:
            return values.NOTHING
        return format_html('<a class="ace-link" href="{}">Open</a>', address)

    def _related_lists(self, row: Model | None) -> list[dict[str, str]]:
        """Return the addresses of the lists of other models' rows that point to this one."""
        if row is None:
            return []
        found = []
        for relation in self.model._meta.related_objects:
            model = relation.related_model
            if not isinstance(relation.field, ForeignKey) or model not in self.admin_site._registry:
                continue
            address = reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_changelist")
            query = f"{relation.field.name}__exact={row.pk}"
            found.append(
                {"title": str(model._meta.verbose_name_plural), "url": f"{address}?{query}"}
            )
        return found


def _shower(field: "Field[Any, Any]", most: int, *, linked: bool) -> Shown:
    """Return the function by which the admin shows a field's value."""

    def show(row: Any) -> Any:
        return values.shown(getattr(row, field.name), field, most, linked=linked)

    show.__name__ = field.name
    return admin.display(
        show,
        ordering=field.name,
        description=values.label(field),
    )
