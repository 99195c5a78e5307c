"""What learning with a language model costs: 100 agents of the workshop through the real pipeline.

    python -m bench evolution [--agents 100] [--traces 100] [--traces-a-day 100] [--seed N]

Agents, traces and reviewer are simulated; the model is an endpoint on loopback that proposes as
many deltas as it may, passes each as the council, and counts the tokens of the real prompts on the
safe side. Costs are at the list price of the default model. What is projected is arithmetic,
printed line by line.
"""

import argparse
import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import fmean
from typing import Any

from bench.scratch import scratch_database

BUDGET_BAR = Decimal(100)
DEFAULT_BUDGET = 100.0
DAYS = 30
# A simulated reviewer approves this many deltas of the first agents: a history to calibrate on.
REVIEWED = 30
_TRACE = re.compile(r"<data-\w+ trace (T\d+)>\n[^\n]*outcome: (success|failure)\n")
_LESSONS = (
    "Check the state of an order before changing it, and say so when it cannot be changed.",
    "Read the whole answer of a search before you choose one of its results by number.",
    "Where two tools give different totals, look at the invoice and name the one that it shows.",
    "Ask for the missing field by its name when a call is refused for want of it.",
    "Write down which items are done after each step of a task that has more than three.",
)
_VERDICT = "One instruction that can be checked, within the rules, and at odds with no lesson."
_REASONING = "These tasks turn on the order's state. Where it was not looked up they failed."


def main(arguments: list[str]) -> int:
    """Print cost, projection and shares; return 1 if a bar was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench evolution")
    parser.add_argument("--agents", type=int, default=100)
    parser.add_argument("--traces", type=int, default=100)
    parser.add_argument("--traces-a-day", type=int, default=100)
    parser.add_argument("--seed", type=int, default=7000)
    options = parser.parse_args(arguments)
    with scratch_database("ace_project.settings.test"):
        return _measure(options)


@dataclass(frozen=True)
class _Spent:
    """Calls of one purpose, their tokens, and their cost in US dollars."""

    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost: Decimal

    def mean(self, number: int) -> tuple[float, float, Decimal]:
        """Return tokens in, tokens out and cost, of `number` runs or calls on average."""
        return self.prompt_tokens / number, self.completion_tokens / number, self.cost / number


@dataclass(frozen=True)
class _Totals:
    """What the ledger and the runs say of all runs together."""

    runs: int
    completed: int
    calls: int
    proposing: "_Spent"
    judging: "_Spent"
    unpriced: int
    held: Decimal
    seconds: float


def _measure(options: argparse.Namespace) -> int:
    from django.conf import settings

    from tests.endpoint import Endpoint

    assert settings.ACE_MONTHLY_BUDGET_USD == DEFAULT_BUDGET, "the default budget is what is shown"
    print(
        f"simulated: {options.agents} agents of the workshop with {options.traces} traces each, "
        f"a scripted endpoint for {settings.ACE_LLM_MODEL}, a simulated reviewer who approves what "
        f"waits of the first {REVIEWED} deltas"
    )
    with Endpoint(_answer) as endpoint:
        settings.ACE_LLM_BASE_URL = endpoint.base_url
        settings.ACE_LLM_API_KEY = "on-loopback"
        # The caps are there for an endpoint of others; this one is our own.
        settings.ACE_LLM_CALLS_PER_MINUTE = settings.ACE_LLM_TOKENS_PER_MINUTE = 10**9
        began = time.monotonic()
        runs = [_evolve(options.seed + n, options.traces) for n in range(options.agents)]
        totals = _totals(runs, time.monotonic() - began)
        served = len(endpoint.log)
    missed = _print_spent(totals, served)
    missed |= _print_projection(totals, options)
    _print_shares()
    return missed


def _answer(exchange: Any) -> Any:
    """Return the council's passes, or valid deltas that cite five traces of the prompt each."""
    from playbooks.tokens import estimate_tokens
    from tests.endpoint import answer

    prompt = "\n".join(message["content"] for message in exchange.body["messages"])
    judges = "a council of four judges" in prompt
    text = json.dumps({"verdicts": _verdicts()} if judges else {"deltas": _deltas(prompt)})
    return answer(text, prompt=estimate_tokens(prompt), completed=estimate_tokens(text))


