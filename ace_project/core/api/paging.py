"""Lists by keyset: `?limit=` and an opaque, signed `?cursor=`; every page costs the same."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from django.core.signing import BadSignature, Signer
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from rest_framework.request import Request

from ace_project.core.errors import InvalidInput

DEFAULT_LIMIT = 100
MAX_LIMIT = 200

M = TypeVar("M", bound=Model)
T = TypeVar("T")


def _invalid(parameter: str, message: str) -> InvalidInput:
    return InvalidInput(
        f"{parameter} is not valid", [{"pointer": f"?{parameter}", "message": message}]
    )


def limit_of(request: HttpRequest | Request) -> int:
    """Return how many rows the caller asks for, 1 to 200; raises InvalidInput."""
    raw = request.GET.get("limit")
    if raw is None:
        return DEFAULT_LIMIT
    if not (raw.isascii() and raw.isdigit() and len(raw) <= 4 and 1 <= int(raw) <= MAX_LIMIT):
        raise _invalid("limit", f"a whole number from 1 to {MAX_LIMIT}")
    return int(raw)


def cursor_of(request: HttpRequest | Request, name: str) -> Any:
    """Return the place that a cursor of list `name` stands for, None at the start."""
    raw = request.GET.get("cursor")
    if raw is None:
        return None
    try:
        return Signer(salt=f"ace.cursor.{name}").unsign_object(raw)
    except (BadSignature, ValueError) as error:
        raise _invalid("cursor", "not a cursor of this list") from error


def cursor_to(name: str, place: Any) -> str:
    """Return the opaque cursor of list `name` for `place`, a JSON value."""
    return Signer(salt=f"ace.cursor.{name}").sign_object(place)


def page(
    request: HttpRequest | Request,
    rows: QuerySet[M],
    *,
    name: str,
    render: Callable[[M], T],
    by: str = "-id",
) -> dict[str, Any]:
    """Return `{results, next}` of `rows`, ordered by one unique column (`-` for descending).

    `name` binds cursors to this list; `render` makes the answer's object of a row; `next` is the
    cursor of the following page, null at the end.
    """
    limit, column = limit_of(request), by.lstrip("-")
    place = cursor_of(request, name)
    if place is not None:
        step = "lt" if by.startswith("-") else "gt"
        rows = rows.filter(**{f"{column}__{step}": place})
    found = list(rows.order_by(by)[: limit + 1])
    shown = found[:limit]
    more = cursor_to(name, getattr(shown[-1], column)) if len(found) > limit else None
    return {"results": [render(row) for row in shown], "next": more}


def page_of(
    request: HttpRequest | Request, items: Sequence[T], *, name: str, offset: int, beside: Any
) -> tuple[Sequence[T], str | None]:
    """Return one page of an immutable sequence and the cursor of the next.

    The cursor is `[beside, offset]`: `beside` names the sequence (a version), `offset` the place.
    """
    end = offset + limit_of(request)
    more = cursor_to(name, [beside, end]) if end < len(items) else None
    return items[offset:end], more
