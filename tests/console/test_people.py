"""People: invited by a link shown once, given roles, shut out; an admin always stays."""

import re
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ace_project.console.accounts.links import invitation_path
from ace_project.core.people import Role, role_of
from playbooks.models import AuditEvent

pytestmark = pytest.mark.django_db
LIST = "/people/"
CHANGES = ["role/", "email/", "active/", "link/", "factors/"]
NEW = {"password1": "quite another 77", "password2": "quite another 77"}


@pytest.fixture
def bob(person_of: Callable[..., Any]) -> Any:
    """Return a reviewer who was here before."""
    user = person_of("reviewer", "bob")
    user.last_login = timezone.now()
    user.save()
    return user


@pytest.fixture
def ann(signed_in: Callable[..., Client]) -> Client:
    """Return a signed-in admin."""
    return signed_in("admin", "ann")


def of(bob: Any, change: str = "") -> str:
    return f"/people/{bob.pk}/{change}"


def link_on(page: Any) -> str:
    found = re.search(r"http://testserver(/sign-in/invited/[^<\s]+)", page.content.decode())
    assert found
    return found[1]


def invite(client: Client, **changed: str) -> Any:
    form = {"username": "nina", "name": "Nina", "email": "nina@example.org", "role": "operator"}
    return client.post("/people/invite/", form | changed)


# ---- who ----
def test_a_stranger_is_sent_to_sign_in(client: Client, bob: Any) -> None:
    for url in (LIST, of(bob), "/people/invite/", *(of(bob, change) for change in CHANGES)):
        assert client.post(url).headers["Location"].startswith("/sign-in/")


@pytest.mark.parametrize(("role", "sees"), [("viewer", 403), ("reviewer", 403), ("operator", 200)])
def test_only_admins_change_people(
    signed_in: Callable[..., Client], bob: Any, role: str, sees: int
) -> None:
    visitor = signed_in(role, "eve")
    assert visitor.get(LIST).status_code == visitor.get(of(bob)).status_code == sees
    assert invite(visitor).status_code == 403
    for change in CHANGES:
        assert visitor.post(of(bob, change), {"role": "admin"}).status_code == 403
    assert role_of(get_user_model().objects.get(pk=bob.pk)) is Role.REVIEWER


def test_changes_take_a_form_and_somebody_who_is_there(ann: Client, bob: Any) -> None:
    for change in ("role/", "email/", "active/", "link/", "factors/"):
        assert ann.get(of(bob, change)).status_code == 405
        assert ann.post(f"/people/999999/{change}", {"role": "viewer"}).status_code == 404
    assert ann.get("/people/999999/").status_code == 404


# ---- the list ----
def test_the_list_asks_the_same_queries_for_one_and_for_many(
    ann: Client, bob: Any, person_of: Callable[..., Any]
) -> None:
    ann.get(LIST)
    with CaptureQueriesContext(connection) as few:
        ann.get(LIST)
    for number in range(10):
        user = person_of("viewer", f"v{number}")
        Authenticator.objects.create(user=user, type="totp", data={})
        UserSession.objects.create(user=user, ip="::1", session_key=str(number), user_agent="")
    with CaptureQueriesContext(connection) as many:
        page = ann.get(LIST).content.decode()
    assert len(many) == len(few)
    assert page.count('shield-check"></use></svg>on') == 10


def test_names_are_text_and_hidden_characters_are_seen(ann: Client, bob: Any) -> None:
    bob.first_name = "<b onclick=x>\u202eevil"
    bob.email = "a\u200bb@example.org"
    bob.save()
    for url in (LIST, of(bob)):
        page = ann.get(url).content.decode()
        assert "<b onclick" not in page
        assert "\u202e" not in page


def test_people_are_found_by_name_and_state(ann: Client, bob: Any) -> None:
    ann.post(of(bob, "active/"), {"active": "no"})
    assert f'href="{of(bob)}"' not in ann.get(LIST).content.decode()
    assert f'href="{of(bob)}"' in ann.get(LIST + "?state=inactive&q=BO").content.decode()
    assert "Nobody fits" in ann.get(LIST + "?q=zzz").content.decode()


# ---- invitations ----
def test_an_invited_person_chooses_a_password_and_is_in(ann: Client) -> None:
    link = link_on(invite(ann))
    assert link not in ann.get(LIST).content.decode()
    nina = Client()
    assert nina.get(link).status_code == nina.get(link).status_code == 200
    assert nina.post(link, NEW).headers["Location"] == "/"
    assert nina.get("/").status_code == 200
    made = get_user_model().objects.get(username="nina")
    assert (role_of(made), made.email) == (Role.OPERATOR, "nina@example.org")
    invited = AuditEvent.objects.get(event="person_invited")
    assert (invited.actor, invited.subject) == ("person:ann", "nina")
    assert Client().post(link, NEW).status_code == 403


