"""Tags and filters of the console's pages: `{% load console %}`. Every text is escaped."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import template
from django.template.context import Context
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import slugify

from ace_project.console.templatetags import figures, plots, signs, words
from ace_project.console.templatetags import trail as trails
from ace_project.console.templatetags.signs import OUTCOME_ICONS, SOURCE_ICONS, STATUS_CHIPS
from ace_project.core import hidden
from playbooks.content import is_bullet_list

register = template.Library()

# Of a list that is set as a whole, so many bullets that come and that go are shown.
MOST_SWAPPED = 30
# name: (width, height, class) of the sizes the mock-ups draw an interval in
INTERVAL_SIZES = {
    "strip": (284, 46, "ace-strip"),
    "spark": (96, 20, "ace-spark"),
    "effect": (116, 20, ""),
    "row": (248, 20, ""),
    "tile": (220, 14, ""),
}


# ---- figures ----
def _or_dash(text: str | None) -> str | SafeString:
    """A figure nobody measured is the word unknown, never a zero."""
    return mark_safe('<span class="ace-unknown">unknown</span>') if text is None else text


@register.filter
def percent(share: float | None, digits: int = 1) -> str:
    """`{{ 0.77|percent }}` -> `77.0 %`."""
    return _or_dash(None if share is None else figures.percent(share, digits))


@register.filter
def points(difference: float | None, digits: int = 1) -> str:
    """`{{ 0.237|points }}` -> `+23.7`, from a difference of shares."""
    return _or_dash(None if difference is None else figures.points(difference, digits))


@register.filter
def thousands(number: float | Decimal | None) -> str:
    """`{{ 4816|thousands }}` -> `4,816`."""
    return _or_dash(None if number is None else figures.thousands(number))


@register.filter
def small_share(share: float | None) -> str:
    """A probability such as a q value: `0.063`, and `under 0.001` below that."""
    return _or_dash(None if share is None else figures.small_share(share))


@register.filter
def duration(seconds: float | None) -> str:
    """`{{ 41|duration }}` -> `41 s`."""
    return _or_dash(None if seconds is None else figures.duration(seconds))


@register.filter
def money(amount: float | Decimal | None, digits: int = 2) -> str:
    """`{{ amount|money }}` -> `$61.84`; `|money:4` for single calls; None -> `unpriced`."""
    if amount is None:
        return mark_safe(
            '<span class="ace-unpriced" title="The provider gave no price for these calls. '
            'They are counted, not valued.">unpriced</span>'
        )
    # A limit of less than a cent is not none.
    is_tiny = 0 < abs(float(amount)) < 0.01
    return figures.usd(amount) if is_tiny else figures.dollars(amount, digits)


@register.simple_tag
def interval(low: float, high: float) -> str:
    """`{% interval low high %}` -> `+11.3 to +35.1`, from differences of shares."""
    return figures.interval(low, high)


@register.simple_tag
def share_interval(low: float, high: float) -> str:
    """`{% share_interval low high %}` -> `73 to 77 %`, from shares."""
    return f"{low * 100:.0f} to {figures.percent(high, 0)}"


@register.simple_tag
def tone(low: float | None, high: float | None) -> str:
    """`ace-good` or `ace-bad` where the interval excludes zero, otherwise nothing."""
    name = figures.tone(low, high)
    return "" if name == "mute" else f"ace-{name}"


@register.filter
def in_words(name: str) -> str:
    """`{{ "no_signal"|in_words }}` -> `no signal`."""
    return name.replace("_", " ")


# ---- text written by others ----
@register.filter
def visible(text: object) -> SafeString:
    """Escaped text with zero-width, bidi and control characters shown as `⟨U+202E⟩`."""
    return hidden.isolate("" if text is None else str(text))


@register.filter
def spelled(text: object) -> str:
    """The same for what is no HTML: titles, labels, messages."""
    return hidden.spell_out("" if text is None else str(text))


@register.filter
def as_json(value: object) -> SafeString:
    """A JSON value laid out for reading, escaped, hidden characters shown."""
    return hidden.reveal(trails.as_text(value))


@register.simple_tag
def words_changed(before: str, after: str) -> SafeString:
    """The word diff of two texts as `<del>` and `<ins>`; stands inside `class="ace-words"`."""
    return words.word_diff_html(before, after)


# ---- marks ----
@register.simple_tag
def icon(name: str, label: str = "", css: str = "") -> SafeString:
    """An icon of static/vendor/icons.svg; with a label it is an image, else decoration."""
    href = f"{static('vendor/icons.svg')}#{name}"
    said = (
        format_html('role="img" aria-label="{}"', label)
        if label
        else mark_safe('aria-hidden="true"')
    )
    return format_html('<svg class="ace-icon {}" {}><use href="{}"></use></svg>', css, said, href)


@register.simple_tag
def chip(kind: str, text: str, icon_name: str = "") -> SafeString:
    """A chip: good, warn, bad, live, line, conflict or sim."""
    mark = icon(icon_name) if icon_name else ""
    return format_html('<span class="ace-chip ace-chip--{}">{}{}</span>', kind, mark, text)


@register.simple_tag
def simulated(text: str = "simulated") -> SafeString:
    """The hatched mark of what no real customer saw."""
    return chip("sim", text, "flask")


@register.simple_tag
def status(name: str) -> SafeString:
    """The chip of a delta's or a run's status."""
    kind, icon_name, text = STATUS_CHIPS[name]
    return chip(kind, text, icon_name)


@register.simple_tag
def mode(name: str, threshold: float | None = None) -> str:
    """An agent's mode in words: `strict`, `dry run`, `auto ≥ 0.70`."""
    if name == "auto" and threshold is not None:
        return f"auto \u2265 {threshold:.2f}"
    return name.replace("_", " ")


