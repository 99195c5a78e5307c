"""What a job is to be, checked before anything is stored: settings, runtime, tasks, lessons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from playbooks.models import Agent
from playbooks.selectors import head
from training import money
from training.candidates import candidates_of
from training.datasets import Item, Tasks, invalid, read_items, split
from training.engine.config import Config, InvalidConfig
from training.learner import Learner, action_learner, context_learner
from training.money import Estimate
from training.runtimes.base import ActionRuntime, ContextRuntime, InvalidRuntime
from training.runtimes.registry import check_runtime, kind_of, make_runtime, own_tasks
from training.scoring import check_reward, reward_of

# Under this key of an agent's metadata a runtime may be stored.
STORED_RUNTIME = "training_runtime"
# Where a runtime has tasks of its own: as many as are never seen twice, up to so many.
_MOST_OWN_TASKS = 2000
# A policy has a row of parameters for each type, and every iteration stores them all.
_MOST_TYPES = 200
_OWN = {"validation": 100, "test": 200}


@dataclass(frozen=True, slots=True)
class Plan:
    """A job before it is stored."""

    config: Config
    runtime: dict[str, Any]
    reward: dict[str, Any]
    simulated: bool
    tasks: Tasks
    base_version: int
    candidates: list[dict[str, Any]]
    task_types: list[str]
    estimate: Estimate
    learner: Learner
    # What is said of a start from traces (training.warming).
    warm_start: dict[str, Any] = field(default_factory=dict)


def planned(
    *,
    agent: Agent,
    config: Mapping[str, Any],
    runtime: Mapping[str, Any] | None,
    training_data: Sequence[Mapping[str, Any]] | None,
    evaluation_data: Sequence[Mapping[str, Any]] | None,
    reward: Mapping[str, Any] | None,
    candidates: Sequence[Any] | None,
) -> Plan:
    """Return what the job would be; raises InvalidInput that names the field."""
    spec = _runtime(agent, runtime)
    settings = _config(spec, config)
    tasks = _tasks(spec, settings, training_data, evaluation_data)
    worker = _made(spec, agent)
    types = _types(tasks)
    base = head(agent.playbook)
    found = [] if settings.policy == "action" else candidates_of(agent, base, candidates)
    if settings.policy == "context":
        learner = _context_learner(settings, spec, found, types)
        usd = _worst_case(worker, settings)
    else:
        learner, usd = _action_learner(settings, worker), Decimal(0)
    worth = check_reward(reward, settings.policy)
    _check_judged(spec, worth, tasks)
    return Plan(
        config=settings,
        runtime=spec,
        reward=worth,
        simulated=kind_of(spec).simulated,
        tasks=tasks,
        base_version=base.number,
        candidates=found,
        task_types=types,
        estimate=money.estimate(settings, tasks, usd),
        learner=learner,
    )


def _runtime(agent: Agent, runtime: Mapping[str, Any] | None) -> dict[str, Any]:
    spec = agent.metadata.get(STORED_RUNTIME) if runtime is None else runtime
    if spec is None:
        raise invalid("runtime", "is missing: name one, or store one on the agent")
    try:
        return check_runtime(spec, agent=agent)
    except InvalidRuntime as error:
        raise invalid(error.field, error.problem) from error


def _config(spec: Mapping[str, Any], config: Mapping[str, Any]) -> Config:
    if not isinstance(config, Mapping):
        raise invalid("config", "must be an object")
    kind = kind_of(spec)
    try:
        settings = Config.parse({**kind.defaults(spec), **config})
    except InvalidConfig as error:
        raise invalid(f"config.{error.field}", error.problem) from error
    if settings.policy not in (None, kind.policy):
        raise invalid("config.policy", f"must be {kind.policy} for this runtime")
    if settings.max_budget_usd > money.MOST_USD:
        raise invalid("config.max_budget_usd", f"must be at most {money.MOST_USD:,}")
    return replace(settings, policy=kind.policy)


def _tasks(
    spec: Mapping[str, Any],
    settings: Config,
    training_data: Sequence[Mapping[str, Any]] | None,
    evaluation_data: Sequence[Mapping[str, Any]] | None,
) -> Tasks:
    if training_data is None:
        return _own_tasks(spec, settings)
    training = read_items("training_data", training_data)
    given = evaluation_data is not None
    evaluation = read_items("evaluation_data", evaluation_data or ()) if given else None
    if settings.policy == "action":
        check_seeds("training_data", training)
        check_seeds("evaluation_data", evaluation or ())
    return split(training, evaluation, seed=settings.seed)


def _own_tasks(spec: Mapping[str, Any], settings: Config) -> Tasks:
    wanted = min(settings.n_iterations * settings.batch_size, _MOST_OWN_TASKS)
    parts = []
    for name, count in {"train": wanted, **_OWN}.items():
        tasks = own_tasks(spec, name, count)
        if tasks is None:
            raise invalid("training_data", "is missing: this runtime has no tasks of its own")
        parts.append(tuple(Item(t.query, t.expected_outcome, t.task_type) for t in tasks))
    train, validation, test = parts
    note = (
        f"The runtime's own tasks: {len(train)} train, {len(validation)} validate (checkpoints "
        f"are chosen on them), {len(test)} are the sealed test, read once at the end."
    )
    return Tasks(train, validation, test, note)


def _check_judged(spec: Mapping[str, Any], worth: Mapping[str, Any], tasks: Tasks) -> None:
    """Raise InvalidInput where attempts would be paid for that nothing could score."""
    if kind_of(spec).judges or not reward_of(worth).has("outcome"):
        return
    items = (*tasks.train, *tasks.validation, *tasks.test)
    if any(item.expected_outcome is None for item in items):
        problem = "needs an expected_outcome in every task: this runtime cannot say what succeeded"
        raise invalid("training_data", problem)


def _types(tasks: Tasks) -> list[str]:
    types = sorted({item.task_type for item in tasks.train if item.task_type})
    if len(types) > _MOST_TYPES:
        problem = f"has {len(types):,} different task types; at most {_MOST_TYPES} can be learned"
        raise invalid("training_data", problem)
    return types


def check_seeds(name: str, items: Sequence[Item]) -> None:
    """Raise InvalidInput for a task whose query is no seed of an environment."""
    for place, item in enumerate(items):
        seed = item.query
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**31:
            raise invalid(f"{name}.{place}.query", "must be a seed, a whole number below 2^31")


def _made(spec: Mapping[str, Any], agent: Agent) -> ContextRuntime | ActionRuntime:
    try:
        return make_runtime(spec, agent=agent)
    except InvalidRuntime as error:
        raise invalid(error.field, error.problem) from error


def _context_learner(
    settings: Config, spec: Mapping[str, Any], found: list[dict[str, Any]], types: list[str]
) -> Learner:
    free = sum(not entry["fixed"] for entry in found)
    heads = {name: len(options) for name, options in (spec.get("heads") or {}).items()}
    if not free and not heads:
        problem = "are needed: the playbook has no bullet that may be left out"
        raise invalid("candidates", problem)
    return context_learner(settings, bullets=free, types=len(types), heads=heads)


def _action_learner(settings: Config, worker: Any) -> Learner:
    return action_learner(
        settings,
        n_inputs=worker.n_inputs,
        n_actions=worker.n_actions,
        n_states=worker.n_states,
    )


def _worst_case(worker: Any, settings: Config) -> Decimal:
    usd: Decimal = worker.worst_case_usd(settings.max_steps_per_trajectory)
    return usd
