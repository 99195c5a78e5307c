"""What tokens cost: the operator's own prices first, then those that genai-prices ships.

Cached tokens are contained in the prompt's and are priced once, at their own rate. A model
without a price is unpriced (None), never free; against budgets it counts at
ACE_COST_PER_1M_TOKENS. Nothing here asks the network.
"""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.conf import settings

from ace_project.core.errors import AceError
from evolution.ledger import Usage

_MILLION = Decimal(1_000_000)
# Rows hold a hundred-millionth of a dollar; rounding up never counts too little.
_STEP = Decimal("0.00000001")


class PricesInvalid(AceError):
    """The operator's file of prices cannot be used; the detail says where."""

    title = "The file of prices is not valid"


@dataclass(frozen=True)
class Price:
    """US dollars for a million tokens, as of `since`."""

    input: Decimal
    cached_input: Decimal
    output: Decimal
    since: date

    def of(self, usage: Usage) -> Decimal:
        """Return the price of `usage` in US dollars, exactly."""
        fresh = usage.prompt_tokens - usage.cached_tokens
        amount = fresh * self.input + usage.cached_tokens * self.cached_input
        return (amount + usage.completion_tokens * self.output) / _MILLION


@dataclass(frozen=True)
class Quote:
    """What a call costs: `cost` is None where the model has no price, `charged` always counts."""

    cost: Decimal | None
    charged: Decimal


def quote(address: str, model: str, usage: Usage, now: datetime) -> Quote:
    """Return what `usage` of `model` at the URL `address` costs, in US dollars, rounded up.

    Raises PricesInvalid where the operator's file cannot be used.
    """
    cost = _cost(address, model, usage, now)
    charged = _by_tokens(usage) if cost is None else cost
    rounded = charged.quantize(_STEP, ROUND_CEILING)
    return Quote(cost=None if cost is None else rounded, charged=rounded)


def worst_case(
    address: str, model: str, prompt_tokens: int, max_tokens: int, now: datetime
) -> Decimal:
    """Return the most that a call may cost: nothing of the prompt cached, the longest answer."""
    most = Usage(prompt_tokens=prompt_tokens, cached_tokens=0, completion_tokens=max_tokens)
    return quote(address, model, most, now).charged


def _cost(address: str, model: str, usage: Usage, now: datetime) -> Decimal | None:
    own = _own_price(model, now.date())
    if own:
        return own.of(usage)
    # Not on top: the list takes memory in each process, and most never ask a model.
    from evolution.llm import list_prices

    return list_prices.cost(address, model, usage, now)


def _by_tokens(usage: Usage) -> Decimal:
    rate = Decimal(str(settings.ACE_COST_PER_1M_TOKENS))
    return (usage.prompt_tokens + usage.completion_tokens) * rate / _MILLION


def check_file() -> None:
    """Raise PricesInvalid where the operator's file of prices cannot be used."""
    _own_prices()


def _own_price(model: str, today: date) -> Price | None:
    """Return the newest of the operator's prices for `model` that holds today."""
    held = [price for price in _own_prices().get(model, ()) if price.since <= today]
    return max(held, key=lambda price: price.since, default=None)


def _own_prices() -> Mapping[str, tuple[Price, ...]]:
    if not settings.ACE_LLM_PRICES_FILE:
        return {}
    path = Path(settings.ACE_LLM_PRICES_FILE)
    try:
        changed = path.stat()
    except OSError as error:
        raise PricesInvalid(f"{path} cannot be read: {error.strerror}") from error
    # Two edits within a tick of the clock may differ in size alone.
    return _read_file(path, (changed.st_mtime_ns, changed.st_size))


@functools.lru_cache(maxsize=4)
def _read_file(path: Path, changed: tuple[int, int]) -> Mapping[str, tuple[Price, ...]]:
    """Return the prices in the file at `path`, as it was when it last `changed`.

    `{model: {input, cached_input?, output, date}}` or a list of those, in US dollars for a
    million tokens; the cached input costs as much as other input where it is not given.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except (OSError, ValueError, RecursionError) as error:
        raise PricesInvalid(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(document, dict):
        raise PricesInvalid(f"{path} is no JSON object of models")
    return {model: _prices(path, model, given) for model, given in document.items()}


def _prices(path: Path, model: str, given: Any) -> tuple[Price, ...]:
    try:
        return tuple(_price(one) for one in (given if isinstance(given, list) else [given]))
    except (KeyError, TypeError, ValueError, InvalidOperation) as error:
        raise PricesInvalid(
            f"{path}: {model!r} needs input and output in US dollars for a million tokens, "
            f"and a date such as 2026-11-01 ({type(error).__name__}: {error})"
        ) from error


def _price(given: Mapping[str, Any]) -> Price:
    fresh, output = _dollars(given["input"]), _dollars(given["output"])
    cached = _dollars(given["cached_input"]) if "cached_input" in given else fresh
    return Price(fresh, cached, output, date.fromisoformat(given["date"]))


def _dollars(given: Any) -> Decimal:
    if isinstance(given, bool) or not isinstance(given, int | Decimal):
        raise TypeError(f"{given!r} is no number")
    amount = Decimal(given)
    if not 0 <= amount <= 100_000:
        raise ValueError(f"{given} is no price")
    return amount
