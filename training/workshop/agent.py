"""The scripted agent: sloppy by nature, obedient to lessons in the controlled language."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from evolution.lessons import Lesson
from training.workshop.obedience import Obedience, obey, read_lessons
from training.workshop.plans import Moods, make_plan
from training.workshop.rules import CLOSERS, PARAMETER, TOOLS, TYPE_OF_ACTION
from training.workshop.tasks import Task
from training.workshop.tools import Arguments, ToolError
from training.workshop.world import World

MAX_STEPS = 30
MAX_MENDS = 2
MAX_DUTY_FAILURES = 2
_CHECK_OF = {name: check for check, name in PARAMETER.items()}

StepRecord = dict[str, Any]  # {tool, arguments, result | error, seconds}


@dataclass(frozen=True, slots=True)
class Episode:
    """One run of one case: what was called, what the tools said, what the database held."""

    world_seed: int
    task_id: str
    task_type: str
    query: str
    seed: int
    success: bool
    reward: float
    shortfall: str | None  # what the final state lacks; None on success
    steps: list[StepRecord]
    seconds: float = field(compare=False)  # measured


class SloppyAgent:
    """Works on one world's cases; without lessons it succeeds in about 40 % of them."""

    def __init__(self, world: World, *, deaf: bool = False) -> None:
        """Make an agent for this world; a deaf one is given lessons and ignores them."""
        self._world = world
        self._deaf = deaf

    def run(
        self,
        task: Task,
        lessons: Sequence[str | Lesson] = (),
        seed: int = 0,
        *,
        max_steps: int = MAX_STEPS,
    ) -> Episode:
        """Run one case on the world's database, which is as before afterwards.

        It gives up after `max_steps` calls. The same task and seed meet the same temptations
        under any lessons.
        """
        duties = Obedience() if self._deaf else obey(read_lessons(lessons), task.task_type)
        office = self._world.office
        started = perf_counter()
        with office.case(task):
            steps = _Attempt(self._world, task, duties, seed, min(max_steps, MAX_STEPS)).work()
            shortfall = office.shortfall(task)
        return Episode(
            world_seed=self._world.seed,
            task_id=task.task_id,
            task_type=task.task_type,
            query=task.query,
            seed=seed,
            success=shortfall is None,
            reward=float(shortfall is None),
            shortfall=shortfall,
            steps=steps,
            seconds=perf_counter() - started,
        )