def _verdicts() -> list[dict[str, str]]:
    from playbooks.judges.council import MANDATES

    return [{"judge": name, "outcome": "pass", "reason": _VERDICT} for name in MANDATES]


def _deltas(prompt: str) -> list[dict[str, Any]]:
    citations = [
        {"trace": alias, "shows": {"tool": None, "error": None, "outcome": outcome}}
        for alias, outcome in _TRACE.findall(prompt)[:5]
    ]
    return [
        {
            "operations": [{"op": "add", "section": "strategies", "text": lesson}],
            "confidence": 0.9,
            "reasoning": _REASONING,
            "citations": citations,
        }
        for lesson in _LESSONS
    ]


def _evolve(seed: int, traces: int) -> Any:
    """Let one agent work, learn from it through the pipeline, and be reviewed; return the run."""
    from evolution import services as evolution
    from evolution.models import Generator, Trigger
    from playbooks.actors import AUTOMATIC
    from playbooks.models import Mode
    from training import services

    agent = services.make_workshop_agent(
        agent_id=f"bench-{seed}", seed=seed, mode=Mode.AUTO, author=AUTOMATIC
    )
    services.run_workshop(agent=agent, runs=traces)
    started = evolution.start_run(
        agent=agent,
        trigger=Trigger.COMMAND,
        requested_by="bench",
        force=True,
        generator=Generator.LLM,
    )
    assert started.run is not None
    run = evolution.run_in_foreground(run=started.run, progress=lambda _: None)
    _review()
    return run


def _review() -> None:
    """Approve what waits, until there is a history."""
    from playbooks.actors import person
    from playbooks.models import Delta, DeltaStatus, Source
    from playbooks.services import approve_delta

    ours = Delta.objects.filter(source=Source.LLM)
    if ours.exclude(decided_by="").count() >= REVIEWED:
        return
    for delta in ours.filter(status=DeltaStatus.PENDING_REVIEW):
        approve_delta(delta=delta, by=person("simulated-reviewer"))


def _totals(runs: Sequence[Any], seconds: float) -> _Totals:
    from django.db.models import Sum

    from evolution.models import Budget, LlmCall

    council = LlmCall.objects.filter(purpose="council")
    held = Budget.objects.filter(scope="global").aggregate(held=Sum("reserved_usd"))["held"]
    return _Totals(
        runs=len(runs),
        completed=sum(run.status == "completed" for run in runs),
        calls=LlmCall.objects.count(),
        proposing=_spent(LlmCall.objects.exclude(purpose="council")),
        judging=_spent(council),
        unpriced=LlmCall.objects.filter(cost_usd__isnull=True).count(),
        held=held or Decimal(0),
        seconds=seconds,
    )


def _spent(calls: Any) -> _Spent:
    from django.db.models import Count, Sum

    sums = calls.aggregate(
        calls=Count("pk"),
        prompt=Sum("prompt_tokens"),
        completion=Sum("completion_tokens"),
        cost=Sum("cost_usd"),
    )
    return _Spent(
        calls=sums["calls"],
        prompt_tokens=sums["prompt"] or 0,
        completion_tokens=sums["completion"] or 0,
        cost=sums["cost"] or Decimal(0),
    )


def _print_spent(totals: _Totals, served: int) -> int:
    """Print what was spent; return 1 where a run failed or the books do not add up."""
    print(
        f"{totals.completed} of {totals.runs} runs completed in {totals.seconds:.0f} s; "
        f"{totals.calls} calls in the ledger, {served} served"
    )
    for name, spent in (("to propose", totals.proposing), ("as the council", totals.judging)):
        print(
            f"asked {name}: {spent.calls} calls, prompt tokens {spent.prompt_tokens:,}, completion "
            f"tokens {spent.completion_tokens:,}, cost ${spent.cost:.4f}"
        )
    print(f"still reserved ${totals.held:.4f}, unpriced {totals.unpriced}")
    whole = totals.completed == totals.runs > 0 and totals.calls == served >= totals.runs
    return int(not whole or totals.held != 0 or totals.unpriced > 0)


