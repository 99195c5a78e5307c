"""Tags and filters for pages about money and calibration: `{% load money %}`."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django import template

from ace_project.console.spend import Month
from ace_project.console.templatetags import figures, money_plots
from evolution.calibration import Bin

register = template.Library()


@register.filter
def usd(amount: float | Decimal) -> str:
    """`{{ amount|usd }}` -> `$61.84`, `$0.0041`; for amounts that are known."""
    return figures.usd(amount)


@register.filter
def brief_usd(amount: float | Decimal) -> str:
    """`{{ limit|brief_usd }}` -> `$100`, `$12.50`."""
    return figures.brief_usd(amount)


@register.inclusion_tag("parts/burn.html")
def burn(month: Month) -> dict[str, Any]:
    """A month's money day by day, with the limit and the forecast."""
    return {
        "wide": money_plots.burn_plot(month, width=780, height=240),
        "narrow": money_plots.burn_plot(month, width=330, height=220),
    }


@register.inclusion_tag("parts/budget_bar.html")
def budget_bar(
    spent: Decimal, reserved: Decimal, limit: Decimal, forecast: float | None = None
) -> dict[str, Any]:
    """A limit as a bar with the thresholds, and the forecast as a mark."""
    bar = money_plots.budget_bar(float(spent), float(reserved), float(limit), forecast)
    return {"bar": bar}


@register.inclusion_tag("parts/reliability.html")
def reliability(bins: Sequence[Bin]) -> dict[str, Any]:
    """A reliability diagram with intervals and counts."""
    return {"plot": money_plots.reliability_plot(bins)}
