"""Second factors: asked for, used once, shown once, changed only by who proves to be there."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth as totp
from django.test import Client

from ace_project.console.accounts.links import invitation_path, one_time_path
from playbooks.models import AuditEvent

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("on_commit")]
PASSWORD = "a long password 42"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def code(ago: int = 0) -> str:
    """Return the app's code of now, or of so many periods ago."""
    return totp.format_hotp_value(totp.hotp_value(SECRET, int(time.time()) // 30 - ago))


@pytest.fixture
def ann(person_of: Callable[..., Any]) -> Any:
    """Return a reviewer with an authenticator app."""
    user = person_of("reviewer", "ann")
    totp.TOTP.activate(user, SECRET)
    return user


def with_password(client: Client) -> Any:
    return client.post("/sign-in/", {"login": "ann", "password": PASSWORD, "next": "/review/"})


def test_a_password_alone_leads_to_the_code_and_no_further(client: Client, ann: Any) -> None:
    assert with_password(client).headers["Location"] == "/sign-in/code/"
    assert client.get("/review/").status_code == 302
    assert client.get("/admin/").status_code == 302


def test_the_code_completes_the_sign_in_and_goes_on(client: Client, ann: Any) -> None:
    with_password(client)
    answer = client.post("/sign-in/code/", {"code": code()})
    assert answer.headers["Location"] == "/review/"
    assert client.get("/review/").status_code == 200
    event = AuditEvent.objects.get(event="signed_in")
    assert event.data["ways"] == ["password", "totp"]


def test_a_wrong_code_is_refused(client: Client, ann: Any) -> None:
    with_password(client)
    answer = client.post("/sign-in/code/", {"code": "000000" if code() != "000000" else "111111"})
    assert "That is wrong, or was used before." in answer.content.decode()
    assert client.get("/review/").status_code == 302


def test_a_code_signs_in_once_for_as_long_as_it_counts(client: Client, ann: Any) -> None:
    shown = code()
    with_password(client)
    client.post("/sign-in/code/", {"code": shown})
    # allauth's own memory of used codes ends after one period, while this code counts for three.
    totp.cache.delete(f"allauth.mfa.totp.used?user={ann.pk}&code={shown}")
    other = Client()
    with_password(other)
    for written in (shown, f"{shown[:3]} {shown[3:]}", f"{shown[:1]}-{shown[1:]}"):
        assert other.post("/sign-in/code/", {"code": written}).status_code == 200
    assert other.get("/review/").status_code == 302


def test_guessing_codes_is_braked(client: Client, ann: Any) -> None:
    with_password(client)
    for _ in range(5):
        client.post("/sign-in/code/", {"code": "12"})
    answer = client.post("/sign-in/code/", {"code": code()})
    assert "Too many wrong tries" in answer.content.decode()
    assert AuditEvent.objects.get(event="sign_in_failed").subject == "ann"


def test_a_used_code_does_not_end_the_count_of_wrong_ones(client: Client, ann: Any) -> None:
    used, fresh = code(ago=1), code()
    with_password(client)
    client.post("/sign-in/code/", {"code": used})
    totp.cache.delete(f"allauth.mfa.totp.used?user={ann.pk}&code={used}")
    other = Client()
    with_password(other)
    for tried in ("12", "12", "12", used, "12", "12"):
        other.post("/sign-in/code/", {"code": tried})
    assert "Too many" in other.post("/sign-in/code/", {"code": fresh}).content.decode()


def test_a_recovery_code_signs_in_once(client: Client, ann: Any) -> None:
    spare = RecoveryCodes.activate(ann).get_unused_codes()[0]
    with_password(client)
    client.post("/sign-in/code/", {"code": spare})
    assert client.get("/review/").status_code == 200
    other = Client()
    with_password(other)
    assert other.post("/sign-in/code/", {"code": spare}).status_code == 200
    assert other.get("/review/").status_code == 302


def test_the_printed_link_asks_for_no_code(client: Client, ann: Any) -> None:
    client.get(one_time_path(ann))
    assert client.get("/review/").status_code == 200


def test_a_link_of_an_admin_sets_a_password_and_still_asks_for_the_code(
    client: Client, ann: Any
) -> None:
    new = {"password1": "quite another 77", "password2": "quite another 77"}
    answer = client.post(invitation_path(ann), new)
    assert answer.headers["Location"] == "/sign-in/code/"
    assert client.get("/review/").status_code == 302
    client.post("/sign-in/code/", {"code": code()})
    assert client.get("/review/").status_code == 200


def test_secrets_are_not_readable_in_the_database(ann: Any) -> None:
    stored = Authenticator.objects.get(user=ann)
    assert SECRET not in str(stored.data)
    assert stored.wrap().validate_code(code())


def test_an_old_key_still_opens_them(ann: Any, settings: Any) -> None:
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key for tests alone, as long as it needs to be"
    assert Authenticator.objects.get(user=ann).wrap().validate_code(code())


def set_up(client: Client) -> Any:
    """Set an app up by the pages; return the answer that follows."""
    client.get("/account/app/")
    key = client.session[totp.SECRET_SESSION_KEY]
    shown = totp.format_hotp_value(totp.hotp_value(key, int(time.time()) // 30))
    return client.post("/account/app/", {"code": shown}, follow=True)


def test_setting_up_asks_for_the_password_first_and_shows_the_codes_once(
    signed_in: Callable[..., Client],
) -> None:
    bob = signed_in("reviewer", "bob")
    asked = bob.get("/account/app/").headers["Location"]
    assert asked.startswith("/sign-in/again/")
    bob.post(asked, {"password": PASSWORD})
    assert "no-store" in bob.get("/account/app/").headers["Cache-Control"]
    answer = set_up(bob)
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.redirect_chain[-1][0] == "/account/codes/"
    user = answer.context["user"]
    codes = RecoveryCodes.activate(user).get_unused_codes()
    assert len(codes) == 10
    assert all(spare in answer.content.decode() for spare in codes)
    again = bob.get("/account/codes/").content.decode()
    assert not any(spare in again for spare in codes)
    added = AuditEvent.objects.filter(event="factor_added").values_list("data__factor", flat=True)
    assert sorted(added) == ["recovery_codes", "totp"]


def test_a_factor_is_not_removed_by_whoever_found_the_screen_unlocked(
    client: Client, ann: Any
) -> None:
    client.force_login(ann)
    answer = client.post("/account/app/remove/")
    assert answer.headers["Location"].startswith("/sign-in/again/")
    assert Authenticator.objects.filter(user=ann).exists()
    client.post(answer.headers["Location"], {"password": "wrong"})
    assert Authenticator.objects.filter(user=ann).exists()
    client.post(answer.headers["Location"], {"password": PASSWORD})
    assert not Authenticator.objects.filter(user=ann).exists()
    assert AuditEvent.objects.get(event="factor_removed").subject == "ann"


@pytest.mark.parametrize("page", ["app/", "app/remove/", "codes/new/", "passkeys/add/", "codes/"])
def test_a_stranger_gets_to_no_factor(client: Client, ann: Any, page: str) -> None:
    assert client.get(f"/account/{page}").headers["Location"].startswith("/sign-in/")


def test_nobody_removes_the_passkey_of_somebody_else(
    signed_in: Callable[..., Client], ann: Any
) -> None:
    theirs = Authenticator.objects.create(user=ann, type="webauthn", data={"name": "Laptop"})
    bob = signed_in("admin", "bob")
    bob.post("/sign-in/again/", {"password": PASSWORD})
    assert bob.post(f"/account/passkeys/{theirs.pk}/remove/").status_code == 404
    assert bob.get(f"/account/passkeys/{theirs.pk}/name/").status_code == 404
    assert Authenticator.objects.filter(pk=theirs.pk).exists()
