"""What people say about a delta, and how it goes back to its author and returns."""

from collections.abc import Callable

import pytest
from django.test import Client

from playbooks import services
from playbooks.actors import person
from playbooks.models import Delta, DeltaComment, DeltaStatus, Source

pytestmark = pytest.mark.django_db


def _url(delta: Delta, query: str = "") -> str:
    return f"/review/{delta.pk}/{query}"


def test_a_comment_is_shown_to_everyone_as_plain_text_also_after_the_decision(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    ann, delta = signed_in("reviewer", "ann"), propose()
    ann.post(_url(delta), {"do": "reject", "reason": "no"})
    answer = ann.post(_url(delta), {"do": "comment", "text": "<b>See</b> 12 \u202eagain"})
    assert answer.headers["Location"] == f"{_url(delta)}#discussion"
    page = signed_in("viewer").get(_url(delta)).content.decode()
    assert "&lt;b&gt;See&lt;/b&gt; 12 " in page
    assert "⟨U+202E⟩" in page
    assert "2 in the discussion" in page
    assert 'value="comment"' not in page


def test_a_viewer_says_nothing(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    answer = signed_in("viewer").post(_url(propose()), {"do": "comment", "text": "hi"})
    assert answer.status_code == 403
    assert not DeltaComment.objects.exists()


def test_an_empty_comment_is_refused_and_a_long_one_not_lost(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    client, delta = signed_in("reviewer"), propose()
    assert client.post(_url(delta), {"do": "comment", "text": " "}).status_code == 400
    answer = client.post(_url(delta), {"do": "comment", "text": "long " * 900})
    assert answer.status_code == 400
    assert "long long long" in answer.content.decode()


def test_who_was_second_keeps_their_words_and_reads_what_to_do_next(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    ann, bob = signed_in("reviewer", "ann"), signed_in("reviewer", "bob")
    other, delta = propose("Other advice."), propose()
    ann.post(_url(delta), {"do": "approve"})
    answer = bob.post(_url(delta), {"do": "reject", "reason": "names a customer"})
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "Already applied by ann." in page
    assert "What you pressed changed nothing." in page
    assert f'href="{_url(other)}">Go on to the next delta' in page
    assert ">names a customer</textarea>" in page


def test_requested_changes_can_be_undone_at_once(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    client, delta = signed_in("reviewer", "ann"), propose()
    client.post(_url(delta), {"do": "changes", "reason": "say which fare"})
    client.post("/undo/")
    assert Delta.objects.get(pk=delta.pk).status == DeltaStatus.PENDING_REVIEW


def test_an_author_revises_what_was_sent_back(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    ann = signed_in("reviewer", "ann")
    signed_in("reviewer", "bob")
    own = propose("Quote it.", author=person("ann"), source=Source.OPERATOR)
    services.request_changes(delta=own, by=person("bob"), reason="quote what?")
    page = ann.get(_url(own)).content.decode()
    assert "quote what?" in page
    assert "You wrote it: revise it" in page
    assert "Send it in place of this one" in ann.get(_url(own, "?edit=1")).content.decode()
    form = {"do": "revise", "edited": "1", "take-0": "1", "text-0": "Quote the fare."}
    answer = ann.post(_url(own), form, follow=True).content.decode()
    second = Delta.objects.latest("pk")
    assert f"Sent delta {second.pk} in place of delta {own.pk}" in answer
    assert (second.replaces, second.status) == (own.delta_id, DeltaStatus.PENDING_REVIEW)
    assert Delta.objects.get(pk=own.pk).decision_reason == f"replaced by delta {second.pk}"


def test_nobody_revises_what_another_wrote(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    form = {"do": "revise", "edited": "1", "take-0": "1", "text-0": "Mine now."}
    assert signed_in("reviewer").post(_url(propose()), form).status_code == 403
    assert Delta.objects.count() == 1


def test_a_bulk_request_for_changes_needs_words_and_reaches_each(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    client, deltas = signed_in("reviewer"), [propose("One lesson."), propose("Other advice.")]
    form = {"do": "changes", "delta": [delta.pk for delta in deltas]}
    assert "Say why." in client.post("/review/", form, follow=True).content.decode()
    page = client.post(
        "/review/", form | {"wanted": "shorter", "reason": "not this"}, follow=True
    ).content.decode()
    assert "Asked for changes to 2 deltas" in page
    assert {d.decision_reason for d in Delta.objects.all()} == {"shorter"}
