"""One row or more of every model, with the same text in what others wrote."""

from decimal import Decimal

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.contrib.auth import get_user_model
from django.utils import timezone

from ace_project.console.models import SavedView
from ace_project.core import tokens
from ace_project.core.models import IdempotencyKey, WorkerBeat
from evolution import ledger
from evolution.llm import breaker
from evolution.llm.breaker import Permit
from evolution.models import Deliberation, EvolutionRun, ExecutionTrace, LlmExchange, Pace, Pause
from playbooks import actors, selectors, services
from playbooks.models import Agent, Source, Waiver
from tests.training.trained import make_job, tried
from training.models import (
    Comparison,
    Evaluation,
    PolicyCheckpoint,
    TrainingIteration,
    TrainingTask,
)

SECRET_TEXT = "signs-somebody-in"
HOSTILE = "<script>alert(1)</script>"


def fill(number: int) -> None:
    """Make one row or more of every model."""
    by = actors.person("ann")
    agent = services.create_agent(
        agent_id=f"bot-{number}", name=HOSTILE, author=by, initial_context={"s": [HOSTILE]}
    )
    agent = selectors.agent_by_id(agent.agent_id)
    add = {"op": "add", "section": "s", "text": f"Look twice {number}."}
    outcome = services.propose_delta(
        agent=agent,
        operations=[add],
        confidence=0.9,
        source=Source.OPERATOR,
        author=by,
        reasoning="why",
        may_apply=False,
    )
    services.approve_delta(delta=outcome.delta, by=actors.person("bob"))
    ExecutionTrace.objects.create(
        agent=agent, trace_id=f"t-{number}", success=True, captured_at=timezone.now(), steps=[{}]
    )
    EvolutionRun.objects.create(agent=agent, trigger="operator", requested_by="person:ann")
    Pause.objects.create(agent=agent, reason=HOSTILE, paused_by="person:ann")
    Waiver.objects.create(
        agent=agent, delta=outcome.delta, judge="evidence", reason=HOSTILE,
        waived_by="person:ann", expires_at=timezone.now(),
    )  # fmt: skip
    services.start_verification(chain=agent.agent_id, by=by)
    services.comment_on_delta(delta=outcome.delta, text=HOSTILE, by=actors.person("ann"))
    Deliberation.objects.create(delta=outcome.delta, error=HOSTILE)
    Pace.objects.update_or_create(defaults={"level_seconds": 0.0, "filled_at": timezone.now()})
    Comparison.objects.create(
        agent=agent, before=1, after=2, first_task=0, total=1, requested_by="person:ann"
    )
    train(agent)
    call_a_model(agent)
    tokens.issue(agent.agent_id)
    IdempotencyKey.objects.create(token="t", key=f"k{number}", body_hash="", status=200)
    WorkerBeat.objects.create(name=f"worker-{number}")
    user = get_user_model().objects.create_user(f"person-{number}")
    Authenticator.objects.create(user=user, type="totp", data={"secret": SECRET_TEXT})
    SocialAccount.objects.create(
        user=user, provider="oidc", uid=f"{HOSTILE}{number}", extra_data={"token": SECRET_TEXT}
    )
    UserSession.objects.create(
        user=user, ip="127.0.0.1", session_key=f"{SECRET_TEXT}-{number}", user_agent=HOSTILE
    )
    SavedView.objects.create(user=user, name=HOSTILE, query="source=llm")


def train(agent: Agent) -> None:
    """Make a training job with one row of each kind."""
    job = make_job(agent, title=HOSTILE, tasks=0)
    TrainingTask.objects.create(job=job, split="train", number=0, query=HOSTILE)
    TrainingIteration.objects.create(job=job, number=1, seconds=1.0)
    PolicyCheckpoint.objects.create(job=job, iteration=1, sha256="0" * 64, size=0)
    Evaluation.objects.create(job=job, kind="baseline", iteration=0, tasks=1)
    tried(job, 1.0)


def call_a_model(agent: Agent) -> None:
    """Make a call that ends badly and passes a threshold of the agent's budget."""
    agent.overrides = {"ACE_MONTHLY_BUDGET_USD": 1.0}
    agent.save(update_fields=["overrides"])
    call = ledger.reserve(
        run=None,
        agent=agent,
        purpose="generate",
        endpoint="http://llm",
        model=f"model-{agent.pk}",
        usd=Decimal("0.6"),
        tokens=10,
        seconds=1.0,
    )
    LlmExchange.objects.create(
        call=call, agent=agent, messages=[{"role": "user", "content": HOSTILE}], answer=HOSTILE
    )
    ledger.settle_worst_case(call=call, error=HOSTILE)
    breaker.failed(Permit("http://llm", call.model), HOSTILE)
