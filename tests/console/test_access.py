"""Who may do what on every address of the console: a new one without a line here fails."""

from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ace_project.core.people import Role
from tests.console.every_page import every_page
from tests.console.every_row import fill

NOBODY, VIEWER, REVIEWER, OPERATOR, ADMIN = Role
NEVER = None
# A session keeps what was offered to be undone, and when it was last seen; a cache its figures.
KEPT = ("django_session", "usersessions", "shared_cache")
# Who signed in may at least read a page, and who may at least send its form.
ACCESS: dict[str, tuple[Role | None, Role | None]] = {
    "overview": (VIEWER, NEVER),
    "guided_approve": (NEVER, REVIEWER),
    "guided_compare": (NEVER, REVIEWER),
    "guided_take_back": (NEVER, REVIEWER),
    "review": (VIEWER, REVIEWER),
    "delta": (VIEWER, REVIEWER),
    "undo": (NEVER, REVIEWER),
    "playbooks": (VIEWER, NEVER),
    "playbook": (VIEWER, NEVER),
    "version_compare": (VIEWER, NEVER),
    "rollback": (VIEWER, OPERATOR),
    "propose": (REVIEWER, REVIEWER),
    "transfer": (VIEWER, REVIEWER),
    "export": (VIEWER, NEVER),
    "evolve": (NEVER, OPERATOR),
    "traces": (VIEWER, NEVER),
    "trace": (VIEWER, NEVER),
    "runs": (VIEWER, NEVER),
    "pause_all": (NEVER, OPERATOR),
    "resume_all": (NEVER, OPERATOR),
    "run": (VIEWER, NEVER),
    "run_cancel": (NEVER, OPERATOR),
    "run_retry": (NEVER, OPERATOR),
    "search": (VIEWER, NEVER),
    "training": (VIEWER, NEVER),
    "training_new": (OPERATOR, OPERATOR),
    "training_job": (VIEWER, NEVER),
    "training_pause": (NEVER, OPERATOR),
    "training_resume": (NEVER, OPERATOR),
    "training_cancel": (NEVER, OPERATOR),
    "training_propose": (NEVER, REVIEWER),
    "training_export": (VIEWER, NEVER),
    "trajectories": (VIEWER, NEVER),
    "trajectory": (VIEWER, NEVER),
    "agents": (VIEWER, NEVER),
    "agent_new": (OPERATOR, OPERATOR),
    "agent": (VIEWER, NEVER),
    "pause": (NEVER, OPERATOR),
    "resume": (NEVER, OPERATOR),
    "agent_mode": (NEVER, OPERATOR),
    "agent_name": (NEVER, OPERATOR),
    "agent_overrides": (NEVER, OPERATOR),
    "agent_model": (NEVER, OPERATOR),
    "waive": (NEVER, OPERATOR),
    "waiver_end": (NEVER, OPERATOR),
    "agent_delete": (OPERATOR, OPERATOR),
    "token_revoke": (NEVER, OPERATOR),
    "budget": (VIEWER, NEVER),
    "budget_raise": (NEVER, OPERATOR),
    "call": (VIEWER, NEVER),
    "audit": (VIEWER, NEVER),
    "audit_export": (VIEWER, NEVER),
    "audit_verify": (NEVER, VIEWER),
    "bullet": (VIEWER, NEVER),
    "trace_pair": (VIEWER, NEVER),
    "trace_evidence": (REVIEWER, REVIEWER),
    "trace_step": (VIEWER, NEVER),
    "trace_compare": (VIEWER, NEVER),
    "review_selected": (REVIEWER, NEVER),
    "saved_views": (NEVER, VIEWER),
    "two_person": (NEVER, OPERATOR),
    "connect": (VIEWER, OPERATOR),
    "test_trace": (NEVER, OPERATOR),
    "agent_tokens": (VIEWER, OPERATOR),
    # A token for all agents is an admin's to give.
    "tokens": (OPERATOR, ADMIN),
    "account": (NOBODY, NOBODY),
    "sessions_end": (NEVER, NOBODY),
    "session_end": (NEVER, NOBODY),
    "people": (OPERATOR, NEVER),
    "person": (OPERATOR, NEVER),
    "person_invite": (NEVER, ADMIN),
    "person_role": (NEVER, ADMIN),
    "person_email": (NEVER, ADMIN),
    "person_active": (NEVER, ADMIN),
    "person_link": (NEVER, ADMIN),
    "person_factors": (NEVER, ADMIN),
}


@pytest.fixture
def pages(db: None) -> dict[str, str]:
    """Return every page's address; the rows that it shows are there."""
    fill(1)
    return every_page()


def test_every_address_has_a_line_here(pages: dict[str, str]) -> None:
    assert set(pages) == set(ACCESS)


def sent(client: Client, method: str, address: str) -> int:
    """Return the status of an answer whose effect is taken back."""
    with transaction.atomic():
        status: int = getattr(client, method)(address).status_code
        transaction.set_rollback(True)
    return status


def expected(role: Role, least: Role | None) -> set[int]:
    """Return what a page may answer: refused, wrong method, or anything that is no refusal."""
    if least is NEVER:
        # A page may refuse the role before it looks at the method.
        return {403, 405}
    return {403} if role < least else {200, 204, 302, 303, 400, 404, 409, 422}


@pytest.mark.parametrize("role", Role, ids=lambda role: role.name.lower())
def test_a_role_may_do_exactly_what_is_granted(
    pages: dict[str, str], signed_in: Callable[..., Client], role: Role
) -> None:
    client = signed_in("viewer" if role is NOBODY else role.name.lower(), "vera")
    if role is NOBODY:
        get_user_model().objects.get(username="vera").groups.clear()
    for name, address in pages.items():
        for method, least in zip(("get", "post"), ACCESS[name], strict=True):
            status = sent(client, method, address)
            assert status in expected(role, least), (name, method, status)


def test_strangers_are_sent_to_the_sign_in_from_everywhere(pages: dict[str, str]) -> None:
    for name, address in pages.items():
        for method, least in zip(("get", "post"), ACCESS[name], strict=True):
            answer = getattr(Client(), method)(address)
            if answer.status_code == 405:
                assert least is NEVER, name
                continue
            assert (name, answer.status_code) == (name, 302)
            assert answer["Location"].startswith("/sign-in/"), name


def test_no_form_from_elsewhere_is_taken(
    pages: dict[str, str], signed_in: Callable[..., Client]
) -> None:
    signed = signed_in("admin")
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = signed.cookies
    for name, address in pages.items():
        assert (name, strict.post(address).status_code) == (name, 403)


def writes(queries: CaptureQueriesContext) -> Iterator[str]:
    """Return what changed a row of the product."""
    for query in queries:
        sql = query["sql"]
        if sql.startswith(("INSERT", "UPDATE", "DELETE")) and not any(t in sql for t in KEPT):
            yield sql


def test_reading_a_page_changes_nothing(
    pages: dict[str, str], signed_in: Callable[..., Client]
) -> None:
    client = signed_in("admin")
    for name, address in pages.items():
        for fragment in ({}, {"HX-Request": "true"}):
            with CaptureQueriesContext(connection) as queries:
                client.get(address, headers=fragment)
                client.head(address, headers=fragment)
            assert list(writes(queries)) == [], name
