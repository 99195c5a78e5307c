"""Runs of evolution, and the calls of language models that they made, with every cent explained."""

import random
import uuid
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from bench.seeding import words
from bench.seeding.copying import Tables, numbers
from bench.seeding.history import Book
from bench.seeding.plans import RunPlan
from bench.seeding.shape import Shape
from evolution.budgets import GLOBAL, add, open_rows, period_of, scopes_of
from evolution.models import (
    Budget,
    BudgetEvent,
    CallState,
    CircuitBreaker,
    DailyTally,
    EvolutionRun,
    Generator,
    LedgerEntry,
    LedgerKind,
    LlmCall,
    LlmExchange,
    Tally,
    Trigger,
)
from playbooks.models import Source

_MODELS = {"gpt-4o-mini": Decimal("0.15"), "gpt-4o": Decimal("2.5"), "local-llama": None}
_CALLS_OF_RUN = 3
_KEPT_TEXTS = 0.1


class Money:
    """Writes runs with their calls, and in the end what these add up to."""

    def __init__(self, shape: Shape, tables: Tables) -> None:
        self._shape, self._tables = shape, tables
        self._rng = shape.rng("money")
        # Of its own, so that a database may be seeded more than once.
        self._endpoint = f"https://models-{shape.first}.example/v1"
        self._spent: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        self._days: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)

    def run(self, key: int, plan: RunPlan, book: Book) -> None:
        """Write one run, and the calls of one that asked a model."""
        rng, is_llm = self._rng, plan.source == Source.LLM
        status = "failed" if rng.random() < 0.04 else "completed"
        selected = rng.randrange(10, 4000)
        self._tables.add(
            EvolutionRun,
            id=key,
            agent_id=book.agent.pk,
            trigger=rng.choice(
                (Trigger.AUTOMATIC, Trigger.AUTOMATIC, Trigger.API, Trigger.OPERATOR)
            ),
            generator=Generator.LLM if is_llm else Generator.STATISTICAL,
            requested_by=words.person(rng),
            status=status,
            attempts=1,
            stages=_stages(plan, selected),
            report=_report(rng) if status == "completed" else {},
            error="" if status == "completed" else words.error(rng),
            reason="" if status == "completed" else "internal_error",
            traces_selected=selected,
            deltas_generated=plan.generated,
            deltas_applied=plan.applied,
            cpu_seconds=round(rng.uniform(0.05, 1.0), 3),
            watermark=0,
            created_at=plan.at,
            started_at=plan.at,
            finished_at=plan.at + timedelta(seconds=3),
        )
        if is_llm:
            for _ in range(_CALLS_OF_RUN):
                self._call(key, plan.at, book)

    def close(self) -> None:
        """Write budgets, tallies and what else adds up."""
        for (scope, period), usd in self._spent.items():
            if scope == GLOBAL:
                open_rows([(scope, period)])
                add((scope, period), spent=usd, reserved=Decimal(0))
            else:
                self._tables.add(Budget, scope=scope, period=period, spent_usd=usd)
        for (day, number, model), amounts in self._days.items():
            self._tables.add(
                DailyTally,
                day=day,
                agent_number=number,
                endpoint=self._endpoint,
                model=model,
                **_summed(amounts),
            )
        for model in _MODELS:
            of_model = [a for key, found in self._days.items() if key[2] == model for a in found]
            self._tables.add(Tally, endpoint=self._endpoint, model=model, **_summed(of_model))
            self._tables.add(
                CircuitBreaker,
                endpoint=self._endpoint,
                model=model,
                failures=self._rng.randrange(3),
            )
        self._events()

    def _events(self) -> None:
        period = period_of(self._shape.now)
        spent = self._spent[GLOBAL, period]
        events = [
            BudgetEvent(
                scope=GLOBAL, period=period, threshold=at, spent_usd=spent, limit_usd=Decimal(100)
            )
            for at in (50, 75)
        ]
        BudgetEvent.objects.bulk_create(events, ignore_conflicts=True)

    def _call(self, run: int, at: datetime, book: Book) -> None:
        rng = self._rng
        model = rng.choice(list(_MODELS))
        price = _MODELS[model]
        prompt, completion = rng.randrange(500, 8000), rng.randrange(50, 900)
        unpriced = price is None
        usd = ((price or Decimal("0.15")) * (prompt + completion) / 1_000_000).quantize(
            Decimal("0.00000001")
        )
        call = uuid.UUID(int=rng.getrandbits(128), version=4)
        keys = [(s, p) for s, p in scopes_of(book.agent, None, period_of(at))]
        keys.append((f"run:{run}", ""))
        scopes = [list(key) for key in keys]
        self._tables.add(
            LlmCall,
            id=call,
            run_id=run,
            agent_id=book.agent.pk,
            agent_number=book.agent.pk,
            scopes=scopes,
            purpose="generate",
            endpoint=self._endpoint,
            model=model,
            state=CallState.SETTLED,
            outcome="answered",
            reserved_usd=usd * 2,
            charged_usd=usd,
            cost_usd=None if unpriced else usd,
            reserved_tokens=prompt + 4096,
            prompt_tokens=prompt,
            cached_tokens=0,
            completion_tokens=completion,
            status_code=200,
            seconds=round(rng.uniform(0.4, 9), 2),
            created_at=at,
            expires_at=at + timedelta(minutes=2),
            ended_at=at + timedelta(seconds=4),
        )
        self._journal(call, scopes, usd, at)
        if rng.random() < _KEPT_TEXTS:
            self._texts(call, book)
        for key in keys:
            self._spent[key] += usd
        counted: dict[str, int | Decimal] = {"answered": 1, "unpriced": int(unpriced)}
        counted["prompt_tokens"] = prompt
        counted |= {"completion_tokens": completion, "charged_usd": usd}
        counted["cost_usd"] = Decimal(0) if unpriced else usd
        self._days[at.astimezone(UTC).date(), book.agent.pk, model].append(counted)

    def _journal(self, call: uuid.UUID, scopes: list[Any], usd: Decimal, at: datetime) -> None:
        for kind, amount in ((LedgerKind.RESERVE, usd * 2), (LedgerKind.SETTLE, usd)):
            self._tables.add(
                LedgerEntry,
                call_id=call,
                kind=kind,
                scopes=scopes,
                amount_usd=amount,
                created_at=at,
            )

    def _texts(self, call: uuid.UUID, book: Book) -> None:
        rng = self._rng
        told = "\n".join(words.lesson(rng, place) for place in range(40))
        messages = [{"role": "system", "content": told}, {"role": "user", "content": told}]
        answer = "\n".join(words.task(rng) for _ in range(10))
        self._tables.add(
            LlmExchange, call_id=call, agent_id=book.agent.pk, messages=messages, answer=answer
        )