def _print_projection(totals: _Totals, options: argparse.Namespace) -> int:
    """Print the month of 100 agents, step by step; return 1 where it is $100 or more."""
    from django.conf import settings

    from evolution import hearing, prompting

    if not totals.runs or not totals.judging.calls:
        return 1
    interval, most = settings.ACE_EVOLUTION_INTERVAL, settings.ACE_MAX_DELTAS_PER_EVOLUTION
    proposing = totals.proposing.mean(totals.runs)
    judging = totals.judging.mean(totals.judging.calls)
    # Free text that the rules hold back is not asked about; here all of it is.
    each = proposing[2] + most * judging[2]
    million_in, million_out = _prices()
    more = prompting.PLAYBOOK_TOKENS + most * hearing.PLAYBOOK_TOKENS
    full = each + more * million_in / 1_000_000
    runs = Decimal(options.traces_a_day * DAYS) / interval
    month = 100 * runs * full
    print("projected for 100 agents and a month:")
    print(
        f"  {settings.ACE_LLM_MODEL}: ${million_in:.2f} a million tokens in, ${million_out:.2f} out"
    )
    print(f"  to propose, a run: {_told(proposing)}")
    print(f"  as the council, a delta: {_told(judging)}")
    print(f"  a run with {most} deltas, each asked about once: ${each:.6f}")
    print(f"  a playbook that fills its part of each prompt: {more:,} tokens more = ${full:.6f}")
    print(
        f"  runs an agent: {options.traces_a_day} traces a day x {DAYS} days / {interval} traces "
        f"a run = {runs:.0f}"
    )
    print(f"  100 agents x {runs:.0f} runs x ${full:.6f} = ${month:.2f} (bar ${BUDGET_BAR})")
    print(f"  if every answer had to be repaired once: about ${2 * month:.2f} and a little")
    reached = BUDGET_BAR / (100 * full) * interval / DAYS
    print(f"  $100 are reached at {reached:,.0f} traces a day and agent; the budget stops there")
    return int(month >= BUDGET_BAR)


def _told(mean: tuple[float, float, Decimal]) -> str:
    prompt, completion, cost = mean
    return f"{prompt:,.0f} tokens in, {completion:,.0f} out (means) = ${cost:.6f}"


def _prices() -> tuple[Decimal, Decimal]:
    """Return the list prices of a million tokens in and out, in US dollars."""
    from datetime import UTC, datetime

    from django.conf import settings

    from evolution.ledger import Usage
    from evolution.llm.prices import quote

    now, model = datetime.now(UTC), settings.ACE_LLM_MODEL
    address = settings.ACE_LLM_BASE_URL
    into = quote(address, model, Usage(1_000_000, 0, 0), now).cost
    out = quote(address, model, Usage(0, 0, 1_000_000), now).cost
    assert into is not None and out is not None, "the default model has a price"
    return into, out


def _print_shares() -> None:
    from datetime import UTC, datetime, timedelta

    from evolution import quality
    from playbooks.models import Delta, Source

    since = datetime.now(UTC) - timedelta(days=1)
    share = quality.applied_at_high_confidence(since, simulated=True)
    print(
        f"deltas at a confidence of {quality.HIGH_CONFIDENCE} or above: {share.runs}, applied "
        f"{share.successes}" + ("" if share.value is None else f" ({share.value:.0%})")
    )
    rows = Delta.objects.filter(source=Source.LLM).order_by("pk").values_list("confidence")
    found = [confidence for (confidence,) in rows]
    if len(found) > 1:
        print(
            f"stated 0.90 each; calibrated {found[0]:.2f} at the first, {found[-1]:.2f} at the "
            f"last, {fmean(found):.2f} on average"
        )