def test_a_weak_password_is_refused_and_leaves_the_link_alive(
    ann: Client, caplog: pytest.LogCaptureFixture
) -> None:
    link = link_on(invite(ann))
    answer = Client().post(link, {"password1": "password", "password2": "password"})
    assert answer.status_code == 400
    assert "too common" in answer.content.decode()
    # Who reads the log must not come in by it.
    assert "Bad Request: /sign-in/invited/.../" in caplog.text
    assert Client().get(link).status_code == 200


def test_a_link_dies_with_its_time_a_sign_in_and_its_person(
    ann: Client, bob: Any, settings: Any
) -> None:
    link = invitation_path(bob)
    assert Client().get(link).status_code == 200
    settings.ACE_INVITATION_HOURS = -1
    assert Client().get(link).status_code == 403
    settings.ACE_INVITATION_HOURS = 72
    bob.is_active = False
    bob.save()
    assert Client().get(link).status_code == 403
    bob.is_active, bob.last_login = True, timezone.now()
    bob.save()
    assert Client().get(link).status_code == 403


def test_a_link_is_void_after_a_newer_one_and_stays_so_when_its_person_comes_back(
    ann: Client, bob: Any
) -> None:
    first = link_on(ann.post(of(bob, "link/")))
    second = link_on(ann.post(of(bob, "link/")))
    assert [Client().get(link).status_code for link in (first, second)] == [403, 200]
    for active in ("no", "yes"):
        ann.post(of(bob, "active/"), {"active": active})
        assert Client().get(second).status_code == 403
    assert Client().post(second, NEW).status_code == 403


@pytest.mark.parametrize("token", ["made-up", "e30:1:x", "x" * 300])
def test_a_made_up_link_lets_nobody_in(client: Client, token: str) -> None:
    assert client.get(f"/sign-in/invited/{token}/").status_code == 403
    assert client.post(f"/sign-in/invited/{token}/", NEW).status_code == 403


def test_a_link_opened_by_the_admin_makes_them_the_other_person(ann: Client, bob: Any) -> None:
    ann.post(invitation_path(bob), NEW)
    assert ann.session["_auth_user_id"] == str(bob.pk)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"username": "BOB"}, "somebody of that user name"),
        ({"username": "bob"}, "Nobody was invited. There is somebody of that user name.<"),
        ({"username": ""}, "An invitation needs a user name"),
        ({"username": "not a name!"}, "valid username"),
        ({"email": "BOB@example.org"}, "has that e-mail address"),
        ({"email": "nowhere"}, "valid email"),
        ({"role": "king"}, "and a role"),
    ],
)
def test_an_invitation_that_cannot_be_is_refused(
    ann: Client, bob: Any, changed: dict[str, str], said: str
) -> None:
    bob.email = "bob@example.org"
    bob.save()
    answer = invite(ann, **changed)
    assert answer.status_code == 400
    assert said in answer.content.decode()
    assert not get_user_model().objects.filter(username="nina").exists()


# ---- changes ----
def test_a_role_is_given_at_once_and_recorded(ann: Client, bob: Any) -> None:
    theirs = Client()
    theirs.force_login(bob)
    ann.post(of(bob, "role/"), {"role": "operator"})
    assert theirs.get(LIST).status_code == 200
    ann.post(of(bob, "role/"), {"role": "viewer"})
    assert theirs.get(LIST).status_code == 403
    events = AuditEvent.objects.filter(event="role_changed").order_by("number")
    assert [(e.data["before"], e.data["after"]) for e in events] == [
        ("reviewer", "operator"), ("operator", "viewer"),
    ]  # fmt: skip


def test_a_superuser_who_is_given_a_role_has_no_more_than_that(
    ann: Client, django_user_model: Any
) -> None:
    root = django_user_model.objects.create_superuser("root")
    ann.post(of(root, "role/"), {"role": "viewer"})
    root = django_user_model.objects.get(pk=root.pk)
    assert (role_of(root), root.is_superuser, root.is_staff) == (Role.VIEWER, False, False)


def test_the_last_admin_stays_one(ann: Client, bob: Any) -> None:
    me = get_user_model().objects.get(username="ann")
    page = ann.post(of(me, "role/"), {"role": "viewer"}, follow=True).content.decode()
    assert "make somebody else one first" in page
    assert role_of(get_user_model().objects.get(pk=me.pk)) is Role.ADMIN


def test_an_admin_who_never_came_does_not_count(ann: Client) -> None:
    invite(ann, role="admin")
    me = get_user_model().objects.get(username="ann")
    ann.post(of(me, "role/"), {"role": "viewer"})
    assert role_of(get_user_model().objects.get(pk=me.pk)) is Role.ADMIN


def test_with_another_admin_one_may_step_down(ann: Client, bob: Any) -> None:
    ann.post(of(bob, "role/"), {"role": "admin"})
    me = get_user_model().objects.get(username="ann")
    ann.post(of(me, "role/"), {"role": "viewer"})
    assert role_of(get_user_model().objects.get(pk=me.pk)) is Role.VIEWER


