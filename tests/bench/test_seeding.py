"""The made-up installation: whole, consistent, marked, and never beside what people made."""

import pytest
from django.core.management import call_command

from bench.seeding import __main__ as command
from bench.seeding import seeding
from bench.seeding.shape import Shape
from evolution.models import Budget, EvolutionRun, ExecutionTrace, LlmCall
from playbooks import services
from playbooks.actors import AUTOMATIC
from playbooks.content import bullets
from playbooks.models import OPEN, Agent, Bullet, Delta, DeltaStatus, PlaybookVersion
from playbooks.selectors import head

pytestmark = pytest.mark.django_db

SHAPE = Shape(agents=6, deltas=200, traces=300)


@pytest.fixture
def seeded() -> list[Agent]:
    seeding.seed(SHAPE, lambda text: None)
    return list(Agent.objects.select_related("playbook").order_by("pk"))


def test_both_hash_chains_of_every_agent_hold(seeded: list[Agent]) -> None:
    # It exits with an error at the first broken link.
    call_command("verify_history")


def test_there_are_as_many_rows_as_were_asked_for(seeded: list[Agent]) -> None:
    assert len(seeded) == 6
    assert Delta.objects.count() == 200
    assert ExecutionTrace.objects.count() == 300
    assert set(Delta.objects.values_list("status", flat=True)) == set(DeltaStatus)


def test_everybody_is_marked_as_simulated(seeded: list[Agent]) -> None:
    assert all(agent.simulated and "made up" in agent.name for agent in seeded)


def test_one_agent_works_most_and_another_has_the_longest_queue(seeded: list[Agent]) -> None:
    busiest, queued = seeded[0], seeded[1]
    assert ExecutionTrace.objects.filter(agent=busiest).count() == 300 // 5
    assert len(bullets(head(busiest.playbook).content)) == SHAPE.busiest_bullets
    waiting = Delta.objects.filter(playbook=queued.playbook, status__in=OPEN)
    assert waiting.count() == Delta.objects.filter(playbook=queued.playbook).count() == 200 // 5


def test_every_bullet_of_a_playbook_has_its_record(seeded: list[Agent]) -> None:
    for agent in seeded:
        live = {bullet.bullet_id for bullet in bullets(head(agent.playbook).content)}
        known = Bullet.objects.filter(playbook=agent.playbook, bullet_id__in=live)
        assert known.count() == len(live)


def test_an_applied_delta_can_be_taken_back(seeded: list[Agent]) -> None:
    newest = PlaybookVersion.objects.filter(playbook=seeded[0].playbook).latest("number")
    assert newest.delta
    services.undo_decision(delta=newest.delta, by=AUTOMATIC, reason="a test")
    newest.delta.refresh_from_db()
    assert newest.delta.status == DeltaStatus.UNDONE


def test_the_budget_of_all_is_the_sum_of_what_calls_were_charged(seeded: list[Agent]) -> None:
    charged = sum(call.charged_usd or 0 for call in LlmCall.objects.all())
    spent = sum(row.spent_usd for row in Budget.objects.filter(scope="global"))
    assert charged == spent > 0


def test_runs_count_the_deltas_that_they_made(seeded: list[Agent]) -> None:
    for run in EvolutionRun.objects.all()[:20]:
        assert Delta.objects.filter(run_id=run.pk).count() == run.deltas_generated


def test_a_second_installation_stands_beside_the_first(seeded: list[Agent]) -> None:
    first = seeding.agents_so_far()
    seeding.seed(Shape(agents=4, deltas=40, traces=50, first=first), lambda text: None)
    assert Agent.objects.count() == 10
    services.create_agent(agent_id="made-later", author=AUTOMATIC)


def test_a_database_with_agents_of_people_is_left_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    services.create_agent(agent_id="airline", author=AUTOMATIC)
    assert command.main(["--database", "postgres://nowhere/x", "--agents", "4"]) == 1
    assert "left alone" in capsys.readouterr().err
    assert Agent.objects.count() == 1


def test_fewer_agents_than_the_special_ones_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--database", "postgres://nowhere/x", "--agents", "3"])
    assert "at least 4" in capsys.readouterr().err