@register.simple_tag
def risk(verdicts: Sequence[Mapping[str, Any]]) -> SafeString:
    """One chip for what the judges found: the worst outcome, named by its judge."""
    for outcome, kind in (("block", "bad"), ("warn", "warn")):
        found = [v["judge"] for v in verdicts if v["outcome"] == outcome]
        if "conflict" in found:
            return chip("conflict", "conflict", "git-merge")
        if found:
            more = f" +{len(found) - 1}" if len(found) > 1 else ""
            name = signs.judge_in_words(str(found[0]))
            return chip(kind, f"{name}{more}", "alert-triangle")
    return chip("good", "clear", "check") if verdicts else chip("line", "not judged")


@register.simple_tag
def verdict_icon(outcome: str) -> SafeString:
    """A judge's sign with its word for screen readers."""
    icon_name, css, label = OUTCOME_ICONS[outcome]
    return icon(icon_name, label, css)


@register.simple_tag
def outcome(success: bool) -> SafeString:
    """A trace's sign: succeeded or failed."""
    if success:
        return icon("circle-check", "Succeeded", "ace-good")
    return icon("circle-x", "Failed", "ace-bad")


@register.simple_tag
def passed_failed(passed: int, failed: int) -> SafeString:
    """Evidence as two counts with their signs."""
    return format_html(
        '<span class="ace-ev"><span class="ace-good">{} <b>{}</b></span>'
        '<span class="ace-bad">{} <b>{}</b></span></span>',
        icon("check", "passed", "ace-icon--sm"),
        figures.thousands(passed),
        icon("x", "failed", "ace-icon--sm"),
        figures.thousands(failed),
    )


@register.simple_tag
def person(name: str, small: bool = False) -> SafeString:
    """Who did it, a person: a round mark with initials."""
    return format_html(
        '<span class="ace-who {}ace-who--person"><i aria-hidden="true">{}</i>'
        "<span>{}</span></span>",
        "ace-who--xs " if small else "",
        figures.initials(name),
        hidden.isolate(name),
    )


@register.simple_tag
def automation(name: str = "Automatic", source: str = "", small: bool = False) -> SafeString:
    """Who did it, a machine: a square outline with the icon of a delta's source."""
    return format_html(
        '<span class="ace-who {}ace-who--auto"><i>{}</i><span>{}</span></span>',
        "ace-who--xs " if small else "",
        icon(SOURCE_ICONS.get(source, "bolt")),
        hidden.isolate(name),
    )


@register.simple_tag
def actor(stored: str, source: str = "", small: bool = False) -> SafeString:
    """Who did it, from the stored `kind:name`; `source` picks the icon of a delta's origin."""
    kind, _, name = stored.partition(":")
    if kind == "person":
        return person(name, small)
    if kind == "run" and name.startswith("training-"):
        return automation(f"Training {name.removeprefix('training-')}", source or "training", small)
    shown = {"automatic": "Automatic", "run": f"Run {name}"}.get(kind, name or kind)
    return automation(shown, source or kind, small)


@register.simple_tag(takes_context=True)
def when(context: Context, moment: datetime | None, short: bool = False) -> SafeString | str:
    """A relative time with the absolute on hover; the context's `now`, if any, is the present."""
    if moment is None:
        return _or_dash(None)
    now = context.get("now") or timezone.now()
    return format_html(
        '<time datetime="{}" title="{}" data-when="{}">{}</time>',
        moment.isoformat(timespec="seconds"),
        figures.absolute(moment),
        "short" if short else "ago",
        figures.age(moment, now) if short else figures.relative(moment, now),
    )


@register.simple_tag(takes_context=True)
def current(context: Context, *names: str) -> SafeString | str:
    """`aria-current="page"` while the page shown is one of the named views."""
    match = getattr(context.get("request"), "resolver_match", None)
    return mark_safe('aria-current="page"') if match and match.view_name in names else ""