def test_who_is_shut_out_is_signed_out_and_cannot_return(ann: Client, bob: Any) -> None:
    theirs = Client()
    theirs.post("/sign-in/", {"login": "bob", "password": "a long password 42"})
    assert theirs.get("/").status_code == 200
    ann.post(of(bob, "active/"), {"active": "no"})
    assert theirs.get("/").status_code == 302
    assert not UserSession.objects.filter(user=bob).exists()
    theirs.post("/sign-in/", {"login": "bob", "password": "a long password 42"})
    assert theirs.get("/").status_code == 302
    ann.post(of(bob, "active/"), {"active": "yes"})
    theirs.post("/sign-in/", {"login": "bob", "password": "a long password 42"})
    assert theirs.get("/").status_code == 200
    names = AuditEvent.objects.filter(subject="bob", actor="person:ann").values_list("event")
    assert {name for (name,) in names} == {"person_deactivated", "person_activated"}


def test_nobody_shuts_themselves_out(ann: Client) -> None:
    me = get_user_model().objects.get(username="ann")
    ann.post(of(me, "active/"), {"active": "no"})
    assert ann.get("/").status_code == 200


def test_a_new_link_is_shown_once_and_recorded(ann: Client, bob: Any) -> None:
    link = link_on(ann.post(of(bob, "link/")))
    assert Client().post(link, NEW).status_code == 302
    issued = AuditEvent.objects.get(event="password_link_issued")
    assert (issued.actor, issued.subject) == ("person:ann", "bob")


def test_lost_factors_are_taken_away_and_recorded(ann: Client, bob: Any) -> None:
    Authenticator.objects.create(user=bob, type="totp", data={})
    ann.post(of(bob, "factors/"))
    assert not Authenticator.objects.filter(user=bob).exists()
    assert AuditEvent.objects.get(event="factors_removed").data == {"factors": ["totp"]}


def test_an_admins_session_changes_none_of_its_own_factors_and_passwords_here(ann: Client) -> None:
    me = get_user_model().objects.get(username="ann")
    Authenticator.objects.create(user=me, type="totp", data={})
    for change in ("factors/", "link/"):
        said = ann.post(of(me, change), follow=True).content.decode()
        assert "on your account page" in said and "/sign-in/invited/" not in said
    assert Authenticator.objects.filter(user=me).exists()
    assert not AuditEvent.objects.filter(event="password_link_issued").exists()


def test_an_address_tells_people_apart(
    ann: Client, bob: Any, person_of: Callable[..., Any]
) -> None:
    other = person_of("viewer", "vera")
    ann.post(of(other, "email/"), {"email": "v@example.org"})
    ann.post(of(bob, "email/"), {"email": "V@example.org"})
    ann.post(of(other, "email/"), {"email": "not one"})
    bob.refresh_from_db()
    other.refresh_from_db()
    assert (bob.email, other.email) == ("", "v@example.org")
    assert AuditEvent.objects.filter(event="email_changed").count() == 1


# ---- the first admin ----
def first_admin(*asked: str) -> str:
    out = StringIO()
    call_command("first_admin", *asked, stdout=out)
    return out.getvalue()


def test_the_first_admin_comes_by_a_command_and_chooses_a_password(client: Client) -> None:
    said = first_admin("ann", "--url", "https://ace.example.com/")
    link = said.split()[-1]
    assert link.startswith("https://ace.example.com/sign-in/invited/")
    ann = get_user_model().objects.get()
    assert (ann.username, role_of(ann), ann.has_usable_password()) == ("ann", Role.ADMIN, False)
    told = AuditEvent.objects.get(event="person_invited")
    assert (told.actor, told.subject, told.data) == ("automatic", "ann", {"role": "admin"})
    # A link that nobody used can be had anew; the name of another cannot come beside hers.
    newer = first_admin("ann", "--url", "https://ace.example.com/").split()[-1]
    with pytest.raises(CommandError, match="there is an admin already: ann"):
        first_admin("eve")
    path, newest = (one.removeprefix("https://ace.example.com") for one in (link, newer))
    client.post(path, NEW)
    assert client.get("/people/").status_code == 302
    assert client.post(newest, NEW).status_code == 302
    assert client.get("/people/").status_code == 200
    with pytest.raises(CommandError, match="there is an admin already: ann"):
        first_admin("ann")
    assert get_user_model().objects.count() == 1


def test_a_first_admin_takes_no_name_that_is_taken(bob: Any) -> None:
    for name in ("bob", "BOB", "b ob", ""):
        with pytest.raises(CommandError):
            first_admin(name)
    assert [role_of(person) for person in get_user_model().objects.all()] == [Role.REVIEWER]
    assert first_admin("ann").split()[-1].startswith("http://")
