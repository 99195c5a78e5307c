"""Tags and filters for pages about training: `{% load training %}`."""

from collections.abc import Sequence
from typing import Any

from django import template

from ace_project.console.job_curves import Curve
from ace_project.console.job_figures import Signal, Spend
from ace_project.console.templatetags import figures, plots, training_plots

register = template.Library()

BAR = 220.0


@register.filter
def reward(value: float | None) -> str:
    """`{{ 0.6842|reward }}` -> `0.684`, `{{ 318.04|reward }}` -> `318`; a reward has no unit."""
    if value is None:
        return "unknown"
    size = abs(value)
    text = f"{size:,.{3 if size < 10 else 1 if size < 100 else 0}f}"
    return f"{figures.MINUS}{text}" if value < 0 and size >= 0.0005 else text


@register.filter
def small(value: float | None) -> str:
    """A figure of any size at two or three digits: `0.41`, `0.018`, `12.4`."""
    if value is None:
        return "unknown"
    digits = 3 if abs(value) >= 1 else 2
    return f"{value:.{digits}g}".replace("-", figures.MINUS)


@register.filter
def exact_usd(amount: float) -> str:
    """An amount that others are multiples of, at three digits: `$0.000295`, `$0.0031`."""
    return f"${amount:.3g}" if 0.000001 <= amount < 1 else figures.usd(amount)


@register.filter
def signed(value: float) -> str:
    """`{{ 0.25|signed }}` -> `+0.25`."""
    return figures.signed(value, 2)


@register.inclusion_tag("parts/curve.html")
def curve(
    values: Curve,
    end: int,
    name: str,
    what: str,
    in_shares: bool = False,
    bars: bool = False,
    is_over: bool = False,
) -> dict[str, Any]:
    """A curve over iterations; with scripts static/plots.js draws it over the SVG."""
    plot = (
        training_plots.curve_plot(
            values, end=end, what=what, factor=100.0 if in_shares else 1.0, bars=bars
        )
        if values.x
        else None
    )
    return {"plot": plot, "name": name, "is_over": is_over}


@register.inclusion_tag("parts/mini.html")
def mini(title: str, values: Sequence[float], now: str, meaning: str) -> dict[str, Any]:
    """A small line under its newest figure; `meaning` says on hover what it is, and its unit."""
    span = f", {values[0]:.3g} at first, {values[-1]:.3g} now" if len(values) > 1 else ""
    path = training_plots.mini_path(values)
    return {"title": title, "now": now, "path": path, "meaning": f"{meaning}{span}"}


@register.inclusion_tag("parts/signal_bar.html")
def signal_bar(signal: Signal) -> dict[str, Any]:
    """Groups that teach, that all passed, that all failed, and that were equal otherwise."""
    shares = [
        ("fill", signal.mixed, "mixed"),
        ("hold", signal.passed, "all passed"),
        ("mute-f", signal.failed, "all failed"),
        ("track", signal.equal, "equal"),
    ]
    parts, left = [], 0.0
    for css, share, _ in shares:
        if share > 0.004:
            width = max(1.0, BAR * share - 2.0)
            parts.append(
                {"css": css, "x": plots.coordinate(left), "width": plots.coordinate(width)}
            )
        left += BAR * share
    told = ", ".join(f"{share:.0%} {name}" for _, share, name in shares if share > 0.004)
    return {"parts": parts, "label": told.replace("%", " percent")}


@register.inclusion_tag("parts/lift_bar.html")
def lift_bar(value: float, low: float, high: float) -> dict[str, Any]:
    """A difference of shares to the baseline on a line of a tile's width; the tick is none."""
    plot = plots.interval_plot(value, low, high, width=int(BAR), height=14)
    return {"plot": plot}


@register.inclusion_tag("parts/spend_bar.html")
def spend_bar(spend: Spend) -> dict[str, Any]:
    """A job's limit as a bar with what is spent and, as a mark, what it will have spent."""
    scale = plots.Scale(0, spend.limit or 1.0, 0.0, BAR)
    ahead = "" if spend.forecast is None else f", forecast {figures.usd(spend.forecast)}"
    spent, limit = figures.usd(spend.spent), figures.brief_usd(spend.limit)
    return {
        "label": f"{spent} of {limit}{ahead}",
        "spent": plots.coordinate(scale(spend.spent)),
        "forecast": "" if spend.forecast is None else plots.coordinate(scale(spend.forecast)),
        "tone": "fill-warn" if spend.spent >= 0.9 * spend.limit > 0 else "fill",
    }
