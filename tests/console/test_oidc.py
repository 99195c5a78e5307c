"""Signing in through an identity provider: as one known person, never with a role of its saying."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.contrib.auth import get_user_model
from django.test import Client

from ace_project.core.people import Role, role_of
from playbooks.models import AuditEvent
from tests.identity import Identity

pytestmark = pytest.mark.django_db
BEGIN = "/sign-in/with/oidc/"
ANN = {"sub": "1", "email": "ann@example.org", "email_verified": True}


@pytest.fixture
def provider(settings: Any) -> Iterator[Identity]:
    """Return a running provider that ACE is set up with."""
    with Identity() as running:
        app = settings.ACE_OIDC.app() | {
            "settings": {"server_url": running.issuer, "oauth_pkce_enabled": True}
        }
        settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": [app]}}
        running.person = dict(ANN)
        yield running


@pytest.fixture
def ann(person_of: Callable[..., Any]) -> Any:
    """Return a reviewer with an e-mail address."""
    user = person_of("reviewer", "ann")
    user.email = "Ann@example.org"
    user.save()
    return user


def answer_of(client: Client, **changed: str) -> str:
    """Go to the provider as a browser would; return the address it sends back to."""
    sent = client.get(BEGIN + "?next=/review/")
    back = requests.get(sent.headers["Location"], allow_redirects=False, timeout=10)
    parts = urlsplit(back.headers["Location"])
    query = {name: values[0] for name, values in parse_qs(parts.query).items()} | changed
    return f"{parts.path}?" + "&".join(f"{name}={value}" for name, value in query.items())


def sign_in(client: Client, **changed: str) -> Any:
    return client.get(answer_of(client, **changed))


def is_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_a_known_person_comes_in_and_goes_on_to_the_page(
    client: Client, provider: Identity, ann: Any
) -> None:
    assert sign_in(client).headers["Location"] == "/review/"
    assert client.session["_auth_user_id"] == str(ann.pk)
    assert SocialAccount.objects.get().user == ann
    assert not SocialToken.objects.exists()
    ann.refresh_from_db()
    assert ann.check_password("a long password 42")
    assert AuditEvent.objects.get(event="identity_connected").subject == "ann"
    assert AuditEvent.objects.get(event="signed_in").data["ways"] == ["oidc"]


def test_the_flow_asks_with_state_nonce_and_proof(client: Client, provider: Identity) -> None:
    sent = client.get(BEGIN + "?scope=admin&auth_params=prompt%3Dnone&process=connect")
    query = parse_qs(urlsplit(sent.headers["Location"]).query)
    assert set(query["scope"][0].split()) == {"openid", "profile", "email"}
    assert query["code_challenge_method"] == ["S256"]
    assert len(query["nonce"][0]) >= 32
    assert len(query["state"][0]) >= 16
    assert "prompt" not in query


def test_once_connected_the_identity_counts_and_not_the_address(
    client: Client, provider: Identity, ann: Any, person_of: Callable[..., Any]
) -> None:
    sign_in(client)
    other = person_of("admin", "bob")
    ann.email, other.email = "", "ann@example.org"
    ann.save()
    other.save()
    again = Client()
    sign_in(again)
    assert again.session["_auth_user_id"] == str(ann.pk)


@pytest.mark.parametrize(
    "changed", [{"email_verified": False}, {"email_verified": "true"}, {"email": "eve@example.org"}]
)
def test_nobody_else_comes_in(
    client: Client, provider: Identity, ann: Any, changed: dict[str, Any]
) -> None:
    provider.person |= changed
    assert sign_in(client).status_code == 403
    assert not is_in(client)
    assert not SocialAccount.objects.exists()
    assert get_user_model().objects.count() == 1
    assert AuditEvent.objects.get(event="sign_in_refused").subject == "1"


def test_an_address_that_only_looks_alike_in_capitals_is_another(
    client: Client, provider: Identity, ann: Any
) -> None:
    ann.email = "ian@example.org"
    ann.save()
    provider.person |= {"email": "\u0131an@example.org"}
    assert sign_in(client).status_code == 403
    assert not is_in(client)


def test_who_is_shut_out_stays_out(client: Client, provider: Identity, ann: Any) -> None:
    sign_in(client)
    ann.is_active = False
    ann.save()
    again = Client()
    sign_in(again)
    assert not is_in(again)


def test_an_address_of_two_people_is_nobody(
    client: Client, provider: Identity, ann: Any, person_of: Callable[..., Any]
) -> None:
    other = person_of("admin", "bob")
    other.email = "ann@example.org"
    other.save()
    assert sign_in(client).status_code == 403
    assert not is_in(client)


def test_a_stranger_becomes_a_person_without_a_role_where_that_is_wanted(
    client: Client, provider: Identity, settings: Any
) -> None:
    settings.ACE_OIDC_SIGN_UP = True
    provider.person |= {"preferred_username": "ann", "groups": ["admin"], "role": "admin"}
    sign_in(client)
    made = get_user_model().objects.get()
    assert (made.username, role_of(made), made.is_staff) == ("ann", Role.NOBODY, False)
    assert client.get("/review/").status_code == 403
    assert "You have no role yet" in client.get("/review/").content.decode()


def test_the_deactivated_do_not_come_back_as_somebody_new(
    client: Client, provider: Identity, ann: Any, settings: Any
) -> None:
    settings.ACE_OIDC_SIGN_UP = True
    ann.is_active = False
    ann.save()
    assert sign_in(client).status_code == 403
    assert get_user_model().objects.count() == 1


def test_an_answer_to_another_state_is_refused(
    client: Client, provider: Identity, ann: Any
) -> None:
    assert sign_in(client, state="made-up-state-000").status_code == 401
    assert not is_in(client)


def test_an_answer_meant_for_another_browser_is_refused(
    client: Client, provider: Identity, ann: Any
) -> None:
    stolen = answer_of(Client())
    assert client.get(stolen).status_code == 401
    assert not is_in(client)


def test_an_answer_counts_once(client: Client, provider: Identity, ann: Any) -> None:
    address = answer_of(client)
    client.get(address)
    client.post("/sign-out/")
    assert client.get(address).status_code == 401
    assert not is_in(client)


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"nonce": "of another sign-in"}, 403),
        ({"nonce": ""}, 403),
        ({"sub": "2"}, 403),
        ({"aud": "another client"}, 401),
        ({"iss": "https://evil.example"}, 401),
        ({"exp": 1}, 401),
    ],
)
def test_a_token_made_for_something_else_is_refused(
    client: Client, provider: Identity, ann: Any, wrong: dict[str, Any], status: int
) -> None:
    provider.wrong = wrong
    assert sign_in(client).status_code == status
    assert not is_in(client)
    assert not SocialAccount.objects.exists()


def test_a_provider_that_is_away_is_told_as_a_page(client: Client, ann: Any) -> None:
    answer = client.get(BEGIN)
    assert answer.status_code == 401
    assert "could not be asked" in answer.content.decode()


def test_the_sign_in_offers_the_provider_where_there_is_one(client: Client, settings: Any) -> None:
    assert "Sign in with Test identity" in client.get("/sign-in/").content.decode()
    settings.ACE_OIDC = None
    assert "Test identity" not in client.get("/sign-in/").content.decode()
