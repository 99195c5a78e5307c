"""Running totals of calls that ended, so that no page and no scrape adds up every call."""

from datetime import UTC
from decimal import Decimal
from typing import Any

from django.db import connection

from evolution.models import LlmCall

_COUNTED = (
    *("answered", "refused", "unsent", "unknown", "unpriced"),
    *("prompt_tokens", "cached_tokens", "completion_tokens"),
    *("cost_usd", "charged_usd", "worst_case_usd"),
)


def count(call: LlmCall) -> None:
    """Add a call that just ended to the totals of its day and of its model.

    The caller holds the call's budgets, so that nobody else counts in the same day's rows.
    """
    amounts = _amounts(call)
    _add("llm_daily_tallies", ("day", "agent_number", "endpoint", "model"), call, amounts)
    _add("llm_tallies", ("endpoint", "model"), call, amounts)


def _amounts(call: LlmCall) -> dict[str, int | Decimal]:
    charged = call.charged_usd or Decimal(0)
    answered = call.outcome == "answered"
    return {
        "answered": int(answered),
        "refused": int(call.outcome == "refused"),
        "unsent": int(call.outcome == "unsent"),
        "unknown": int(call.outcome == "unknown"),
        "unpriced": int(answered and call.cost_usd is None),
        "prompt_tokens": call.prompt_tokens or 0,
        "cached_tokens": call.cached_tokens or 0,
        "completion_tokens": call.completion_tokens or 0,
        "cost_usd": call.cost_usd or Decimal(0),
        "charged_usd": charged,
        "worst_case_usd": charged if call.worst_case else Decimal(0),
    }


def _add(
    table: str, keys: tuple[str, ...], call: LlmCall, amounts: dict[str, int | Decimal]
) -> None:
    names: dict[str, Any] = {
        "day": call.created_at.astimezone(UTC).date(),
        "agent_number": call.agent_number or 0,
        "endpoint": call.endpoint,
        "model": call.model,
    }
    values = [names[key] for key in keys] + [amounts[column] for column in _COUNTED]
    added = ", ".join(f"{column} = {table}.{column} + excluded.{column}" for column in _COUNTED)
    sql = f"""INSERT INTO {table} ({", ".join((*keys, *_COUNTED))})
              VALUES ({", ".join(["%s"] * len(values))})
              ON CONFLICT ({", ".join(keys)}) DO UPDATE SET {added}"""
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