class _Attempt:
    """The state of one run: what was called, what is known, which duties are open."""

    def __init__(
        self, world: World, task: Task, duties: Obedience, seed: int, max_steps: int
    ) -> None:
        self._max_steps = max_steps
        self._rules, self._habits, self._call = world.rules, world.habits, world.office.call
        self._task, self._duties = task, duties
        self._moods = Moods(world.seed, task.task_id, seed)
        self._plan = make_plan(task, world.rules, world.habits, self._moods)
        self._memory: dict[str, Any] = {**task.stated, "revision": 0, "rate": 0}
        self._steps: list[StepRecord] = []
        self._done: dict[str, int] = {}  # tool -> place of its latest success
        self._tried: dict[tuple[object, ...], int] = {}  # call -> place of its latest try
        self._failures: dict[str, int] = {}
        self._open: dict[str, set[str]] = {}  # tool that gave an error -> tools to call first
        self._busy: set[str] = set()

    def work(self) -> list[StepRecord]:
        """Follow the plan, then meet the duties that hold at the finish."""
        while self._plan:
            self._attempt(self._plan.pop(0))
        for tool in [tool for tool, owed in self._open.items() if owed]:
            self._attempt(tool)
        for tool in self._duties.finish:
            if tool not in self._done:
                self._attempt(tool)
        return self._steps

    def _attempt(self, tool: str) -> bool:
        """Call a tool as the lessons allow; tell whether it succeeded."""
        if tool in self._duties.never or tool in self._busy:
            return False
        self._busy.add(tool)
        try:
            return self._may_start(tool) and self._try(tool)
        finally:
            self._busy.discard(tool)

    def _may_start(self, tool: str) -> bool:
        before = self._duties.before.get(tool, ())
        if not all(first in self._done or self._fulfil(first) for first in before):
            return False
        return self._settle(tool)

    def _settle(self, tool: str) -> bool:
        """Call what is owed since the tool's last error."""
        return all(self._fulfil(first) for first in sorted(self._open.get(tool, ())))

    def _fulfil(self, tool: str) -> bool:
        """Call a tool because a lesson asks for it; the plan need not come back to it."""
        if self._failures.get(tool, 0) >= MAX_DUTY_FAILURES or not self._attempt(tool):
            return False
        if tool in self._plan:
            self._plan.remove(tool)
        return True

    def _try(self, tool: str) -> bool:
        tries = mends = 0
        while len(self._steps) < self._max_steps:
            arguments = self._arguments(tool)
            if tool in self._duties.repeat and self._is_repeat(tool, arguments):
                return tool in self._done
            error = self._step(tool, arguments)
            if error is None:
                return True
            owed = self._duties.after(tool, error)
            if owed:
                self._open[tool] = owed
                mends += 1
                if not self._settle(tool) or mends > MAX_MENDS:
                    return False
            elif not self._react(tool, error, tries):
                return False
            tries += 1
        return False

    def _is_repeat(self, tool: str, arguments: Arguments) -> bool:
        """A retry after an error that another successful call followed is not a repeat."""
        place = self._tried.get((tool, *arguments.values()))
        if place is None:
            return False
        failed = "error" in self._steps[place]
        return not (failed and any("error" not in step for step in self._steps[place + 1 :]))

    def _react(self, tool: str, error: str, tries: int) -> bool:
        """Do what the agent does by nature about an error; tell whether it tries again."""
        if tool not in TOOLS:  # only a lesson can have asked for it
            return False
        habits, mood = self._habits, self._moods[f"react {tool}"]
        if mood < habits.repairs:
            mend = self._mend(tool, error)
            return mend is not None and tries < MAX_MENDS and self._attempt(mend)
        if mood < habits.repairs + habits.retries:
            return tries < 2
        if mood < habits.repairs + habits.retries + habits.wanders:
            self._attempt(self._rules.idle)
            return tries < 1
        return False

    def _mend(self, tool: str, error: str) -> str | None:
        if tool == self._rules.contested:
            return self._rules.refresh
        return _CHECK_OF.get(error.split(" ", 1)[0])

    def _step(self, tool: str, arguments: Arguments) -> str | None:
        """Really call the tool; return the error text, None when it succeeded."""
        place = len(self._steps)
        step: StepRecord = {"tool": tool, "arguments": arguments}
        self._tried[(tool, *arguments.values())] = place
        started = perf_counter()
        try:
            result = self._call(tool, arguments)
        except ToolError as error:
            step["error"] = str(error)
            self._failures[tool] = self._failures.get(tool, 0) + 1
        else:
            step["result"] = result
            self._memory.update(result)
            self._done[tool] = place
            for owed in self._open.values():
                owed.discard(tool)
        step["seconds"] = perf_counter() - started
        self._steps.append(step)
        return step.get("error")

    def _arguments(self, tool: str) -> Arguments:
        rules, memory = self._rules, self._memory
        if tool in CLOSERS:
            arguments: Arguments = {"ticket": self._task.ticket_id}
            if tool == rules.contested:
                arguments["revision"] = memory["revision"]
            return arguments
        if tool == "calculate":
            total = memory.get("total", memory["amount"])
            return {"expression": f"{total} * (100 - {memory['rate']}) / 100"}
        arguments = {"order": self._task.order_id}
        if tool in TYPE_OF_ACTION:
            for check in rules.required[TYPE_OF_ACTION[tool]]:
                arguments[PARAMETER[check]] = memory[PARAMETER[check]]
        elif tool == rules.basis_of[1]:
            arguments["basis"] = memory[PARAMETER[rules.basis_of[0]]]
        return arguments
