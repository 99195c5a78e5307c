"""Django admin: every row can be read, none of the history changed, no list asks per row."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.apps import apps
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from ace_project.core.inspection import lists
from evolution.models import ExecutionTrace, LlmCall
from playbooks.models import Agent, AuditEvent, Delta
from tests.console.every_row import HOSTILE, SECRET_TEXT, fill
from training.models import TrainingJob

ROOT = Path(__file__).resolve().parent.parent.parent
OURS = [
    model
    for config in apps.get_app_configs()
    if Path(config.path).is_relative_to(ROOT) and "site-packages" not in config.path
    for model in config.get_models()
]
SHOWN = [*OURS, get_user_model(), Group, Authenticator, SocialAccount, UserSession]
# What such a name holds could let somebody in; the names of these do not.
SECRET = re.compile(r"password|secret|token|state$|session_key|codes|body$")
HARMLESS = {"tokens", "prompt_tokens", "cached_tokens", "completion_tokens", "reserved_tokens"}
# The jti of a token, by which it is found and revoked; the token itself is stored nowhere.
HARMLESS |= {"token", "state"}


@pytest.fixture
def inspector(signed_in: Callable[..., Client]) -> Client:
    """Return an operator's browser."""
    return signed_in("operator", "ruth")


def address(model: Any, page: str, *args: Any, **query: Any) -> str:
    name = f"admin:{model._meta.label_lower.replace('.', '_')}_{page}"
    return reverse(name, args=args, query=query or None)


def test_every_model_of_ours_is_in_the_admin() -> None:
    assert [m for m in OURS if m not in admin.site._registry] == []


def test_every_row_is_listed_and_shown_with_what_others_wrote_as_text(inspector: Client) -> None:
    fill(1)
    for model in SHOWN:
        listed = inspector.get(address(model, "changelist"))
        row = model._default_manager.first()
        shown = inspector.get(address(model, "change", row.pk))
        assert (model, listed.status_code, shown.status_code) == (model, 200, 200)
        assert HOSTILE not in listed.content.decode() + shown.content.decode(), model


def searches() -> Iterator[tuple[Any, str]]:
    """Return every model's search fields, one by one."""
    for model in SHOWN:
        yield from ((model, field) for field in admin.site._registry[model].search_fields)


def test_every_row_is_found_by_each_of_its_search_fields(inspector: Client) -> None:
    fill(1)
    for model, field in searches():
        held = model._default_manager.exclude(**{f"{field}__isnull": True}).order_by("pk")
        named = (
            (row, str(word))
            for row, word in zip(held, held.values_list(field, flat=True), strict=True)
        )
        row, word = next((pair for pair in named if pair[1] and " " not in pair[1]), (None, ""))
        if row is None:
            continue
        found = inspector.get(address(model, "changelist", q=word)).context["cl"]
        assert row in found.result_list, (model, field, word)
    assert len(list(searches())) > 40


@pytest.mark.parametrize("words", ["nobody", "9" * 30, "bot-1 nobody", "a' OR 1=1", "-9"])
def test_what_no_row_is_called_finds_nothing(inspector: Client, words: str) -> None:
    fill(1)
    for model in SHOWN:
        shown = inspector.get(address(model, "changelist", q=words))
        assert shown.status_code == 200
        if admin.site._registry[model].search_fields:
            assert list(shown.context["cl"].result_list) == [], model


def test_every_filter_of_every_list_answers(inspector: Client) -> None:
    fill(1)
    tried = 0
    for model in SHOWN:
        listed = inspector.get(address(model, "changelist")).context["cl"]
        for spec in listed.filter_specs:
            for choice in spec.choices(listed):
                answer = inspector.get(address(model, "changelist") + choice["query_string"])
                assert answer.status_code == 200, (model, choice)
                tried += 1
    assert tried > 40


def test_every_list_of_rows_that_point_to_one_answers(inspector: Client) -> None:
    fill(1)
    for model in SHOWN:
        row = model._default_manager.first()
        for link in inspector.get(address(model, "change", row.pk)).context["related_lists"]:
            listed = inspector.get(link["url"])
            assert listed.status_code == 200, link
            assert not listed.context["cl"].windowed


def changes_nothing(client: Client, model: Any, row: Any) -> None:
    before = model._default_manager.filter(pk=row.pk).values()[0]
    change = client.post(address(model, "change", row.pk), {"name": "x", "mode": "auto"})
    delete = client.post(address(model, "delete", row.pk), {"post": "yes"})
    add = client.post(address(model, "add"), {})
    assert (model, add.status_code, change.status_code, delete.status_code) == (
        model,
        403,
        403,
        403,
    )
    assert model._default_manager.filter(pk=row.pk).values()[0] == before


def test_an_operator_adds_changes_and_deletes_nothing(inspector: Client) -> None:
    fill(1)
    for model in SHOWN:
        changes_nothing(inspector, model, model._default_manager.first())


