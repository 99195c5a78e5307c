"""What people say to each other about a delta; it decides nothing."""

from django.db import transaction
from django.utils import timezone

from ace_project.core.errors import InvalidInput
from playbooks import audit
from playbooks.actors import Actor
from playbooks.models import Delta, DeltaComment

MAX_COMMENT = 4000


@transaction.atomic
def comment_on_delta(*, delta: Delta, text: str, by: Actor) -> DeltaComment:
    """Add a comment to a delta, decided or not; raises InvalidInput for an empty or long one.

    The caller checks that a reviewer speaks. The audit keeps the words.
    """
    text = text.strip()
    if not text or len(text) > MAX_COMMENT or "\x00" in text:
        message = f"a text of 1 to {MAX_COMMENT:,} characters"
        raise InvalidInput("the comment is not kept", [{"pointer": "/text", "message": message}])
    now = timezone.now()
    comment = DeltaComment.objects.create(
        delta=delta, author=str(by), user_id=by.user_id, text=text, created_at=now
    )
    audit.record(
        delta.playbook.agent.agent_id,
        "delta_commented",
        by,
        now=now,
        subject=f"delta {delta.pk}",
        data={"delta_id": str(delta.delta_id), "text": text},
    )
    return comment
