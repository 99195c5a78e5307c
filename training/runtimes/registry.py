"""The runtimes there are, by name: what a spec must say, and what runs it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from playbooks.models import Agent
from training.engine.config import context_defaults
from training.runtimes import gymnasium, http, openai, workshop
from training.runtimes.base import ActionRuntime, ContextRuntime, InvalidRuntime, Task

Spec = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of runtime.

    `check` returns the canonical spec or raises `InvalidRuntime`; the others get a spec that was
    checked. `keys` are what a spec may say besides its name. `tasks` are the runtime's own, of a
    split and as many as asked for; None where a job brings them. `defaults` are settings that a
    job starts from where its config says nothing. `judges`: whether it can say what succeeded.
    """

    policy: Literal["context", "action"]
    simulated: bool
    keys: frozenset[str]
    check: Callable[[Spec, Agent | None], dict[str, Any]]
    make: Callable[[Spec, Agent | None], ContextRuntime | ActionRuntime]
    tasks: Callable[[Spec, str, int], list[Task]] | None = None
    defaults: Callable[[Spec], dict[str, Any]] = lambda _: {}
    judges: bool = True


_KINDS: dict[str, Kind] = {
    "workshop": Kind(
        policy="context",
        simulated=True,
        keys=frozenset({"seed"}),
        check=workshop.check,
        make=workshop.make,
        tasks=workshop.tasks,
        defaults=lambda _: context_defaults(),
    ),
    "gymnasium": Kind(
        policy="action",
        simulated=True,
        keys=frozenset({"env"}),
        check=gymnasium.check,
        make=gymnasium.make,
        tasks=gymnasium.tasks,
        defaults=gymnasium.defaults,
    ),
    "http": Kind(
        policy="context",
        simulated=False,
        keys=frozenset({"url", "timeout", "max_cost_usd", "secret_version", "heads"}),
        check=http.check,
        make=http.make,
        defaults=lambda _: context_defaults(),
    ),
    "openai": Kind(
        policy="context",
        simulated=False,
        keys=frozenset(
            {
                *("model", "system", "tools", "tool_timeout", "max_tokens", "max_total_tokens"),
                *("temperature", "secret_version", "heads"),
            }
        ),
        check=openai.check,
        make=openai.make,
        judges=False,
        defaults=lambda _: context_defaults(),
    ),
}


def kind_of(spec: Spec) -> Kind:
    """Return the kind of runtime that `spec` names."""
    name = spec.get("name") if isinstance(spec, Mapping) else None
    if not isinstance(name, str) or name not in _KINDS:
        raise InvalidRuntime("runtime.name", f"must be one of {', '.join(_KINDS)}")
    return _KINDS[name]


def check_runtime(spec: Spec, *, agent: Agent | None = None) -> dict[str, Any]:
    """Return `spec` with all that it leaves open filled in; it holds no secret.

    `agent` is whose job it is. Raise `InvalidRuntime` for what cannot be.
    """
    kind = kind_of(spec)
    unknown = sorted(str(key) for key in set(spec) - kind.keys - {"name"})
    if unknown:
        raise InvalidRuntime(f"runtime.{unknown[0]}", "is not a setting of this runtime")
    return kind.check(spec, agent)


def make_runtime(spec: Spec, *, agent: Agent | None = None) -> ContextRuntime | ActionRuntime:
    """Return what runs the tasks of `agent`'s job under a spec that was checked."""
    return kind_of(spec).make(spec, agent)


def own_tasks(spec: Spec, split: str, count: int) -> list[Task] | None:
    """Return tasks of the runtime's own for `split`, None where a job has to bring them.

    `split` is `train`, `validation` or `test`; no task is in two of them.
    """
    tasks = kind_of(spec).tasks
    return None if tasks is None else tasks(spec, split, count)


@contextmanager
def registered(name: str, kind: Kind) -> Iterator[None]:
    """Have a further kind of runtime for a while: tests bring agents of their own."""
    _KINDS[name] = kind
    try:
        yield
    finally:
        del _KINDS[name]