def test_an_admin_changes_only_what_is_free_to_change(signed_in: Callable[..., Client]) -> None:
    fill(1)
    client = signed_in("admin")
    for model in SHOWN:
        if not admin.site._registry[model].changeable:
            changes_nothing(client, model, model._default_manager.first())


def test_an_admin_renames_an_agent_and_nothing_else_and_the_audit_tells(
    signed_in: Callable[..., Client],
) -> None:
    fill(1)
    agent = Agent.objects.get()
    sent = {"name": "Booking", "mode": "auto", "agent_id": "other"}
    assert signed_in("admin").post(address(Agent, "change", agent.pk), sent).status_code == 302
    agent.refresh_from_db()
    assert (agent.name, agent.mode, agent.agent_id) == ("Booking", "strict", "bot-1")
    told = AuditEvent.objects.filter(event="agent_updated").get()
    assert (told.actor, told.data) == (
        "person:admin",
        {"fields": ["name"], "from": "<script>alert(1)</script>", "to": "Booking"},
    )


@pytest.mark.parametrize(
    ("role", "status"), [("viewer", 403), ("reviewer", 403), ("operator", 200), ("admin", 200)]
)
def test_operators_and_admins_alone_enter(
    signed_in: Callable[..., Client], role: str, status: int
) -> None:
    client = signed_in(role)
    for page in (
        reverse("admin:index"),
        address(Agent, "changelist"),
        address(Delta, "changelist"),
    ):
        assert client.get(page, follow=True).status_code == status


def test_djangos_staff_flag_opens_nothing(client: Client, db: None) -> None:
    client.force_login(get_user_model().objects.create_user("vic", is_staff=True))
    assert client.get(reverse("admin:index"), follow=True).status_code == 403


def test_strangers_are_sent_to_the_one_sign_in(client: Client, db: None) -> None:
    page = address(Agent, "changelist")
    for asked in (page, reverse("admin:login", query={"next": page})):
        answer = client.get(asked, follow=True)
        assert answer.redirect_chain[-1][0].startswith(reverse("account_login"))
        assert answer.context["next"] == page


@pytest.mark.parametrize("model", SHOWN, ids=lambda m: m.__name__)
def test_secrets_are_not_among_the_columns(model: Any, rf: Any, person_of: Any) -> None:
    request = rf.get("/")
    request.user = person_of("admin")
    shown_by = admin.site._registry[model]
    names = {getattr(column, "__name__", column) for column in shown_by.get_fields(request)}
    blobs = {f.name for f in model._meta.fields if isinstance(f, models.BinaryField)}
    assert {n for n in names if SECRET.search(n)} - HARMLESS == set()
    assert names & blobs == set()


def test_a_password_is_not_even_read(inspector: Client) -> None:
    user = get_user_model().objects.get(username="ruth")
    page = inspector.get(address(get_user_model(), "change", user.pk)).content.decode()
    assert user.password not in page and user.password.split("$")[-1] not in page


def test_an_address_asks_no_column_that_is_not_offered(inspector: Client) -> None:
    fill(1)
    for model in SHOWN:
        shown_by = admin.site._registry[model]
        for name in (*shown_by.secret_fields, *shown_by.large_fields):
            for lookup in ("startswith", "regex", "isnull"):
                answer = inspector.get(address(model, "changelist", **{f"{name}__{lookup}": "1"}))
                assert (model, name, answer.status_code) == (model, name, 400)
    user = get_user_model().objects.get(username="person-1")
    for related in inspector.get(address(type(user), "change", user.pk)).context["related_lists"]:
        assert inspector.get(related["url"]).status_code == 200


def asked(queries: CaptureQueriesContext) -> int:
    """Return how many queries there were, but for those that note a visit once in a while."""
    return sum("session" not in query["sql"] for query in queries)


def counted(client: Client) -> dict[Any, tuple[int, int]]:
    """Return how many queries the list and one row of every model take."""
    found = {}
    for model in SHOWN:
        row = model._default_manager.order_by("pk").first()
        with CaptureQueriesContext(connection) as listed:
            client.get(address(model, "changelist"))
        with CaptureQueriesContext(connection) as shown:
            client.get(address(model, "change", row.pk))
        found[model] = (asked(listed), asked(shown))
    return found


def test_lists_and_rows_ask_the_same_few_queries_however_many_rows_there_are(
    inspector: Client,
) -> None:
    fill(1)
    counted(inspector)
    few = counted(inspector)
    for number in (2, 3, 4):
        fill(number)
    assert counted(inspector) == few
    assert {model: counts for model, counts in few.items() if max(counts) > 12} == {}


def test_lists_leave_large_columns_in_the_database(inspector: Client) -> None:
    fill(1)
    for model in OURS:
        hidden = (
            *admin.site._registry[model].large_fields,
            *admin.site._registry[model].secret_fields,
        )
        with CaptureQueriesContext(connection) as queries:
            inspector.get(address(model, "changelist"))
        asked = " ".join(q["sql"] for q in queries if model._meta.db_table in q["sql"])
        for name in hidden:
            column = f'"{model._meta.db_table}"."{model._meta.get_field(name).column}"'
            assert column not in asked, (model, name)


