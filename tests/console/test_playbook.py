"""The pages of what agents know: lists, blame, change by hand, files in and out."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evolution.models import ExecutionTrace
from playbooks import services
from playbooks.actors import person
from playbooks.models import Agent, Bullet, Delta, DeltaStatus, PlaybookVersion, Source

LIST = "/playbooks/"
PAGE = "/playbooks/airline/"
PROPOSE = "/playbooks/airline/propose/"
TRANSFER = "/playbooks/airline/transfer/"
BOB = person("bob")


def live(agent: Agent) -> PlaybookVersion:
    return PlaybookVersion.objects.filter(playbook__agent=agent).order_by("-number").first()


def bullet(text: str) -> Bullet:
    return Bullet.objects.get(text=text)


# ---- who ----
@pytest.mark.parametrize("url", [LIST, PAGE, PROPOSE, TRANSFER, "/playbooks/airline/export/"])
def test_a_stranger_is_sent_to_sign_in(client: Client, agent: Agent, url: str) -> None:
    answer = client.get(url)
    assert (answer.status_code, answer.headers["Location"][:9]) == (302, "/sign-in/")


def test_a_viewer_reads_but_may_not_propose_or_import(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    viewer = signed_in("viewer")
    for url in (LIST, PAGE, TRANSFER, "/playbooks/airline/export/"):
        assert viewer.get(url).status_code == 200
    assert viewer.get(PROPOSE).status_code == 403
    assert viewer.post(TRANSFER).status_code == 403
    assert "Propose" not in viewer.get(PAGE).content.decode()


@pytest.mark.parametrize("url", [LIST, PAGE, PROPOSE, TRANSFER, "/playbooks/airline/export/"])
def test_other_methods_are_refused(
    signed_in: Callable[..., Client], agent: Agent, url: str
) -> None:
    assert signed_in("operator").delete(url).status_code == 405


@pytest.mark.parametrize(
    "url",
    [
        "/playbooks/nobody/",
        "/playbooks/nobody/export/",
        "/playbooks/nobody/propose/",
        "/playbooks/airline/?version=99",
        "/playbooks/airline/?version=99999999999999999",
    ],
)
def test_what_is_not_there_is_a_404(
    signed_in: Callable[..., Client], agent: Agent, url: str
) -> None:
    assert signed_in("operator").get(url).status_code == 404


# ---- the list ----
def test_the_list_says_the_version_the_last_change_and_the_success(
    signed_in: Callable[..., Client], agent: Agent, propose: Callable[..., Delta]
) -> None:
    services.approve_delta(delta=propose("Quote the fare."), by=BOB)
    for number in range(4):
        ExecutionTrace.objects.create(
            agent=agent,
            trace_id=f"t{number}",
            success=number > 0,
            playbook_version=2,
            captured_at=timezone.now(),
        )
    page = signed_in("viewer").get(LIST).content.decode()
    assert "v2" in page
    assert "Quote the fare." in page
    assert "75.0" in page
    assert "n 4" in page


def test_the_list_asks_the_same_queries_for_one_and_for_many(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    viewer = signed_in("viewer")
    viewer.get(LIST)
    with CaptureQueriesContext(connection) as one:
        viewer.get(LIST)
    for number in range(5):
        services.create_agent(agent_id=f"bot-{number}", author=BOB)
    with CaptureQueriesContext(connection) as many:
        viewer.get(LIST)
    assert len(one) == len(many) <= 12


def test_the_list_is_filtered_by_the_address(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    services.create_agent(agent_id="other", author=BOB)
    page = signed_in("viewer").get(LIST, {"q": "air\x00"}).content.decode()
    assert "airline" in page
    assert "other" not in page


def test_an_agent_id_with_dots_has_a_page(signed_in: Callable[..., Client], db: None) -> None:
    services.create_agent(agent_id="a.b_c-1.0", author=BOB)
    assert signed_in("viewer").get("/playbooks/a.b_c-1.0/").status_code == 200


# ---- one playbook ----
def test_a_bullet_says_who_brought_it_in_and_what_waits_on_it(
    signed_in: Callable[..., Client], agent: Agent, propose: Callable[..., Delta]
) -> None:
    evidence = {"lift": 0.31, "interval": [0.2, 0.4]}
    services.approve_delta(delta=propose("Quote the fare.", evidence=evidence), by=BOB)
    name = bullet("Quote the fare.").bullet_id
    waiting = propose(operations=[{"op": "remove", "bullet_id": name}])
    page = signed_in("viewer").get(PAGE).content.decode()
    assert "new in v2" in page
    assert f"delta {waiting.pk}" in page
    assert "+31.0" in page
    assert "predicted; not measured yet" in page
    assert "bob" in page


def test_a_reworded_bullet_leads_to_how_its_text_came_about(
    signed_in: Callable[..., Client], agent: Agent, propose: Callable[..., Delta]
) -> None:
    name = bullet("Open with a summary.").bullet_id
    change = {"op": "update", "bullet_id": name, "text": "Close with a summary."}
    delta = services.approve_delta(delta=propose(operations=[change]), by=BOB)
    viewer = signed_in("viewer")
    now = bullet("Close with a summary.").bullet_id
    assert f'href="/playbooks/airline/bullets/{now}/"' in viewer.get(PAGE).content.decode()
    page = viewer.get(f"/playbooks/airline/bullets/{now}/").content.decode()
    assert "<del>Open</del> <ins>Close</ins> with a summary." in page
    assert f"delta {delta.pk}" in page
    before = viewer.get(f"/playbooks/airline/bullets/{name}/").content.decode()
    assert "not in the live version" in before
    assert "It was reworded:" in before


def test_the_page_of_a_bullet_names_the_traces_that_used_it_and_the_deltas_about_it(
    signed_in: Callable[..., Client], agent: Agent, propose: Callable[..., Delta]
) -> None:
    name = bullet("Open with a summary.").bullet_id
    waiting = propose(operations=[{"op": "remove", "bullet_id": name}])
    propose("Quote the fare.")
    fields = {"agent": agent, "captured_at": timezone.now(), "success": True}
    ExecutionTrace.objects.create(trace_id="with-it", bullets=[name], **fields)
    ExecutionTrace.objects.create(trace_id="without-it", bullets=[], **fields)
    answer = signed_in("viewer").get(f"/playbooks/airline/bullets/{name}/")
    assert [delta.pk for delta, _ in answer.context["deltas"]] == [waiting.pk]
    assert [trace["trace_id"] for trace in answer.context["traces"]] == ["with-it"]


@pytest.mark.parametrize(
    ("used", "words"), [(31, "31 of 50 uses, too few to say"), (60, "helped 40, harmed 5 times")]
)
def test_measured_uses_are_told_and_too_few_are_a_sentence(
    signed_in: Callable[..., Client], agent: Agent, used: int, words: str
) -> None:
    Bullet.objects.update(used=used, helped=40, harmed=5)
    assert words in signed_in("viewer").get(PAGE).content.decode()


def test_uses_are_counted_from_the_newest_traces_where_no_counter_is_kept(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    name = bullet("Open with a summary.").bullet_id
    fields = {"agent": agent, "bullets": [name], "captured_at": timezone.now()}
    ExecutionTrace.objects.bulk_create(
        ExecutionTrace(trace_id=f"t-{n}", success=n % 2 == 0, **fields) for n in range(60)
    )
    page = signed_in("viewer").get(PAGE).content.decode()
    assert "with it 38 to 62\u202f% succeed" in page
    assert ">60<" in page


def test_a_bullets_measured_effect_is_shown_with_its_interval_and_plain_counts(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    name = bullet("Open with a summary.").bullet_id
    other = "strategies-0000000000000000"
    Bullet.objects.filter(bullet_id=name).update(used=80, helped=60, harmed=20)
    ExecutionTrace.objects.bulk_create(
        ExecutionTrace(
            agent=agent,
            trace_id=f"t-{n}",
            task_id=f"task-{n}",
            success=n % 4 != 0 if n < 80 else n % 4 == 0,
            bullets=[name] if n < 80 else [other],
            captured_at=timezone.now(),
        )
        for n in range(160)
    )
    page = signed_in("viewer").get(PAGE).content.decode()
    assert "+50.0" in page
    assert "measured, like tasks compared" in page
    assert "helped 60, harmed 20 times" in page


def test_an_old_version_shows_its_own_content(
    signed_in: Callable[..., Client], agent: Agent, propose: Callable[..., Delta]
) -> None:
    services.approve_delta(delta=propose("Quote the fare."), by=BOB)
    page = signed_in("viewer").get(PAGE, {"version": "1"}).content.decode()
    assert "This is v1 as it was." in page
    assert '<td class="is-wide">Quote the fare.' not in page


def test_hostile_content_is_escaped_and_hidden_characters_are_shown(
    signed_in: Callable[..., Client], db: None
) -> None:
    evil = "<img src=x onerror=alert(1)>"
    content = {"<b>s</b>": [f"{evil}\u202e"], "values": {"k": "</pre><script>"}}
    services.create_agent(agent_id="airline", name=evil, author=BOB, initial_context=content)
    page = signed_in("operator").get(PAGE).content.decode()
    assert evil not in page
    assert "<b>s</b>" not in page
    assert "</pre><script>" not in page
    assert "U+202E" in page


@pytest.fixture
def long_playbook(db: None) -> Agent:
    """Return an agent with 630 bullets in two sections, and a value."""
    content = {
        "strategies": [f"Lesson {n}." for n in range(600)],
        "goals": [f"Goal {n}." for n in range(30)],
        "limits": {"seconds": 3},
    }
    return services.create_agent(agent_id="airline", author=BOB, initial_context=content)


def test_a_long_playbook_shows_how_its_sections_begin_and_leads_to_the_rest(
    signed_in: Callable[..., Client], long_playbook: Agent
) -> None:
    viewer = signed_in("viewer")
    with CaptureQueriesContext(connection) as queries:
        page = viewer.get(PAGE).content.decode()
    assert len(queries) <= 17
    assert "590 more in strategies" in page
    assert "Lesson 10." not in page
    section = viewer.get(PAGE, {"section": "strategies", "start": "500"}).content.decode()
    assert "bullets 501 to 600 of 600" in section
    assert "Lesson 599." in section
    assert "Goal 1." not in section
    assert "Earlier bullets" in section
    assert "Later bullets" not in section


def test_a_bullet_is_found_in_a_long_playbook_by_its_words_or_its_id(
    signed_in: Callable[..., Client], long_playbook: Agent
) -> None:
    viewer = signed_in("viewer")
    for words in ("lesson 577", bullet("Lesson 577.").bullet_id):
        page = viewer.get(PAGE, {"find": words}).content.decode()
        assert "1 bullet with" in page
        assert "Lesson 577." in page
        assert "Lesson 1." not in page
    assert (
        "No bullet of v1 has these words." in viewer.get(PAGE, {"find": "zebra"}).content.decode()
    )


def test_a_section_that_is_not_there_says_so(
    signed_in: Callable[..., Client], long_playbook: Agent
) -> None:
    page = signed_in("viewer").get(PAGE, {"section": "nowhere"}).content.decode()
    assert "which v1 does not have" in page


def test_the_timeline_of_a_long_history_stands_around_the_version_that_is_read(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    services.import_playbook(agent=agent, content={}, author=BOB, reason="empty")
    for number in range(49):
        services.roll_back_to(agent=agent, to_version=1, reason=f"why {number}", author=BOB)
    viewer = signed_in("viewer")
    numbers = [item["number"] for item in viewer.get(PAGE).context["timeline"]]
    assert numbers[0] == 51
    context = viewer.get(PAGE, {"version": "12"}).context
    assert 12 in [item["number"] for item in context["timeline"]]
    assert [point["number"] for point in context["plotted"]] == list(range(10, 22))


def test_the_page_says_of_its_chain_whether_it_was_verified_when_and_what_broke(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    viewer = signed_in("viewer")
    fields = {"chain": "airline", "then": "playbook"}
    page = viewer.post("/audit/verify/", fields, follow=True).content.decode()
    assert "verified <time" in page
    PlaybookVersion.objects.filter(playbook__agent=agent).update(
        content={"strategies": ["Forged."]}
    )
    page = viewer.post("/audit/verify/", fields, follow=True).content.decode()
    assert "chain broken" in page
    assert "version 1: its content is not what was written" in page


# ---- a change by hand ----
def posted(**changed: str) -> dict[str, str]:
    """Return the form as a browser sends it, unchanged but for `changed`."""
    first, second = bullet("Check the booking date."), bullet("Open with a summary.")
    fields = {
        "base": "1",
        "operations": "[]",
        f"text-{first.bullet_id}": first.text,
        f"place-{first.bullet_id}": "1",
        f"text-{second.bullet_id}": second.text,
        f"place-{second.bullet_id}": "2",
        "new-0": "",
        "new-name": "",
        "lessons": "",
        "reasoning": "It keeps failing.",
        "sure": "0.9",
        "do": "preview",
    }
    return fields | changed


def carried(page: Any, **changed: str) -> dict[str, str]:
    """Return what the form of a preview carries, as a browser sends it back."""
    draft = page.context["draft"]
    fields = {"base": str(draft.base), "operations": draft.packed, "sure": "0.9"}
    return fields | {"reasoning": "It keeps failing.", "do": "send"} | changed


def test_a_change_by_hand_is_previewed_and_becomes_a_waiting_delta_by_its_author(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    Agent.objects.update(mode="auto")
    first, second = bullet("Check the booking date."), bullet("Open with a summary.")
    fields = posted(
        **{
            f"text-{first.bullet_id}": "Check the date of the booking.",
            f"remove-{second.bullet_id}": "on",
            "new-0": "One.\r\n\r\nTwo.\r\n",
            "new-name": "goals",
            "lessons": "Be kind.",
        }
    )
    visitor = signed_in("reviewer", "ann")
    preview = visitor.post(PROPOSE, fields)
    assert "Preview of the delta" in preview.content.decode()
    assert "What the judges would say" in preview.content.decode()
    assert not Delta.objects.exists()
    answer = visitor.post(PROPOSE, carried(preview))
    delta = Delta.objects.get()
    assert answer.headers["Location"] == f"/review/{delta.pk}/"
    assert (delta.status, delta.source) == (DeltaStatus.PENDING_REVIEW, Source.OPERATOR)
    assert (delta.author, delta.confidence, delta.base_version) == ("person:ann", 0.9, 1)
    assert delta.operations == [
        {"op": "update", "bullet_id": first.bullet_id, "text": "Check the date of the booking."},
        {"op": "remove", "bullet_id": second.bullet_id},
        {"op": "add", "section": "strategies", "text": "One."},
        {"op": "add", "section": "strategies", "text": "Two."},
        {"op": "add", "section": "goals", "text": "Be kind."},
    ]


def test_what_was_not_in_the_preview_is_shown_before_it_is_proposed(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    page = signed_in("reviewer").post(PROPOSE, posted(**{"new-0": "One.", "do": "send"}))
    assert "These changes were not in the preview" in page.content.decode()
    assert not Delta.objects.exists()


def test_a_bullet_is_moved_by_its_place(signed_in: Callable[..., Client], agent: Agent) -> None:
    second = bullet("Open with a summary.").bullet_id
    page = signed_in("reviewer").post(PROPOSE, posted(**{f"place-{second}": "1"}))
    assert page.context["draft"].operations == [{"op": "move", "bullet_id": second, "position": 0}]


def test_a_later_edit_of_an_edited_bullet_is_one_operation(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    visitor = signed_in("reviewer")
    first = bullet("Check the booking date.").bullet_id
    page = visitor.post(PROPOSE, posted(**{f"text-{first}": "Check the date.", "new-0": "One."}))
    made, added = page.context["parts"][0].rows[0], page.context["parts"][0].rows[2]
    assert (made.text, added.text) == ("Check the date.", "One.")
    fields = {f"text-{made.bullet_id}": "Check both dates.", f"text-{added.bullet_id}": "One."}
    fields |= {f"remove-{added.bullet_id}": "on", "do": "preview"}
    page = visitor.post(PROPOSE, carried(page, **fields))
    assert page.context["draft"].operations == [
        {"op": "update", "bullet_id": first, "text": "Check both dates."}
    ]


def test_a_change_is_taken_out_of_the_preview_again(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    visitor = signed_in("reviewer")
    page = visitor.post(PROPOSE, posted(**{"new-0": "One.\nTwo."}))
    page = visitor.post(PROPOSE, carried(page, drop="0", do=""))
    assert [op["text"] for op in page.context["draft"].operations] == ["Two."]


def test_a_change_that_still_fits_stands_on_what_went_live_meanwhile(
    signed_in: Callable[..., Client], agent: Agent, propose: Callable[..., Delta]
) -> None:
    visitor = signed_in("reviewer")
    page = visitor.post(PROPOSE, posted(**{"new-0": "One."}))
    services.approve_delta(delta=propose("Quote the fare."), by=BOB)
    page = visitor.post(PROPOSE, carried(page))
    assert "v2 went live meanwhile, by bob. Your change stands on it now." in (
        page.content.decode()
    )
    visitor.post(PROPOSE, carried(page))
    assert Delta.objects.latest("pk").base_version == 2


@pytest.mark.parametrize(
    ("side", "texts"), [("delta", ["Open with a song."]), ("live", [])], ids=["mine", "live"]
)
def test_a_change_that_no_longer_fits_is_shown_side_by_side_until_one_side_is_chosen(
    signed_in: Callable[..., Client],
    agent: Agent,
    propose: Callable[..., Delta],
    side: str,
    texts: list[str],
) -> None:
    visitor = signed_in("reviewer")
    name = bullet("Open with a summary.").bullet_id
    page = visitor.post(PROPOSE, posted(**{f"text-{name}": "Open with a song."}))
    change = {"op": "update", "bullet_id": name, "text": "Open with a question."}
    services.approve_delta(delta=propose(operations=[change]), by=BOB)
    page = visitor.post(PROPOSE, carried(page))
    assert "1 of your changes no longer fits." in page.content.decode()
    assert "Open with a <del>summary</del> <ins>question</ins>." in page.content.decode()
    before = Delta.objects.count()
    visitor.post(PROPOSE, carried(page))
    assert Delta.objects.count() == before
    page = visitor.post(PROPOSE, carried(page, do="rebase", **{"keep-0": side}))
    draft = page.context["draft"]
    assert (draft.base, [op["text"] for op in draft.operations]) == (2, texts)


def test_a_json_value_can_be_set_by_hand_and_a_section_removed(
    signed_in: Callable[..., Client], db: None
) -> None:
    content = {"strategies": [], "goals": {"a": 1}}
    services.create_agent(agent_id="airline", author=BOB, initial_context=content)
    fields = {"base": "1", "json-1": '{"a": 2}', "drop-section-0": "on", "do": "preview"}
    fields |= {"new-name": "limits", "new-value": "3"}
    page = signed_in("reviewer").post(PROPOSE, fields)
    assert page.context["draft"].operations == [
        {"op": "unset", "path": "/strategies"},
        {"op": "set", "path": "/goals", "value": {"a": 2}},
        {"op": "set", "path": "/limits", "value": 3},
    ]


@pytest.mark.parametrize("text", ["{nonsense", "[" * 5000])
def test_a_value_that_is_no_json_is_told(
    signed_in: Callable[..., Client], db: None, text: str
) -> None:
    services.create_agent(agent_id="airline", author=BOB, initial_context={"goals": {"a": 1}})
    fields = {"base": "1", "json-0": text, "reasoning": "Because.", "sure": "0.5"}
    answer = signed_in("reviewer").post(PROPOSE, fields)
    assert answer.status_code == 400
    assert "Goals is not JSON" in answer.content.decode()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, "Nothing was changed"),
        ({"lessons": "A lesson."}, "Name the new section"),
        ({"new-name": "x", "lessons": "A lesson.", "new-value": "1"}, "lessons or a value"),
        ({"new-0": "x" * 20_001}, "bullet of more than 20,000 characters"),
        ({"new-0": "\n".join(f"Lesson {n}." for n in range(201))}, "1 to 200 operations"),
    ],
)
def test_a_change_that_cannot_be_made_is_a_400_that_keeps_what_was_typed(
    signed_in: Callable[..., Client], agent: Agent, changed: dict[str, str], words: str
) -> None:
    answer = signed_in("reviewer").post(PROPOSE, posted(**changed))
    assert answer.status_code == 400
    assert words in answer.content.decode()
    for typed in changed.values():
        assert typed in answer.content.decode()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"reasoning": "  "}, "Say why"),
        ({"sure": "7"}, "Say how sure you are"),
        ({"operations": '[{"op": "fly"}]'}, "cannot be read"),
        ({"operations": "nonsense"}, "cannot be read"),
    ],
)
def test_a_change_that_cannot_be_proposed_is_a_400(
    signed_in: Callable[..., Client], agent: Agent, changed: dict[str, str], words: str
) -> None:
    visitor = signed_in("reviewer")
    page = visitor.post(PROPOSE, posted(**{"new-0": "One."}))
    answer = visitor.post(PROPOSE, carried(page) | changed)
    assert answer.status_code == 400
    assert words in answer.content.decode()
    assert not Delta.objects.exists()


def test_the_form_can_be_about_one_bullet_alone_and_about_its_removal(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    name = bullet("Open with a summary.").bullet_id
    visitor = signed_in("reviewer")
    page = visitor.get(PROPOSE, {"bullet": name, "remove": "1"})
    (row,) = page.context["parts"][0].rows
    assert (row.text, row.removed) == ("Open with a summary.", True)
    assert "Check the booking date." not in page.content.decode()


def test_the_form_of_a_long_playbook_holds_a_part_of_it_and_keeps_what_was_typed(
    signed_in: Callable[..., Client], long_playbook: Agent
) -> None:
    visitor = signed_in("reviewer")
    page = visitor.get(PROPOSE)
    assert len(page.context["parts"][0].rows) == 40
    assert len(page.content) < 150_000
    name = page.context["parts"][0].rows[0].bullet_id
    fields = {"base": "1", "operations": "[]", f"text-{name}": "Another lesson.", "do": "show"}
    page = visitor.post(PROPOSE, fields | {"go-section": "goals"})
    assert page.context["parts"][0].rows[0].text == "Goal 0."
    assert page.context["draft"].operations[0]["text"] == "Another lesson."
    page = visitor.post(PROPOSE, carried(page, do="show", **{"go-find": "lesson 577"}))
    assert [row.text for row in page.context["parts"][0].rows] == ["Lesson 577."]


# ---- files ----
def imported(visitor: Client, name: str, body: bytes, how: str = "replace") -> Any:
    """Upload a file; return the page that shows what it would change."""
    fields = {"file": SimpleUploadedFile(name, body), "how": how}
    return visitor.post(TRANSFER, fields, follow=True)


def test_the_export_gives_back_what_the_playbook_holds(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    viewer = signed_in("viewer")
    answer = viewer.get("/playbooks/airline/export/")
    assert json.loads(answer.content) == live(agent).content
    assert 'filename="airline-v1.json"' in answer.headers["Content-Disposition"]
    text = viewer.get("/playbooks/airline/export/?format=paper").content.decode()
    assert re.search(r"## strategies\n\[.*\] Check the booking date\.\n", text)


def test_values_cannot_be_exported_as_text_and_the_page_says_so(
    signed_in: Callable[..., Client], db: None
) -> None:
    services.create_agent(agent_id="airline", author=BOB, initial_context={"goals": {"a": 1}})
    answer = signed_in("viewer").get("/playbooks/airline/export/?format=paper", follow=True)
    assert "The text form cannot hold it" in answer.content.decode()


@pytest.mark.parametrize(
    ("name", "text"),
    [("p.json", '{"goals": ["Be kind."]}'), ("p.txt", "## goals\n[goals-00001] Be kind.\n")],
)
def test_an_import_shows_what_it_would_change_and_becomes_a_delta(
    signed_in: Callable[..., Client], agent: Agent, name: str, text: str
) -> None:
    visitor = signed_in("reviewer", "ann")
    page = imported(visitor, name, text.encode())
    assert "Be kind." in page.content.decode()
    assert live(agent).number == 1
    file = {"file": name, "aliases": page.context["aliases"]}
    visitor.post(PROPOSE, carried(page, **file))
    delta = Delta.objects.get()
    assert (delta.author, delta.evidence["imported"]["file"]) == ("person:ann", name)
    services.approve_delta(delta=delta, by=BOB)
    assert live(agent).content == {"goals": ["Be kind."]}


def test_ids_of_an_imported_text_come_back_in_the_export_once_it_is_approved(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    visitor = signed_in("reviewer")
    text = "## goals\n[goals-00007] helpful=3 harmful=1 :: Be kind.\n"
    page = imported(visitor, "p.txt", text.encode())
    file = {"file": "p.txt", "aliases": page.context["aliases"]}
    visitor.post(PROPOSE, carried(page, **file))
    services.approve_delta(delta=Delta.objects.get(), by=BOB)
    assert visitor.get("/playbooks/airline/export/?format=paper").content.decode() == text


def test_an_import_that_adds_takes_nothing_out(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    body = {"strategies": ["Quote the fare.", "Open with  a summary."], "limits": {"seconds": 3}}
    page = imported(signed_in("reviewer"), "p.json", json.dumps(body).encode(), how="add")
    assert page.context["draft"].content == {
        "strategies": ["Check the booking date.", "Open with a summary.", "Quote the fare."],
        "limits": {"seconds": 3},
    }


def test_a_large_import_is_one_delta_that_says_what_comes_and_goes(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    body = {"strategies": [f"Lesson {n}." for n in range(500)], "a.b": ["One."], "c\\.d": ["Two."]}
    page = imported(signed_in("reviewer"), "p.json", json.dumps(body).encode())
    assert page.context["draft"].content == body
    assert len(page.context["draft"].operations) == 3
    assert "Open with a summary.</del>" in page.content.decode()
    assert "And 470 more that come or go." in page.content.decode()


def test_an_import_of_what_is_live_says_so(signed_in: Callable[..., Client], agent: Agent) -> None:
    page = imported(signed_in("reviewer"), "p.json", json.dumps(live(agent).content).encode())
    assert "The playbook holds all of this already." in page.content.decode()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"\xff\xfe", "not UTF-8"),
        (b"{nonsense", "either JSON nor"),
        (b'{"a": NaN}', "cannot be kept"),
        (b"no header", "either JSON nor"),
        (b'{"a": "\\u0000"}', "cannot be kept"),
    ],
)
def test_a_file_that_is_no_playbook_changes_nothing(
    signed_in: Callable[..., Client], agent: Agent, body: bytes, words: str
) -> None:
    assert words in imported(signed_in("reviewer"), "p.json", body).content.decode()
    assert live(agent).number == 1


def test_an_import_without_a_file_is_refused(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    answer = signed_in("operator").post(TRANSFER, {}, follow=True)
    assert "An import needs a file" in answer.content.decode()


@pytest.mark.parametrize(
    "aliases", ["nonsense", "[1]", '{"goals": [{"id": 7}]}', '{"goals": [{"id": "g-1", "x": 1}]}']
)
def test_a_forged_list_of_source_ids_is_left_out(
    signed_in: Callable[..., Client], agent: Agent, aliases: str
) -> None:
    visitor = signed_in("reviewer")
    page = visitor.post(PROPOSE, posted(**{"new-0": "One."}))
    visitor.post(PROPOSE, carried(page, file="p.txt", aliases=aliases))
    assert Delta.objects.get().evidence == {"imported": {"file": "p.txt", "aliases": {}}}
