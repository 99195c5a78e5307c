"""The built-in sandbox: let a simulated agent work, or close the whole loop."""

import json
import secrets
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError

from ace_project.core.commands import AceCommand
from playbooks.actors import Actor, ActorKind
from playbooks.models import Agent, Mode
from playbooks.selectors import agent_by_id
from training import services

AUTHOR = Actor(ActorKind.AUTOMATIC, "workshop")


class Command(AceCommand):
    help = (
        "Run the workshop: real tool calls on a small simulated shop, with real errors.\n"
        "With --rounds: work, evolve, apply, and measure on tasks never seen. All simulated."
    )
    example = "workshop --rounds 10 --runs 200"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--agent", metavar="ID")
        parser.add_argument("--runs", type=int, default=200, help="runs, per round (200)")
        parser.add_argument("--seed", type=int, help="the world; drawn where it is not given")
        parser.add_argument("--rounds", type=int, default=0)
        parser.add_argument("--control", choices=services.CONTROLS, default="none")
        parser.add_argument("--json", action="store_true")

    def carry_out(self, **options: Any) -> None:
        """Make the agent if needed, then run or loop."""
        if options["runs"] < 1 or options["rounds"] < 0:
            raise CommandError("--runs is at least 1, --rounds at least 0", returncode=2)
        if options["control"] != "none" and not options["rounds"]:
            raise CommandError("--control goes with --rounds", returncode=2)
        agent = _agent(options["agent"], options["seed"], closed_loop=options["rounds"] > 0)
        if options["rounds"]:
            self._loop(agent, options)
        else:
            self._run(agent, options)

    def _loop(self, agent: Agent, options: dict[str, Any]) -> None:
        report = services.run_rounds(
            agent=agent,
            rounds=options["rounds"],
            runs=options["runs"],
            control=options["control"],
            progress=lambda line: self.stderr.write(f"  {line}"),
        )
        if options["json"]:
            self.stdout.write(json.dumps(asdict(report), indent=2))
            return
        self.stdout.write(f"{agent} (simulated), world {report.seed}, control {report.control}")
        for text in report.applied:
            self.stdout.write(f"  applied: {text}")
        first, last = report.success[0], report.success[-1]
        self.stdout.write(
            f"success on {report.unseen_tasks} unseen tasks: {first:.1%} -> {last:.1%} "
            f"in {report.seconds:.1f} s"
        )

    def _run(self, agent: Agent, options: dict[str, Any]) -> None:
        succeeded = services.run_workshop(agent=agent, runs=options["runs"])
        result = {
            "agent_id": agent.agent_id,
            "runs": options["runs"],
            "succeeded": succeeded,
            "playbook_version": agent.playbook.version,
            "simulated": True,
        }
        if options["json"]:
            self.stdout.write(json.dumps(result, indent=2))
        else:
            self.stdout.write(
                f"{agent} v{agent.playbook.version} (simulated): "
                f"{succeeded} of {options['runs']} runs succeeded"
            )


def _agent(agent_id: str | None, seed: int | None, *, closed_loop: bool) -> Agent:
    """Return the agent asked for, or a fresh one (in `auto` where the loop is to be closed)."""
    if agent_id and Agent.objects.filter(agent_id=agent_id).exists():
        return agent_by_id(agent_id)
    world = secrets.randbelow(1_000_000) if seed is None else seed
    mode = Mode.AUTO if closed_loop else Mode.STRICT
    name = agent_id or f"workshop-{world}-{secrets.token_hex(3)}"
    return services.make_workshop_agent(agent_id=name, seed=world, mode=mode, author=AUTHOR)
