"""Make a new installation come alive."""

from typing import Any

from ace_project.core.commands import AceCommand
from playbooks.actors import Actor, ActorKind
from training import services

RUNS = 400
SEED = 10


class Command(AceCommand):
    help = "Make the workshop agent (simulated) with some hundred runs and waiting deltas."
    example = "demo"

    def carry_out(self, **options: Any) -> None:
        """Let the agent work and learn once; says what came of it."""
        by = Actor(ActorKind.AUTOMATIC, "demo")
        made = services.make_demonstration(author=by, runs=RUNS, seed=SEED)
        self.stdout.write(
            f"{made['agent']} (simulated): {made['succeeded']} of {made['runs']} runs succeeded, "
            f"{made['deltas']} deltas wait"
        )
