"""What the benchmark of the API fills its database with."""

import pytest

from bench import world
from playbooks.models import Agent, Delta, DeltaStatus, Playbook, PlaybookVersion

pytestmark = pytest.mark.django_db


def test_fillers_are_whole_agents_with_a_playbook_and_a_delta_each() -> None:
    world.fill(20)
    fillers = Agent.objects.filter(agent_id__startswith="filler-")
    assert fillers.count() == Playbook.objects.filter(agent__in=fillers).count() == 20
    assert PlaybookVersion.objects.filter(playbook__agent__in=fillers).count() == 20
    assert Delta.objects.filter(playbook__agent__in=fillers).count() == 20
    assert Delta.objects.filter(status=DeltaStatus.PENDING_REVIEW).exists()
