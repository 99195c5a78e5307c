"""Agents with something to learn, and a steady load of their traces."""

import json
import random
import time

from bench import load


def agent(agent_id: str, *, interval: int | None = None, history: int = 0) -> str:
    """Make an agent with `history` traces, and return a token for it."""
    from ace_project.core import tokens
    from bench import world
    from evolution.services import record_batch
    from playbooks.models import Agent
    from playbooks.services import create_agent

    found = Agent.objects.filter(agent_id=agent_id).first()
    if found is None:
        found = create_agent(agent_id=agent_id, author=world._AUTHOR)
        rng = random.Random(agent_id)
        for at in range(0, history, 100):
            record_batch(
                agent=found, traces=[_trace(agent_id, rng) for _ in range(min(100, history - at))]
            )
    if interval is not None:
        names = ("ACE_MIN_TRACES_FOR_EVOLUTION", "ACE_EVOLUTION_INTERVAL")
        Agent.objects.filter(pk=found.pk).update(overrides=dict.fromkeys(names, interval))
    return tokens.issue(agent_id)[0]


_TOOLS = ("search_orders", "read_policy", "confirm", "refund", "close")


def _trace(agent_id: str, rng: random.Random) -> dict[str, object]:
    """Return a trace of five steps whose tools vary and matter: there is something to learn."""
    from bench import world

    tools = [rng.choice(_TOOLS) for _ in range(5)]
    steps = [{**world.trace()["steps"][0], "tool": tool} for tool in tools]
    task = rng.randrange(40)
    luck = 0.75 if "read_policy" in tools else 0.35
    return {
        **world.trace(),
        "agent_id": agent_id,
        "task_id": f"task-{task}",
        "metadata": {"task_type": f"type-{task % 3}"},
        "success": rng.random() < luck,
        "steps": steps,
    }


def post(port: int, requests: list[bytes], rate: float) -> list[float]:
    """Send requests over one connection at a steady rate; return their times in seconds."""
    connection = load._open(port)
    times = []
    began = time.perf_counter()
    for number, body in enumerate(requests):
        time.sleep(max(0.0, began + number / rate - time.perf_counter()))
        load._ask(connection, body)
        while not load._complete(connection.read):
            connection.read += connection.socket.recv(262_144)
        times.append(time.perf_counter() - connection.asked)
        load._check(connection.read, 201)
    connection.socket.close()
    return times


def bodies(tokens: dict[str, str], count: int, seed: int) -> list[bytes]:
    """Return `count` requests that post a trace each, of one agent after the other."""
    rng = random.Random(seed)
    names = list(tokens)
    return [
        load.request(
            "POST",
            "/api/v1/traces",
            token=tokens[name],
            body=json.dumps(_trace(name, rng)).encode(),
        )
        for name in (names[n % len(names)] for n in range(count))
    ]


def idle() -> bool:
    """Return whether no run waits or goes on."""
    from ace_project.core.work.leases import ACTIVE
    from evolution.models import EvolutionRun

    return not EvolutionRun.objects.filter(status__in=ACTIVE).exists()
