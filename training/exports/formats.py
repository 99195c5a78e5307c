"""The formats, each as what it makes of a job's trajectories.

TRL's are described in https://huggingface.co/docs/trl/dataset_formats, OpenAI's and the messages
of all in `chat`, verl's in https://verl.readthedocs.io/en/latest/preparation/prepare_data.html.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, islice
from typing import Any

from django.db.models import Avg, Count

from ace_project.core.errors import InvalidInput
from training.exports import chat
from training.exports.trajectories import CHUNK, Reader, Tried, Wanted
from training.models import Split, TrainingJob

Row = dict[str, Any]
# What a format makes of the next so many trajectories (verl: tasks): (how many, their rows).
Unit = tuple[int, list[Row]]

# So many trajectories are looked at for tools, where a runtime declares none.
_LOOKED_AT = 1000


class Export:
    """One job on its way into one format."""

    def __init__(self, job: TrainingJob, wanted: Wanted) -> None:
        self.job, self.wanted, self.reader = job, wanted, Reader(job)

    def raw(self) -> Iterator[Unit]:
        """Yield every trajectory with what it earned and what the policy had chosen."""
        for tried in self.reader.tried(self.wanted):
            yield 1, [_raw(tried)]

    def prompt_completion(self) -> Iterator[Unit]:
        """Yield `{prompt, completion, tools}`: TRL's prompt-completion, in messages."""
        for tried, messages in self._scored():
            row = {"prompt": self._prompt(tried), "completion": messages}
            yield 1, [self._with_tools(row, messages)] if messages else []

    def conversational(self) -> Iterator[Unit]:
        """Yield `{messages, tools}`: TRL's language modeling, conversational."""
        for tried, messages in self._scored():
            row = {"messages": [*self._prompt(tried), *messages]}
            yield 1, [self._with_tools(row, messages)] if messages else []

    def openai(self) -> Iterator[Unit]:
        """Yield `{messages, tools, parallel_tool_calls}`: OpenAI's supervised fine-tuning."""
        for tried, messages in self._scored():
            row: Row = {"messages": chat.as_openai([*self._prompt(tried), *messages])}
            row = self._with_tools(row, messages)
            if "tools" in row:
                row["parallel_tool_calls"] = False
            yield 1, [row] if messages else []

    def preference(self) -> Iterator[Unit]:
        """Yield `{prompt, chosen, rejected, tools}`: TRL's preference, explicit prompt.

        Pairs are of one task in one iteration: the best try with the worst, the second best with
        the second worst, and so on while the reward of the chosen one is the higher. No try is in
        two pairs, and no pair does the same. The prompt is the task alone, because the two tries
        were told different lessons.
        """
        for _, tries in groupby(self.reader.tried(self.wanted), key=lambda tried: tried.group):
            group = list(tries)
            yield len(group), list(self._pairs(group))

    def verl(self) -> Iterator[Unit]:
        """Yield one row for each training task that was tried, as verl's RL data has them."""
        context = self.reader.base_context()
        tries = self._tries_by_task()
        rows = self.job.tasks.filter(split=Split.TRAIN).order_by("number")
        numbers = iter(sorted(tries)[self.wanted.offset :])
        while chunk := list(islice(numbers, CHUNK)):
            for task in rows.filter(number__in=chunk):
                count, reward = tries[task.number]
                yield (
                    1,
                    [
                        {
                            "data_source": f"ace/{self.job.agent.agent_id}",
                            "prompt": chat.prompt(context, task.query),
                            "ability": task.task_type or "agent",
                            "reward_model": {
                                "style": "rule",
                                "ground_truth": chat.text_of(task.expected_outcome),
                            },
                            "extra_info": {
                                "split": "train",
                                "index": task.number,
                                "job_id": self.job.pk,
                                "tries": count,
                                "mean_reward": reward,
                            },
                        }
                    ],
                )

    def _scored(self) -> Iterator[tuple[Tried, list[chat.Message]]]:
        """Yield tries with what they did; nothing for those that were not scored."""
        for tried in self.reader.tried(self.wanted):
            scored = tried.row.reward is not None
            yield tried, chat.completion(tried) if scored else []

    def _prompt(self, tried: Tried) -> list[chat.Message]:
        return chat.prompt(self.reader.told(tried), tried.query)

    def _with_tools(self, row: Row, *dialogues: list[chat.Message]) -> Row:
        messages = [message for dialogue in dialogues for message in dialogue]
        tools = chat.tools_of(self._tools, messages)
        return row | {"tools": tools} if tools else row

    @cached_property
    def _tools(self) -> dict[str, chat.Tool]:
        """The tools that the runtime declares, or those that the first trajectories call."""
        found = chat.declared(self.job)
        if found:
            return found
        first = islice(self.reader.tried(Wanted()), _LOOKED_AT)
        messages = [message for tried in first for message in chat.completion(tried)]
        return {tool["function"]["name"]: tool for tool in chat.tools_of({}, messages)}

    def _pairs(self, group: list[Tried]) -> Iterator[Row]:
        scored = [(t.row.reward, t) for t in group if t.row.reward is not None]
        ranked = sorted(scored, key=lambda pair: (-pair[0], pair[1].row.pk))
        for (high, best), (low, worst) in zip(
            ranked[: len(ranked) // 2], reversed(ranked), strict=False
        ):
            chosen, rejected = chat.completion(best), chat.completion(worst)
            if high > low and chosen and rejected and chosen != rejected:
                prompt = chat.prompt("", best.query)
                row = {"prompt": prompt, "chosen": chosen, "rejected": rejected}
                yield self._with_tools(row, chosen, rejected)

    def _tries_by_task(self) -> dict[int, tuple[int, float | None]]:
        """Return how often each task was tried and what it earned on average: one query."""
        rows = self.wanted.rows(self.job).order_by().values("task")
        rows = rows.annotate(tries=Count("id"), mean=Avg("reward"))
        return {row["task"]: (row["tries"], row["mean"]) for row in rows.iterator()}


def _raw(tried: Tried) -> Row:
    row = tried.row
    return {
        "job_id": row.job_id,
        "trajectory_id": row.pk,
        "iteration": row.iteration,
        "task": row.task,
        "trial": row.trial,
        "task_type": tried.task_type or None,
        "query": tried.query,
        "expected_outcome": tried.expected_outcome,
        "outcome": row.outcome,
        "error": row.error or None,
        "success": row.success,
        "reward": row.reward,
        "advantage": row.advantage,
        "log_prob": row.log_prob,
        "bullets": tried.bullets,
        "heads": tried.heads,
        "steps": tried.steps,
        "answer": tried.answer,
        "step_count": row.step_count,
        "tokens": row.tokens,
        "cost_usd": None if row.cost_usd is None else float(row.cost_usd),
        "seconds": row.seconds,
    }


@dataclass(frozen=True, slots=True)
class Format:
    """A format: `needs_text` where only an agent that is told something in words has rows."""

    name: str
    rows: Callable[[Export], Iterator[Unit]]
    is_parquet: bool = False
    needs_text: bool = True

    @property
    def extension(self) -> str:
        """What files of it end with."""
        return "parquet" if self.is_parquet else "jsonl"

    @property
    def media_type(self) -> str:
        """What it is over HTTP."""
        return "application/vnd.apache.parquet" if self.is_parquet else "application/x-ndjson"

    def file_name(self, job: TrainingJob) -> str:
        """What a file of the job's trajectories is called."""
        return f"training-{job.pk}-{self.name}.{self.extension}"

    def units(self, job: TrainingJob, wanted: Wanted) -> Iterator[Unit]:
        """Return the rows of a job; raises InvalidInput where it can have none."""
        if self.needs_text and job.policy != "context":
            message = (
                f"{self.name} needs an agent that is told a context in words; this job trained "
                "a policy over an environment's actions, which only raw can hold"
            )
            raise InvalidInput(message, [{"pointer": "/format", "message": message}])
        return self.rows(Export(job, wanted))


FORMATS = {
    found.name: found
    for found in (
        Format("raw", Export.raw, needs_text=False),
        Format("trl-prompt-completion", Export.prompt_completion),
        Format("trl-conversational", Export.conversational),
        Format("trl-preference", Export.preference),
        Format("openai", Export.openai),
        Format("verl", Export.verl, is_parquet=True),
    )
}


def format_named(name: str) -> Format:
    """Return the format; raises InvalidInput that lists those there are."""
    found = FORMATS.get(name)
    if found is None:
        message = f"must be one of {', '.join(FORMATS)}"
        raise InvalidInput(f"format {message}", [{"pointer": "/format", "message": message}])
    return found