# ---- frames ----
@register.simple_block_tag(end_name="endpanel")
def panel(content: str, title: str, end: str = "", note: str = "", css: str = "") -> SafeString:
    """A panel with a heading; `end` and `note` (not on a phone) stand at the right of it."""
    name = f"p-{slugify(title) or 'panel'}"
    aside = format_html('<span class="ace-hide-phone">{}</span>', note) if note else ""
    return format_html(
        '<section class="ace-panel {}" aria-labelledby="{}"><header><h2 id="{}">{}</h2>'
        '<span class="ace-end">{}{}</span></header>{}</section>',
        css,
        name,
        name,
        title,
        end,
        aside,
        content,
    )


@register.simple_block_tag(end_name="endtable")
def table(content: str, label: str, css: str = "") -> SafeString:
    """A table that scrolls by itself and turns into cards on a phone (labels from `data-l`)."""
    return format_html(
        '<div class="ace-scroll" tabindex="0" role="region" aria-label="{}">'
        '<table class="ace-table ace-cards {}">{}</table></div>',
        label,
        css,
        content,
    )


@register.simple_block_tag(end_name="endtile")
def tile(content: str, title: str, big: str = "", small: str = "", url: str = "") -> SafeString:
    """A tile: heading (with `url` a link), key figure (or a `.ace-big` inside it), `.ace-foot`."""
    told = format_html('<p class="ace-big">{} <small>{}</small></p>', big, small) if big else ""
    head = format_html('<a href="{}">{}</a>', url, title) if url else title
    return format_html('<section class="ace-tile"><h2>{}</h2>{}{}</section>', head, told, content)


# ---- plots ----
@register.inclusion_tag("parts/interval.html")
def interval_plot(
    value: float,
    low: float,
    high: float,
    size: str = "strip",
    domain_low: float | None = None,
    domain_high: float | None = None,
) -> dict[str, Any]:
    """An estimate with its interval: size strip (with axis), spark, effect, row or tile."""
    width, height, css = INTERVAL_SIZES[size]
    domain = None if domain_low is None or domain_high is None else (domain_low, domain_high)
    plot = plots.interval_plot(
        value, low, high, width=width, height=height, domain=domain, axis=size == "strip"
    )
    return {"plot": plot, "css": css}


@register.inclusion_tag("parts/versions_plot.html")
def versions_plot(versions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Success per version, oldest first: see plots.versions_plot."""
    return {
        "wide": plots.versions_plot(versions, width=860, height=168, notes=True),
        "narrow": plots.versions_plot(versions[-7:], width=330, height=186, notes=False),
    }


@register.inclusion_tag("parts/sparkline.html")
def sparkline(
    values: Sequence[float], before: Sequence[float] = (), label: str = ""
) -> dict[str, Any]:
    """A line of values over the span before; needs at least two values."""
    return {"plot": plots.sparkline(values, before), "label": label, "enough": len(values) > 1}


@register.inclusion_tag("parts/confidence.html")
def confidence(value: float, threshold: float) -> dict[str, Any]:
    """A confidence 0..1 as figure and bar with the threshold marked."""
    return {
        "value": f"{value:.2f}",
        "threshold": f"{threshold:.2f}",
        "bar": plots.coordinate(64 * value),
        "mark": plots.coordinate(64 * threshold),
        "under": value < threshold,
    }


@register.inclusion_tag("parts/progress.html")
def progress(done: int, total: int, label: str) -> dict[str, Any]:
    """A bar of work done."""
    share = min(1.0, done / total) if total else 0.0
    return {"bar": plots.coordinate(220 * share), "done": done, "total": total, "label": label}


# ---- changes ----
@register.inclusion_tag("parts/operation.html")
def operation(op: Mapping[str, Any], before: Any = None, note: str = "") -> dict[str, Any]:
    """One operation of a delta. `before`: the text (merge: texts; set, unset: value) it meets."""
    position = op.get("position")
    return {
        "op": op,
        "kind": op["op"],
        "title": str(op["op"]).capitalize(),
        "before": before,
        "before_text": trails.as_text(before),
        "after_text": trails.as_text(op.get("value")),
        "place": None if position is None else position + 1,
        "note": note,
        "swap": _swapped(op, before),
    }


def _swapped(op: Mapping[str, Any], before: Any) -> dict[str, Any] | None:
    """Return which bullets come and go where an operation sets a whole list of them."""
    old: Any = [] if before is None else before
    new: Any = op.get("value")
    if not (is_bullet_list(old) and is_bullet_list(new)):
        return None
    gone, come = set(old) - set(new), set(new) - set(old)
    removed, added = [t for t in old if t in gone], [t for t in new if t in come]
    return {
        "stay": len(old) - len(removed),
        "removed": removed[:MOST_SWAPPED],
        "added": added[:MOST_SWAPPED],
        "more": max(0, len(removed) - MOST_SWAPPED) + max(0, len(added) - MOST_SWAPPED),
    }
