"""What needs a person now, the worst first, each with the action that settles it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.text import Truncator

from ace_project.console.items import Action, Item
from ace_project.console.job_items import job_items
from ace_project.console.machinery import Machinery
from ace_project.console.money_items import BUDGET_EXCEEDED, money_items, raise_action
from ace_project.console.people import name_of
from ace_project.console.proposal import headline
from ace_project.console.templatetags.signs import judge_in_words
from evolution.figures import failed_runs, success_of_versions
from evolution.intervals import Difference, Share, newcombe
from playbooks.models import Agent, Decision, Delta, DeltaStatus, Review
from playbooks.selectors import deltas_for_lists

# A version is compared with the one before it over this long, and from this many runs on.
COMPARED_OVER = timedelta(days=7)
ENOUGH_RUNS = 20
SHOWN_CONFLICTS = 3
SHOWN_SENT_BACK = 3
SHOWN_FAILURES = 3
SHOWN_READY = 3
LONGEST_VERDICT = 110
CONFLICT = "Conflict"


def attention(
    now: datetime, state: Machinery, agents: Sequence[Agent], *, author: str, revises: bool
) -> list[Item]:
    """Return every line, red ones first; `author` is the visitor, who may revise deltas or not."""
    found = [
        *_stuck(state),
        *_losing(now, agents),
        *money_items(now),
        *_conflicts(),
        *_sent_back(author, revises),
        *_failed_runs(now),
        *job_items(now),
        *_ready(),
    ]
    return sorted(found, key=lambda item: item.tone != "red")


def _stuck(state: Machinery) -> list[Item]:
    if not state.is_stuck:
        return _silent(state)
    jobs = "1 job waits" if state.queued == 1 else f"{state.queued:,} jobs wait"
    url = reverse("console:runs")
    text = "No worker has said that it lives for 10 s. Start one: manage.py worker."
    return [
        Item(
            "red",
            "alert-circle",
            "Red",
            f"Nobody works, {jobs}",
            url,
            text,
            (Action("See the queue", url),),
        )
    ]


def _silent(state: Machinery) -> list[Item]:
    """Return a line where the last worker ended without a word: one that is stopped says so."""
    if state.workers or state.last_beat is None:
        return []
    title = "No worker runs: nothing is learned meanwhile"
    text = "Nothing waits yet. Start one: manage.py worker. The last one was heard"
    url = reverse("console:runs")
    return [Item("warn", "alert-triangle", "Worker", title, url, text, since=state.last_beat)]


def _losing(now: datetime, agents: Sequence[Agent]) -> list[Item]:
    """Return the real agents whose live version does clearly worse than the one before."""
    real = [a for a in agents if not a.simulated and a.playbook.version > 1]
    pairs = [(a.pk, a.playbook.version - back) for a in real for back in (0, 1)]
    shares = success_of_versions(pairs, now - COMPARED_OVER) if pairs else {}
    found = []
    for agent in real:
        live = agent.playbook.version
        ours, before = shares.get((agent.pk, live)), shares.get((agent.pk, live - 1))
        if ours and before and min(ours.runs, before.runs) >= ENOUGH_RUNS:
            step = newcombe(ours, before)
            if step and step.high < 0:
                found.append(_losing_item(agent, live, ours, before, step))
    return found


def _losing_item(agent: Agent, live: int, ours: Share, before: Share, step: Difference) -> Item:
    back = f"{reverse('console:rollback', args=[agent.agent_id])}?to={live - 1}"
    text = (
        f"{ours.successes} of {ours.runs} against {before.successes} of {before.runs} "
        "over 7 days, not randomised:"
    )
    return Item(
        "red",
        "alert-circle",
        "Red",
        f"v{live} of {agent} does worse than v{live - 1}",
        reverse("console:playbook", args=[agent.agent_id]),
        text,
        (Action(f"Roll back to v{live - 1}…", back, primary=True),),
        difference=step,
    )


def _conflicts() -> list[Item]:
    """Return the newest conflicts by name, and the rest as one line."""
    rows = _waiting(DeltaStatus.CONFLICT)
    items = [_conflict(row) for row in rows[:SHOWN_CONFLICTS]]
    if more := _beyond(rows, items, SHOWN_CONFLICTS):
        url = f"{reverse('console:review')}?status=conflict"
        title = f"{more:,} more {'delta conflicts' if more == 1 else 'deltas conflict'}"
        items.append(_rest("warn", "git-merge", CONFLICT, title, url, rows))
    return items


def _waiting(status: DeltaStatus) -> QuerySet[Delta]:
    return deltas_for_lists().filter(status=status).order_by("-id")


def _conflict(delta: Delta) -> Item:
    agent, url = delta.playbook.agent, reverse("console:delta", args=[delta.pk])
    broken, total = len(delta.conflicts), len(delta.operations)
    holds = f"{total - broken} of {total} operations still hold."
    title = f"Delta {delta.pk} conflicts with {agent} v{delta.playbook.version}"
    return Item(
        "warn",
        "git-merge",
        CONFLICT,
        title,
        url,
        f"{_sentence(headline(delta))} {holds}",
        (Action("See both sides", url),),
        agent.simulated,
    )


def _sent_back(author: str, revises: bool) -> list[Item]:
    """Return the visitor's own deltas that a reviewer wants changed; two queries."""
    rows = list(_waiting(DeltaStatus.CHANGES_REQUESTED).filter(author=author)[:SHOWN_SENT_BACK])
    asked = Review.objects.filter(delta__in=rows, decision=Decision.REQUEST_CHANGES)
    last = {review.delta_id: review for review in asked.order_by("pk")} if rows else {}
    return [_own(row, last.get(row.pk), revises) for row in rows]


