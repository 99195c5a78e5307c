"""What a job's trajectories can be taken out as, and why a format is not to be had."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.urls import reverse

from training.exports import FORMATS, Format, can_write_parquet
from training.models import TrainingJob

# What each format is called, and what a row of it is.
NAMES = {
    "raw": ("Raw", "every try with its reward, propensity, steps and answer"),
    "trl-prompt-completion": ("TRL, prompt and completion", "what was asked, and what was done"),
    "trl-conversational": ("TRL, conversations", "each try as one list of messages"),
    "trl-preference": ("TRL, preference pairs", "a better and a worse try of one task"),
    "openai": ("OpenAI, fine-tuning", "messages and tools, as supervised fine-tuning takes them"),
    "verl": ("verl", "the tasks that were tried, with the playbook as it was"),
}
# An agent that is trained to imitate its tries should imitate those that went well.
_IMITATED = ("trl-prompt-completion", "trl-conversational", "openai")


@dataclass(frozen=True, slots=True)
class Offer:
    """A format: its addresses, or `lack` where it is not to be had."""

    title: str
    meaning: str
    extension: str
    url: str
    url_of_successes: str
    lack: str


def offers(job: TrainingJob) -> list[Offer]:
    """Return what the job's trajectories can be taken out as; nothing before the first one."""
    return list(_offers(job)) if job.trajectories else []


def _offers(job: TrainingJob) -> Iterator[Offer]:
    address = reverse("console:training_export", args=[job.pk])
    for form in FORMATS.values():
        if form.needs_text and job.policy != "context":
            continue
        title, meaning = NAMES[form.name]
        url = f"{address}?format={form.name}"
        successes = f"{url}&success_only=1" if form.name in _IMITATED else ""
        yield Offer(title, meaning, form.extension, url, successes, _lack(form))


def _lack(form: Format) -> str:
    if form.is_parquet and not can_write_parquet():
        return "needs pyarrow where this server runs"
    return ""
