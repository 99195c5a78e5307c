"""Why a training job ended, in words, and what to do next."""

from dataclasses import dataclass

from ace_project.console.templatetags import figures
from training.models import JobState, TrainingJob


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job ended: `tone` is good, warn or bad; `text` says why, `advice` what may help."""

    tone: str
    icon: str
    title: str
    text: str
    advice: str = ""


def ending(job: TrainingJob) -> Ending | None:
    """Return how a job ended, None while it goes on."""
    if job.state == JobState.COMPLETED:
        return _completed(job)
    if job.state == JobState.FAILED:
        return _failed(job)
    if job.state == JobState.CANCELLED:
        why = job.reason or "no reason was given"
        return Ending("warn", "ban", "Cancelled.", f"{why[:1].upper()}{why[1:]}.", _kept(job))
    return None


def _completed(job: TrainingJob) -> Ending:
    done, stopped = figures.thousands(job.iteration), str(job.report.get("stopped", ""))
    rising = stopped or "Held-out success stopped rising."
    known = {
        "converged": Ending(
            "good",
            "circle-check",
            "Converged.",
            f"{rising} It ended after {done} iterations.",
        ),
        "target_reached": Ending(
            "good",
            "circle-check",
            "The target is reached.",
            f"The mean reward came to {_target(job)}, so it ended after {done} iterations.",
        ),
        "no_signal": Ending(
            "warn",
            "alert-triangle",
            "There was nothing to learn from.",
            "Within every group all rewards were equal, so no try was better than another and "
            "the parameters stayed as they were.",
            "Look at the trajectories: tasks that always pass, or always fail, teach nothing; "
            "and a reward that cannot tell two tries apart is no reward.",
        ),
    }
    usual = Ending("good", "circle-check", "Finished.", f"All {done} iterations are done.")
    return known.get(job.reason, usual)


def _target(job: TrainingJob) -> str:
    target = job.config.get("target_reward")
    return "its target" if target is None else f"{target:g}"


def _failed(job: TrainingJob) -> Ending:
    kept = _kept(job)
    limit = figures.brief_usd(job.config["max_budget_usd"])
    known = {
        "budget_exceeded": (
            "The budget is used up.",
            f"The next iteration might have passed the limit of {limit} or that of the month, "
            "so it was not begun. Nothing was spent past a limit.",
            f"{kept} To go further, start a job with a larger budget.",
        ),
        "diverged": (
            "It diverged.",
            "A reward, a loss or a parameter was no longer a number, or grew without bound. "
            "That step was thrown away.",
            f"{kept} A smaller learning rate or a tighter gradient norm may help; and check "
            "that the reward always is a number.",
        ),
        "runtime_error": (
            "The agent could not be run.",
            "Its runtime failed, so there was nothing to score; that is never counted as the "
            "agent’s failure at its tasks.",
            f"{kept} The newest trajectories say what went wrong.",
        ),
        "gave_up": ("The workers died.", "It was begun again several times, in vain.", kept),
    }
    title, text, advice = known.get(job.reason, ("It failed.", "It could not go on.", kept))
    return Ending("bad", "alert-circle", title, text, advice)


def _kept(job: TrainingJob) -> str:
    best = job.best_checkpoint
    return f"Checkpoint {best.iteration} is kept." if best else "No checkpoint was kept."
