"""The list prices that genai-prices ships; nothing here asks the network."""

import functools
from datetime import datetime
from decimal import Decimal

import genai_prices
from genai_prices.data_snapshot import get_snapshot

from evolution.ledger import Usage

# Models that only their maker sells have one list price, wherever they are asked. Weights that
# anyone may run have none: what a cloud takes for them says nothing about your own machine.
_MAKERS = {
    "gpt-": "openai",
    "chatgpt-": "openai",
    "o1": "openai",
    "o3": "openai",
    "o4": "openai",
    "claude": "anthropic",
    "gemini": "google",
    "grok": "x-ai",
}
_OPEN_WEIGHTS = ("gpt-oss", "gpt-j", "gpt-neo")


def cost(address: str, model: str, usage: Usage, now: datetime) -> Decimal | None:
    """Return what `usage` costs by the list of the address's provider, or of the model's maker.

    In US dollars, exactly; None for a model that neither lists.
    """
    name = model.rpartition("/")[2]
    provider = _provider_at(address)
    tries = [(provider, model), (provider, name)] if provider else []
    maker = _maker(name)
    tries += [(maker, name)] if maker else []
    counted = genai_prices.Usage(
        input_tokens=usage.prompt_tokens,
        cache_read_tokens=usage.cached_tokens,
        output_tokens=usage.completion_tokens,
    )
    for provider_id, reference in tries:
        try:
            found = genai_prices.calc_price(
                counted, reference, provider_id=provider_id, genai_request_timestamp=now
            )
        except LookupError:
            continue
        return found.total_price
    return None


@functools.lru_cache(maxsize=64)
def _provider_at(address: str) -> str | None:
    try:
        provider = get_snapshot().find_provider(None, None, address)
    except LookupError:
        return None
    return provider.id


def _maker(name: str) -> str | None:
    name = name.lower()
    if name.startswith(_OPEN_WEIGHTS):
        return None
    return next((maker for start, maker in _MAKERS.items() if name.startswith(start)), None)
