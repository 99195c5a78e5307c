"""The small tables: people, tokens, waivers, pauses, comparisons."""

from datetime import timedelta

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

from ace_project.core import tokens
from bench.seeding import words
from bench.seeding.copying import Tables
from bench.seeding.history import Book
from bench.seeding.shape import BUSIEST, Shape
from evolution.models import Pause
from playbooks.models import Waiver
from training.models import Comparison

_TOKENS_OF_BUSIEST = 20


def seed_others(shape: Shape, tables: Tables, books: list[Book]) -> None:
    """Add what is few, whatever the size."""
    _people()
    rng, now = shape.rng("others"), shape.now
    busiest = books[BUSIEST].agent
    for _ in range(_TOKENS_OF_BUSIEST):
        tokens.issue(busiest.agent_id)
    for book in books[: max(2, len(books) // 50)]:
        tokens.issue(book.agent.agent_id)
        tables.add(
            Waiver,
            agent_id=book.agent.pk,
            judge="evidence",
            reason=words.task(rng),
            waived_by=words.person(rng),
            expires_at=now + timedelta(days=7),
        )
        tables.add(
            Comparison,
            agent_id=book.agent.pk,
            status="completed",
            attempts=1,
            before=1,
            after=2,
            first_task=0,
            total=20,
            results=[],
            requested_by=words.person(rng),
        )
    for book in books[2 : 2 + max(1, len(books) // 100)]:
        tables.add(Pause, agent_id=book.agent.pk, paused_by=words.person(rng))


def _people() -> None:
    """Add reviewers who cannot sign in: they have no password."""
    people = get_user_model()
    group = Group.objects.get(name="reviewer")
    for name in words.PEOPLE:
        user, made = people._default_manager.get_or_create(username=name)
        if made:
            user.set_unusable_password()
            user.save(update_fields=["password"])
            user.groups.add(group)
