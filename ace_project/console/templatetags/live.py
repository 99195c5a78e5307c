"""The mark of what moves on a page: `{% load live %}`; static/live.js acts on it."""

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag
def live(url: str, every: float | None) -> SafeString | str:
    """The attributes of an element (with an id) that asks `url` for itself every so many seconds.

    None at all where `every` is empty: nothing there can change any more, so nobody asks.
    """
    if not every:
        return ""
    return format_html(
        'hx-get="{}" hx-trigger="ace:refresh" hx-swap="morph:outerHTML" '
        'hx-request=\'{{"timeout": 20000}}\' data-live="{}"',
        url,
        every,
    )
