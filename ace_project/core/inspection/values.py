"""How the admin shows one value of a row: as text, with whatever hides in it made visible."""

import json
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import models
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ace_project.core.hidden import reveal

# Characters of a text in a list, and of a text or document on a row's own page.
MOST_LISTED = 120
MOST_SHOWN = 100_000
NOTHING = "-"

# Parts of a column's name that are written otherwise than words are.
SHORT: Mapping[str, str] = {
    **{name: name.upper() for name in ("cpu", "id", "ip", "jti", "kl", "uid", "usd")},
    "avg": "average",
    "frac": "share of",
    "sha256": "SHA-256",
    "std": "deviation",
}

# A state's colour; what is not named here is neutral.
TONES: Mapping[str, str] = {
    **dict.fromkeys(("applied", "completed", "approve", "settled", "ended", "answered"), "good"),
    **dict.fromkeys(("failed", "reject", "rejected", "conflict", "broken"), "bad"),
    **dict.fromkeys(("pending_review", "changes_requested", "paused", "unknown"), "warn"),
    **dict.fromkeys(("running", "queued", "reserved"), "info"),
}


def label(field: "models.Field[Any, Any]") -> str:
    """Return a column's name as people write it: `Spent USD`."""
    return " ".join(SHORT.get(word, word) for word in str(field.verbose_name).split())


def text(value: str, most: int) -> SafeString:
    """Return a text of others, isolated from its neighbours and cut after `most` characters."""
    shown = format_html('<bdi class="ace-text">{}</bdi>', reveal(value[:most]))
    if len(value) <= most:
        return shown
    return format_html("{}<small>… {} more characters</small>", shown, f"{len(value) - most:,}")


def document(value: Any, most: int) -> SafeString:
    """Return a JSON document: on one line in a list, indented on a row's own page."""
    indent = 2 if most > MOST_LISTED else None
    written = json.dumps(value, ensure_ascii=False, indent=indent, default=str)
    if indent is None:
        return text(written, most)
    return format_html('<pre class="ace-json">{}</pre>', text(written, most))


def moment(value: date) -> SafeString:
    """Return a day or a moment in UTC, to the second."""
    if not isinstance(value, datetime):
        return format_html('<time datetime="{0}">{0}</time>', value.isoformat())
    local = timezone.localtime(value)
    written = local.strftime("%Y-%m-%d %H:%M:%S")
    return format_html('<time datetime="{}">{}</time>', local.isoformat(), written)


def state(value: str) -> SafeString:
    """Return one of a field's choices as a chip."""
    tone = TONES.get(value, "plain")
    return format_html('<span class="ace-chip ace-chip--{}">{}</span>', tone, reveal(value))


def related(row: models.Model, *, linked: bool) -> SafeString:
    """Return the row that a key points to, by its name, as a link to its page in the admin."""
    name = text(str(row), MOST_LISTED)
    if not linked:
        return name
    try:
        address = reverse(f"admin:{row._meta.label_lower.replace('.', '_')}_change", args=[row.pk])
    except NoReverseMatch:
        return name
    return format_html('<a class="ace-link" href="{}">{}</a>', address, name)


def shown(value: Any, field: "models.Field[Any, Any]", most: int, *, linked: bool) -> Any:
    """Return a field's value as HTML where it needs any, or as it is."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        # No sign and no colour: whether yes is good is another matter in each column.
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, UUID):
        return format_html('<span class="ace-id">{}</span>', value)
    if isinstance(value, models.Model):
        return related(value, linked=linked)
    if isinstance(value, date):
        return moment(value)
    if isinstance(field, models.JSONField):
        return document(value, most)
    if isinstance(value, bytes | memoryview):
        return f"{len(bytes(value)):,} bytes"
    if field.choices and isinstance(value, str):
        return state(value)
    return text(value, most) if isinstance(value, str) else value
