"""The one way to ask a language model: retries, fallback models, breaker and ledger in it."""

from typing import Any

import tenacity

from evolution.ledger import BudgetExceeded
from evolution.llm import dialects, documents, providers
from evolution.llm.calls import Caller, Pace, Said, try_once
from evolution.llm.failures import (
    REFUSALS,
    AnswerRefused,
    CallFailed,
    Kind,
    ModelUnavailable,
    NoModel,
)
from evolution.llm.question import Answer, Question
from evolution.models import EvolutionRun
from playbooks.models import Agent

__all__ = [
    "Answer",
    "AnswerRefused",
    "BudgetExceeded",
    "ModelUnavailable",
    "NoModel",
    "Pace",
    "Question",
    "ask",
    "is_configured",
]

TRIES = 3
BASE_SECONDS, MAX_SECONDS = 0.5, 8.0
# An endpoint that wants to be left alone for longer is passed over.
MAX_RETRY_AFTER_SECONDS = 30.0
_NAMES_A_PARAMETER = (400, 422)


def is_configured() -> bool:
    """Tell whether there is an endpoint to ask."""
    return providers.configured() is not None


def ask(
    question: Question,
    *,
    run: EvolutionRun | None = None,
    agent: Agent | None = None,
    pace: Pace | None = None,
    job: int | None = None,
    model: str = "",
) -> Answer:
    """Return the first answer of the agent's model or, in order, of the fallback models.

    With `model` that one alone is asked: another would not be the agent that is measured.
    `job` is the number of the training job that asks, whose budget it counts against as well.
    It may take the time-out of a call for each try, and waits; call it outside transactions.
    Raises BudgetExceeded, NoModel, ModelUnavailable, AnswerRefused, or PricesInvalid.
    """
    endpoint = providers.configured()
    if endpoint is None:
        raise NoModel("neither ACE_LLM_BASE_URL nor ACE_LLM_API_KEY is set")
    whose = agent or (run.agent if run else None)
    passed: list[str] = []
    kinds: set[Kind] = set()
    models = [model] if model else providers.models_for(whose.overrides if whose else {})
    for each in models:
        caller = Caller(endpoint, each, question, run, whose, pace or Pace(), job)
        try:
            return _answer(caller, _say(caller), tuple(passed))
        except CallFailed as failure:
            passed.append(f"{each}: {failure}")
            kinds.add(failure.kind)
            if failure.kind is Kind.CROWDED:
                break
    error = AnswerRefused if kinds <= REFUSALS else ModelUnavailable
    raise error(tuple(passed))


def _answer(caller: Caller, said: Said, passed: tuple[str, ...]) -> Answer:
    completion = said.completion
    return Answer(
        text=completion.text,
        value=documents.find(completion.text) if caller.question.schema else None,
        model=caller.model,
        endpoint=caller.endpoint.name,
        call=said.call,
        usage=completion.usage,
        fallback=passed,
        finish_reason=completion.finish_reason,
        tool_calls=completion.tool_calls,
    )


def _say(caller: Caller) -> Said:
    """Try up to TRIES times where that may help; raises the last CallFailed."""
    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(TRIES),
        retry=tenacity.retry_if_exception(_may_retry),
        wait=lambda state: _wait(state, caller.pace),
        sleep=caller.pace.sleep,
        reraise=True,
    )
    return retrying(_say_as_accepted, caller)


def _say_as_accepted(caller: Caller) -> Said:
    """Try once; say it another way, each once, where the endpoint refuses a parameter by name."""
    name, model, question = caller.endpoint.name, caller.model, caller.question
    dialect = dialects.dialect_of(name, caller.endpoint.host, model)
    spoken = {dialect}
    while True:
        try:
            said = try_once(caller, dialects.request(question, model, dialect))
        except CallFailed as failure:
            refused = failure.detail if failure.status in _NAMES_A_PARAMETER else ""
            other = dialects.without(dialect, refused, question)
            if failure.kind is not Kind.BAD_REQUEST or other is None or other in spoken:
                raise
            dialect = other
            spoken.add(dialect)
            continue
        dialects.learn(name, model, dialect)
        return said


def _may_retry(error: BaseException) -> bool:
    if not isinstance(error, CallFailed) or not error.treatment.retry:
        return False
    return (error.retry_after or 0.0) <= MAX_RETRY_AFTER_SECONDS


def _wait(state: tenacity.RetryCallState, pace: Pace) -> float:
    """Return the seconds to the next try: full jitter, on top of what the endpoint asks for."""
    error: Any = state.outcome.exception() if state.outcome else None
    most = min(MAX_SECONDS, BASE_SECONDS * 2 ** (state.attempt_number - 1))
    return float(error.retry_after or 0.0) + most * pace.chance()