def run_keys(runs: list[RunPlan]) -> list[int]:
    """Return the keys that the runs will have."""
    free = numbers(EvolutionRun)
    return [next(free) for _ in runs]


def _summed(amounts: list[dict[str, Any]]) -> dict[str, Any]:
    names = (
        *("answered", "unpriced", "prompt_tokens", "completion_tokens"),
        *("cost_usd", "charged_usd"),
    )
    return {name: sum(found[name] for found in amounts) for name in names}


def _stages(plan: RunPlan, selected: int) -> list[dict[str, Any]]:
    asking = "ask the model" if plan.source == Source.LLM else "generate deltas"
    counts: dict[str, dict[str, int]] = {
        "select traces": {"traces": selected},
        "reflect": {"candidates": 40},
        asking: {"drafts": plan.generated},
        "judge and apply": {"proposed": plan.generated, "applied": plan.applied},
    }
    at = plan.at.isoformat()
    return [
        {"name": name, "started_at": at, "seconds": 0.4, **found} for name, found in counts.items()
    ]


def _report(rng: random.Random) -> dict[str, Any]:
    return {"notes": [words.task(rng)], "candidates": [_candidate(rng) for _ in range(10)]}


def _candidate(rng: random.Random) -> dict[str, Any]:
    low = round(rng.uniform(-0.2, 0.1), 3)
    return {
        "text": words.task(rng),
        "lift": low + 0.1,
        "interval": [low, round(low + 0.2, 3)],
        "q_value": round(rng.random(), 3),
        "counts": {"followed": [rng.randrange(50), 60], "not_followed": [rng.randrange(50), 60]},
    }
