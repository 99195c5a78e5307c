"""Signing in in a real browser: with an authenticator app, with a passkey, without a script."""

from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp

from tests.e2e.conftest import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
# Time stands still for codes, so that none grows old on a slow machine.
STEP = 60_000_000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Hold the clock of codes; a test moves it on."""
    held = {"step": STEP}
    monkeypatch.setattr(totp, "yield_hotp_counters_from_time", lambda: iter([held["step"]]))
    return held


def code(secret: str, clock: dict[str, int]) -> str:
    return totp.format_hotp_value(totp.hotp_value(secret, clock["step"]))


def confirm(page: Any) -> None:
    page.wait_for_url("**/sign-in/again/**")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()


def sign_out(page: Any) -> None:
    page.get_by_role("button", name="Sign out").first.click()
    page.wait_for_url("**/sign-in/")


def by_password(page: Any) -> None:
    page.get_by_label("User name").fill("ann")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_an_authenticator_app_is_set_up_and_asked_for(
    visit: Callable[..., Any], clock: dict[str, int], script: bool
) -> None:
    page = visit(java_script_enabled=script)
    page.goto("/account/")
    page.get_by_role("link", name="Set up").click()
    confirm(page)
    page.wait_for_url("**/account/app/")
    secret = page.locator("#totp-key").inner_text()
    page.get_by_label("Code").fill(code(secret, clock))
    page.get_by_role("button", name="Turn it on").click()
    page.wait_for_url("**/account/codes/")
    assert len(page.locator("#codes").inner_text().split()) == 10
    page.get_by_role("link", name="I keep them").click()
    page.wait_for_url("**/account/")
    sign_out(page)
    by_password(page)
    page.wait_for_url("**/sign-in/code/")
    clock["step"] += 1
    page.get_by_label("Code").fill(code(secret, clock))
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("navigation", name="Main").wait_for()


def passkeys(page: Any) -> None:
    """Give the page's browser a device that holds passkeys and says yes."""
    device = page.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    device.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def test_a_passkey_is_added_signs_in_alone_and_is_a_second_factor(
    visit: Callable[..., Any], live_server: Any
) -> None:
    # Browsers bind passkeys to a host name; the server listens on an address of its own.
    page = visit(base_url=live_server.url.replace("127.0.0.1", "localhost"))
    passkeys(page)
    page.goto("/account/")
    page.get_by_role("link", name="Add", exact=True).click()
    confirm(page)
    page.wait_for_url("**/passkeys/add/")
    without = page.context.new_page()
    without.add_init_script("delete window.PublicKeyCredential")
    without.goto(page.url)
    without.get_by_text("This browser has no passkeys.").wait_for()
    without.close()
    # Each page that is opened has a challenge of its own, the newest of which holds.
    page.reload()
    page.get_by_label("Name", exact=True).fill("Laptop")
    page.get_by_role("button", name="Add it").click()
    page.wait_for_url("**/account/codes/")
    page.get_by_role("link", name="I keep them").click()
    page.get_by_text("Laptop", exact=True).wait_for()
    assert Authenticator.objects.get(type="webauthn").wrap().is_passwordless
    sign_out(page)
    page.get_by_role("button", name="Use a passkey instead").click()
    page.get_by_role("navigation", name="Main").wait_for()
    sign_out(page)
    by_password(page)
    page.wait_for_url("**/sign-in/code/")
    page.get_by_role("button", name="Use a passkey").click()
    page.get_by_role("navigation", name="Main").wait_for()