def test_every_document_and_blob_of_a_growing_table_is_left_out_of_its_list() -> None:
    for model in OURS:
        shown_by = admin.site._registry[model]
        left_out = {*shown_by.large_fields, *shown_by.secret_fields}
        big = {
            f.name
            for f in model._meta.fields
            if isinstance(f, models.JSONField | models.BinaryField)
        }
        if shown_by.is_large:
            assert big - left_out - {"scopes"} == set(), model


def test_a_list_counts_no_further_than_its_bound_and_says_so(
    inspector: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "MOST_COUNTED", 2)
    for number in (1, 2, 3):
        fill(number)
    listed = inspector.get(address(ExecutionTrace, "changelist"))
    assert listed.context["cl"].result_count == 2
    assert "The list leads to the newest 2 rows." in listed.content.decode()


def test_a_filter_looks_into_the_newest_rows_and_a_search_further_back(
    inspector: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "WINDOW", 2)
    for number in (1, 2, 3):
        fill(number)
    page = address(ExecutionTrace, "changelist")
    filtered = inspector.get(page, {"success__exact": "1"}).context["cl"]
    assert {trace.trace_id for trace in filtered.result_list} == {"t-2", "t-3"}
    searched = inspector.get(page, {"success__exact": "1", "q": "bot-1"}).context["cl"]
    assert {trace.trace_id for trace in searched.result_list} == {"t-1"}


def test_no_growing_list_asks_the_whole_table_what_to_filter_by(inspector: Client) -> None:
    fill(1)
    for model in OURS:
        if admin.site._registry[model].is_large:
            with CaptureQueriesContext(connection) as queries:
                inspector.get(address(model, "changelist"))
            assert not [q for q in queries if "DISTINCT" in q["sql"]], model


def test_a_growing_list_is_sorted_by_nothing_but_its_key(inspector: Client) -> None:
    fill(1)
    with CaptureQueriesContext(connection) as queries:
        inspector.get(address(ExecutionTrace, "changelist"), {"o": "5"})
    listed = [
        q["sql"] for q in queries if "ORDER BY" in q["sql"] and "execution_traces" in q["sql"]
    ]
    assert listed and all('ORDER BY "execution_traces"."id" DESC' in sql for sql in listed)


def test_rows_lead_to_the_console_and_the_console_to_its_rows(inspector: Client) -> None:
    fill(1)
    led = 0
    for model in SHOWN:
        row = model._default_manager.first()
        shown = inspector.get(address(model, "change", row.pk))
        there = shown.context.get("absolute_url")
        if there is None:
            continue
        led += 1
        page = inspector.get(there)
        # A call without texts has no page of its own.
        assert page.status_code == 200, (model, there)
        assert inspector.get(page.context["data_url"]).status_code == 200, there
    assert led > 20


def test_viewers_are_not_led_to_where_they_may_not_go(signed_in: Callable[..., Client]) -> None:
    assert "Inspect data" not in signed_in("viewer").get("/review/").content.decode()


def test_the_policy_of_the_admin_lets_no_inline_script_run(inspector: Client) -> None:
    def policy(page: str) -> str:
        return inspector.get(page)["Content-Security-Policy"]

    of_console, of_docs = policy("/review/"), policy("/api/docs/")
    assert "unsafe" not in of_console and of_docs == of_console
    of_admin = policy(reverse("admin:index"))
    assert "unsafe-inline" not in of_admin
    assert "script-src 'self' 'unsafe-eval'" in of_admin


def test_passwords_are_changed_where_other_sessions_end(inspector: Client) -> None:
    answer = inspector.get(reverse("admin:password_change"))
    assert (answer.status_code, answer["Location"]) == (302, reverse("console:account"))


def test_what_signs_people_in_is_shown_nowhere(inspector: Client) -> None:
    fill(1)
    for model in (Authenticator, SocialAccount, UserSession):
        row = model._default_manager.get()
        for page in (address(model, "changelist"), address(model, "change", row.pk)):
            assert SECRET_TEXT not in inspector.get(page).content.decode()


def test_a_trainings_page_lists_its_trajectories(inspector: Client) -> None:
    fill(1)
    page = inspector.get(reverse("console:trajectories", args=[TrainingJob.objects.get().pk]))
    listed = inspector.get(page.context["data_url"]).context["cl"]
    assert listed.result_count == 1


def test_every_kind_of_row_and_every_column_has_a_name_that_people_write(
    inspector: Client,
) -> None:
    page = inspector.get(reverse("admin:index")).content.decode()
    for name in ("Trajectories", "API tokens", "LLM calls", "Ledger entries", "Workers"):
        assert f"{name}</a>" in page
    for model in SHOWN:
        # "Trajectorys" is what a plural is where nobody gave one.
        assert not re.search(r"[^aeiou]ys\b", str(model._meta.verbose_name_plural))
    fill(1)
    page = inspector.get(address(LlmCall, "changelist")).content.decode()
    assert "Cost USD" in page
