"""A start from traces in which chance left bullets out (`playbooks.exploration`)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
from django.utils.dateparse import parse_datetime

from evolution.models import ExecutionTrace
from playbooks import exploration
from playbooks.models import Agent
from training.datasets import invalid
from training.engine import off_policy
from training.engine.distributions import Ints
from training.engine.off_policy import Log, NotExplored
from training.engine.policy import ContextPolicy
from training.engine.shrinkage import Outcomes
from training.planning import Plan

MOST_TRACES = 5_000
# The fit inverts a matrix of the bullets for each task type: about 7 s at this many operations,
# for which whoever starts the job waits.
_MOST_WORK = 32_000_000
_FIELD = "warm_start"
_COLUMNS = ("trace_id", "session", "bullets", "success", "task_type", "task_group", "task_id")
_Row = dict[str, Any]


def warmed(plan: Plan, agent: Agent, wanted: Any) -> Plan:
    """Return the plan with a policy that begins with what traces say of each bullet.

    `wanted` is `{"traces": true, "since"?: ISO 8601 time with its offset}`; None, or `traces`
    false, leaves the plan as it is. Only what the hash gives for a signed session is believed:
    a trace whose bullets differ from it is set aside. Raises InvalidInput naming `warm_start`.
    """
    since = _since(wanted)
    if wanted is None or not wanted["traces"]:
        return plan
    policy = plan.learner.policy
    if not isinstance(policy, ContextPolicy):
        raise invalid(_FIELD, "is for policies that choose bullets, and this runtime's does not")
    _check_size(policy.n_bullets, len(plan.task_types))
    rows = _rows(agent, plan.base_version, since)
    log, aside = _log(agent, plan, rows)
    n_types = len(plan.task_types)
    try:
        start = off_policy.warm_start(log, n_types, type_rate=plan.config.type_rate)
    except NotExplored as error:
        raise invalid(_FIELD, f"is not possible: {error}") from error
    weights = policy.weights
    weights[:, : start.n_bullets] = start.weights
    policy.parameters = weights.ravel()
    plan.learner.start = policy.parameters
    return replace(plan, warm_start=_report(log, n_types, aside))


def _since(wanted: Any) -> datetime | None:
    if wanted is None:
        return None
    if not isinstance(wanted, Mapping) or not {"traces"} <= set(wanted) <= {"traces", "since"}:
        raise invalid(_FIELD, 'must be {"traces": true, "since"?: time}')
    if not isinstance(wanted["traces"], bool):
        raise invalid(f"{_FIELD}.traces", "must be true or false")
    raw = wanted.get("since")
    if raw is None:
        return None
    try:
        since = parse_datetime(raw) if isinstance(raw, str) else None
    except ValueError:
        since = None
    if since is None or since.tzinfo is None:
        raise invalid(f"{_FIELD}.since", "must be an ISO 8601 time with its offset from UTC")
    return since


def _check_size(bullets: int, types: int) -> None:
    if (types + 1) * bullets**3 > _MOST_WORK:
        problem = f"cannot learn of {bullets} bullets in {types} task types: they are too many"
        raise invalid(_FIELD, problem)


def _rows(agent: Agent, version: int, since: datetime | None) -> list[_Row]:
    """Return the newest traces of a version that name a signed session, newest first."""
    traces = ExecutionTrace.objects.filter(
        agent=agent, playbook_version=version, session__contains=exploration.MARK
    )
    if since is not None:
        traces = traces.filter(captured_at__gte=since)
    found = traces.order_by("-captured_at", "-id").values(*_COLUMNS)
    return list(found[:MOST_TRACES])


def _log(agent: Agent, plan: Plan, rows: Sequence[_Row]) -> tuple[Log, int]:
    """Return what chance did in the traces that can be trusted, and how many others there are.

    Of a session its first trace counts alone: those after it had the same draw.
    """
    inside = [entry for entry in plan.candidates if entry["in_playbook"]]
    free = [entry for entry in plan.candidates if not entry["fixed"]]
    believed: dict[str, tuple[_Row, float, set[str]]] = {}
    for row in rows:
        found = exploration.read(agent.agent_id, plan.base_version, row["session"])
        if found is None:
            continue
        told = {e["bullet_id"] for e in inside if found.lets_in(e["section"], e["bullet_id"])}
        if _names(row["bullets"]) == told:
            believed[found.name] = (row, found.share, told)
    if not believed:
        raise invalid(
            _FIELD,
            f"is not possible: version {plan.base_version} has no trace of a session that explored",
        )
    masks = [[e["bullet_id"] in told for e in free] for _, _, told in believed.values()]
    chances = [
        [1 - share if e["in_playbook"] else 0.0 for e in free] for _, share, _ in believed.values()
    ]
    kept = [row for row, _, _ in believed.values()]
    outcomes = Outcomes(
        types=_types(kept, plan.task_types),
        groups=_groups(kept),
        bullets=np.array(masks, dtype=bool),
        rewards=np.array([row["success"] for row in kept], dtype=np.float64),
    )
    return Log(outcomes, np.array(chances, dtype=np.float64)), len(rows) - len(kept)


def _names(bullets: Any) -> set[str]:
    return {name for name in bullets if isinstance(name, str)} if bullets else set()


def _types(rows: Sequence[_Row], names: Sequence[str]) -> Ints:
    numbers = {name: number for number, name in enumerate(names)}
    return np.array([numbers.get(row["task_type"], -1) for row in rows], dtype=np.int64)


def _groups(rows: Sequence[_Row]) -> Ints:
    """Number the tasks; a trace that names none is a task of its own."""
    names = [row["task_group"] or row["task_id"] or ("trace", row["trace_id"]) for row in rows]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], dtype=np.int64)


def _report(log: Log, n_types: int, aside: int) -> dict[str, Any]:
    """Return what the job says of its start, an estimate of what it is worth among it."""
    count, success = len(log.outcomes.rewards), float(log.outcomes.rewards.mean())
    tried = int(log.explored.sum())
    found: dict[str, Any] = {
        "traces": count,
        "set_aside": aside,
        "bullets": tried,
        "logged": success,
        "effective_rows": None,
        "value": None,
        "interval": None,
    }
    words = (
        f"Starts from {count:,} traces ({aside:,} set aside) in which chance left out {tried} "
        f"bullet{'s' * (tried != 1)}; {success:.1%} of them succeeded."
    )
    try:
        chances = off_policy.crossed_chances(log, n_types)
        found["effective_rows"] = off_policy.effective_rows(log, chances)
        value = off_policy.evaluate(log, chances, n_types)
    except NotExplored as error:
        return {**found, "note": f"{words} What the start is worth is {error}."}
    low, high = value.interval
    told = (
        f"As it draws at first, {value.value:.1%} would by estimate, 95 % interval {low:.1%} to "
        f"{high:.1%} (learnt from one half of the tasks and valued on the other; the traces are "
        f"worth {value.effective_rows:,.0f} of its own)."
    )
    return {**found, "value": value.value, "interval": [low, high], "note": f"{words} {told}"}
