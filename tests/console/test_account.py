"""The own account: a name, sessions that end by time or by hand, a password that ends others."""

from collections.abc import Callable
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.test import Client

from ace_project.console.accounts import hosts, sessions
from playbooks.models import AuditEvent

pytestmark = pytest.mark.django_db
PASSWORD = "a long password 42"
HOUR = 3600.0


@pytest.fixture
def ann(person_of: Callable[..., Any]) -> Any:
    """Return a viewer with a password."""
    return person_of("viewer", "ann")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return a way to set the hours that passed since now, as sessions see them."""
    began = sessions.time.time()

    def after(hours: float) -> None:
        monkeypatch.setattr(sessions.time, "time", lambda: began + hours * HOUR)

    return after


def browser(agent: str = "Mozilla/5.0 (X11; Linux) Firefox/140.0") -> Client:
    """Return a browser in which ann signed in by password."""
    client = Client(headers={"User-Agent": agent})
    client.post("/sign-in/", {"login": "ann", "password": PASSWORD})
    return client


def is_in(client: Client) -> bool:
    return client.get("/account/").status_code == 200


def test_a_stranger_is_sent_to_sign_in(client: Client) -> None:
    for url in ("/account/", "/account/password/", "/account/sessions/end/"):
        assert client.get(url).status_code == 302
        assert client.post(url).headers["Location"].startswith("/sign-in/")


def test_a_name_is_changed_and_recorded(ann: Any) -> None:
    client = browser()
    client.post("/account/", {"name": "Ann\u202e Wood"})
    ann.refresh_from_db()
    assert ann.get_full_name() == "Ann\u202e Wood"
    assert "\u202e" not in client.get("/people/", follow=True).content.decode()
    assert AuditEvent.objects.get(event="name_changed").actor == "person:ann"


def test_a_session_ends_after_its_hours_however_busy(
    ann: Any, clock: Callable[[float], None], settings: Any
) -> None:
    client = browser()
    for hours in range(20, 161, 20):
        clock(hours)
        assert is_in(client)
    clock(settings.ACE_SESSION_HOURS + 0.1)
    assert not is_in(client)


def test_a_session_ends_when_nobody_uses_it(ann: Any, clock: Callable[[float], None]) -> None:
    client = browser()
    clock(23)
    assert is_in(client)
    clock(46)
    assert is_in(client)
    clock(71)
    assert not is_in(client)


def test_a_page_that_asks_for_news_keeps_no_session_alive(
    ann: Any, clock: Callable[[float], None]
) -> None:
    client = browser()
    for hours in (10, 20):
        clock(hours)
        client.get("/review/", headers={"HX-Request": "true"})
    clock(25)
    assert not is_in(client)


@pytest.mark.parametrize(("hours", "words"), [(168, "7 days"), (1, "1 hour"), (30, "30 hours")])
def test_how_long_a_session_lasts_is_said_in_a_fitting_unit(
    ann: Any, settings: Any, hours: float, words: str
) -> None:
    settings.ACE_SESSION_HOURS = hours
    page = browser().get("/account/").content.decode()
    assert f"A session ends after {words}, or after 24 hours without use." in page


def test_every_browser_is_listed_this_one_first(ann: Any) -> None:
    browser("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1")
    page = browser().get("/account/").content.decode()
    assert page.index("Firefox on Linux") < page.index("this one") < page.index("Safari on iOS")


def test_one_session_is_ended_from_another(ann: Any) -> None:
    lost, here = browser(), browser()
    row = UserSession.objects.get(session_key=lost.session.session_key)
    here.post(f"/account/sessions/{row.pk}/end/")
    assert not is_in(lost)
    assert is_in(here)
    assert AuditEvent.objects.get(event="session_ended").subject == "ann"


def test_nobody_ends_a_session_of_somebody_else(ann: Any, signed_in: Callable[..., Client]) -> None:
    theirs = browser()
    row = UserSession.objects.get()
    assert signed_in("admin").post(f"/account/sessions/{row.pk}/end/").status_code == 404
    assert is_in(theirs)


def test_all_others_are_ended_at_once(ann: Any) -> None:
    others, here = [browser(), browser()], browser()
    here.post("/account/sessions/end/")
    assert is_in(here)
    assert not any(is_in(other) for other in others)


def test_a_new_password_ends_the_other_sessions(ann: Any) -> None:
    other, here = browser(), browser()
    new = {
        "oldpassword": PASSWORD,
        "password1": "quite another 77",
        "password2": "quite another 77",
    }
    assert here.post("/account/password/", new).status_code == 302
    assert is_in(here)
    assert not is_in(other)
    assert AuditEvent.objects.filter(event="password_changed", subject="ann").count() == 1


@pytest.mark.parametrize("changed", [{"oldpassword": "wrong"}, {"password2": "not the same 9"}])
def test_a_password_is_not_changed_by_a_wrong_form(ann: Any, changed: dict[str, str]) -> None:
    client = browser()
    form = {
        "oldpassword": PASSWORD,
        "password1": "quite another 77",
        "password2": "quite another 77",
    }
    assert client.post("/account/password/", form | changed).status_code == 200
    ann.refresh_from_db()
    assert ann.check_password(PASSWORD)


def test_an_account_without_a_role_is_shown_and_nothing_else(
    client: Client, django_user_model: Any
) -> None:
    client.force_login(django_user_model.objects.create_user("new"))
    assert "You have no role yet" in client.get("/account/").content.decode()
    refused = client.get("/")
    assert refused.status_code == 403
    assert "Ask an admin for a role" in refused.content.decode()


@pytest.mark.parametrize(
    ("host", "secure", "told"),
    [
        ("localhost", False, ""),
        ("ace.example.org", True, ""),
        ("ace.example.org", False, "-"),
        ("127.0.0.1", False, "http://localhost:8000"),
        ("10.0.0.5", True, "-"),
    ],
)
def test_where_passkeys_work_is_told(
    rf: Any, settings: Any, host: str, secure: bool, told: str
) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    request = rf.get("/", secure=secure, headers={"Host": f"{host}:8000"})
    assert hosts.for_passkeys(request) == told