def _own(delta: Delta, asked: Review | None, revises: bool) -> Item:
    url = reverse("console:delta", args=[delta.pk])
    wanted = Truncator(delta.decision_reason).chars(160)
    by = f"asked by {name_of(asked.reviewer)}" if asked else "asked"
    revise = Action("Revise", f"{url}?edit=1") if revises else Action("Open", url)
    return Item(
        "warn",
        "message-circle",
        "Changes requested",
        f"Changes were requested on your delta {delta.pk}",
        url,
        f"{_sentence(Truncator(headline(delta)).chars(70))} “{wanted}”, {by}",
        (revise,),
        delta.playbook.agent.simulated,
        since=asked.created_at if asked else None,
    )


def _failed_runs(now: datetime) -> list[Item]:
    items = []
    for run in failed_runs(now - COMPARED_OVER, at_most=SHOWN_FAILURES):
        url = reverse("console:run", args=[run.pk])
        title = f"Run {run.pk} of {run.agent} failed"
        text = run.error[:200] or run.reason.replace("_", " ")
        actions = [Action("Open the run", url)]
        if run.reason == BUDGET_EXCEEDED:
            title = f"Run {run.pk} of {run.agent} ended: its budget is used up"
            text = "Nothing is spent past a limit. Its traces stay pending for the next run."
            actions += raise_action(run)
        items.append(
            Item(
                "warn",
                "alert-triangle",
                "Failed",
                title,
                url,
                text,
                tuple(actions),
                run.agent.simulated,
            )
        )
    return items


def _ready() -> list[Item]:
    """Return the newest ready deltas by name, and the rest as one line."""
    rows = _waiting(DeltaStatus.PENDING_REVIEW)
    items = [_delta(row) for row in rows[:SHOWN_READY]]
    if more := _beyond(rows, items, SHOWN_READY):
        title = f"{more:,} more {'delta is' if more == 1 else 'deltas are'} ready"
        items.append(_rest("quiet", "inbox", "", title, reverse("console:review"), rows))
    return items


def _beyond(rows: QuerySet[Delta], named: Sequence[Item], most: int) -> int:
    """Return how many rows there are beside those named, of which there are at most `most`."""
    return max(0, rows.count() - most) if len(named) == most else 0


def _rest(tone: str, icon: str, mark: str, title: str, url: str, rows: QuerySet[Delta]) -> Item:
    """Return one line for all that are not named, with the age of the oldest."""
    oldest = rows.order_by("id").values_list("created_at", flat=True)[0]
    text = "The oldest of all was proposed"
    return Item(tone, icon, mark, title, url, text, (Action("Review", url),), since=oldest)


def _delta(delta: Delta) -> Item:
    agent, url = delta.playbook.agent, reverse("console:delta", args=[delta.pk])
    actions = [Action("Open", url)]
    held, judged = _judged(delta)
    # What a judge holds back is read before it is approved.
    if not held:
        actions.append(Action("Approve", url, verb="approve"))
    return Item(
        "quiet",
        "inbox",
        "",
        headline(delta),
        url,
        f"{agent}, confidence {delta.confidence:.2f}. {judged}",
        tuple(actions),
        agent.simulated,
    )


def _judged(delta: Delta) -> tuple[bool, str]:
    """Return whether a judge holds a delta back, and the worst that one said."""
    for outcome, words in (("block", "Held by"), ("warn", "Warned by")):
        for verdict in delta.verdicts:
            if verdict.get("outcome") == outcome:
                judge = judge_in_words(str(verdict["judge"]))
                said = Truncator(_sentence(str(verdict["reason"]))).chars(LONGEST_VERDICT)
                return outcome == "block", f"{words} {judge}: {said}"
    return False, "Passed every judge." if delta.verdicts else "No judge saw it."


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", ".”", "…")) else f"{text}."
