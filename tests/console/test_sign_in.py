"""Signing in: by password, and once by the link that a fresh installation prints."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.cache import caches
from django.test import Client
from django.urls import NoReverseMatch, reverse

from ace_project.console.accounts.links import one_time_path
from ace_project.core.people import first_operator
from playbooks.models import AuditEvent

pytestmark = pytest.mark.django_db
PASSWORD = "a long password 42"


@pytest.fixture
def operator(django_user_model: Any) -> Any:
    """Return the operator of a fresh installation."""
    return django_user_model.objects.create_superuser("operator", password=PASSWORD)


def test_the_link_signs_in_once_and_leads_to_the_overview(client: Client, operator: Any) -> None:
    path = one_time_path(operator)
    assert client.get(path).headers["Location"] == "/"
    assert client.get("/").status_code == 200
    again = Client().get(path)
    assert again.status_code == 403
    assert "This link has been used" in again.content.decode()


@pytest.mark.parametrize("token", ["made-up", "x" * 200])
def test_a_made_up_link_signs_nobody_in(client: Client, operator: Any, token: str) -> None:
    for pk in (operator.pk, 999):
        assert client.get(reverse("sign-in-once", args=[pk, token])).status_code == 403
    assert client.get("/").status_code == 302


def test_the_link_of_someone_who_left_is_dead(client: Client, operator: Any) -> None:
    path = one_time_path(operator)
    operator.is_active = False
    operator.save()
    assert client.get(path).status_code == 403


def test_the_link_is_only_followed(client: Client, operator: Any) -> None:
    assert client.post(one_time_path(operator)).status_code == 405


def test_a_password_signs_in_and_goes_on_to_the_page_asked_for(
    client: Client, operator: Any
) -> None:
    form = {"login": "operator", "password": PASSWORD, "next": "/review/"}
    assert client.post("/sign-in/", form).headers["Location"] == "/review/"


def test_a_wrong_password_says_so_and_keeps_the_name(client: Client, operator: Any) -> None:
    answer = client.post("/sign-in/", {"login": "operator", "password": "wrong"})
    assert answer.status_code == 200
    page = answer.content.decode()
    assert 'role="alert"' in page
    assert 'value="operator"' in page


def test_nobody_is_led_to_another_site(client: Client, operator: Any) -> None:
    form = {
        "login": "operator", "password": PASSWORD, "next": "https://evil.example/",
    }  # fmt: skip
    assert client.post("/sign-in/", form).headers["Location"] == "/"


def wrong(client: Client, name: str = "operator", **extra: Any) -> Any:
    return client.post("/sign-in/", {"login": name, "password": "wrong"}, **extra)


def right(client: Client, **extra: Any) -> Any:
    return client.post("/sign-in/", {"login": "operator", "password": PASSWORD}, **extra)


def events(name: str) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(chain="", event=name))


def test_the_session_gets_another_key_at_sign_in(client: Client, operator: Any) -> None:
    client.get("/sign-in/")
    before = client.session
    before["kept"] = True
    before.save()
    client.cookies["sessionid"] = before.session_key
    right(client)
    assert client.get("/").headers["Cache-Control"] == "private"
    assert client.session.session_key != before.session_key
    assert not before.exists(before.session_key)


def test_a_sign_in_is_recorded_with_its_way_and_address(client: Client, operator: Any) -> None:
    right(client)
    (event,) = events("signed_in")
    assert (event.actor, event.subject) == ("person:operator", "operator")
    assert event.data == {"ways": ["password"], "from": "127.0.0.1"}


def test_the_printed_link_is_recorded_as_a_link(client: Client, operator: Any) -> None:
    client.get(one_time_path(operator))
    assert [event.data["ways"] for event in events("signed_in")] == [["link"]]


def test_after_five_wrong_passwords_every_process_refuses_the_right_one(
    client: Client, operator: Any
) -> None:
    for _ in range(5):
        assert "wrong" in wrong(client).content.decode()
    # What another process has: a cache of its own making, and none of this one's memory.
    del caches["default"]
    caches["local"].clear()
    answer = right(Client(REMOTE_ADDR="203.0.113.9"))
    assert answer.status_code == 200
    assert "Too many wrong tries" in answer.content.decode()
    assert Client().get("/").status_code == 302


def test_guessing_many_names_from_one_address_is_braked_too(client: Client, operator: Any) -> None:
    for number in range(10):
        wrong(client, f"name-{number}")
    assert "Too many wrong tries" in wrong(client, "name-10").content.decode()
    assert "Too many" not in wrong(Client(REMOTE_ADDR="203.0.113.9"), "x").content.decode()


def test_no_port_in_the_host_and_no_capital_begins_the_count_anew(operator: Any) -> None:
    for number in range(5):
        wrong(Client(headers={"Host": f"localhost:{8000 + number}"}), "Operator")
    assert "Too many wrong tries" in right(Client(headers={"Host": "localhost"})).content.decode()
    (event,) = events("sign_in_failed")
    assert event.subject == "operator"


def test_a_burst_of_wrong_passwords_is_recorded_once(client: Client, operator: Any) -> None:
    for _ in range(8):
        wrong(client)
    (event,) = events("sign_in_failed")
    assert event.subject == "operator"
    assert event.data == {"from": "127.0.0.1", "tries": 5, "minutes": 5}


def test_a_name_that_nobody_has_is_not_recorded(client: Client, operator: Any) -> None:
    # Somebody may have typed their password into the wrong field.
    for _ in range(5):
        wrong(client, "my secret password")
    (event,) = events("sign_in_failed")
    assert event.subject == "an unknown name"


@pytest.mark.parametrize(("proxies", "seen"), [(0, "127.0.0.1"), (1, "203.0.113.7")])
def test_a_header_names_the_client_only_behind_trusted_proxies(
    client: Client, operator: Any, settings: Any, proxies: int, seen: str
) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies
    right(client, headers={"X-Forwarded-For": "198.51.100.1, 203.0.113.7"})
    (event,) = events("signed_in")
    assert event.data["from"] == seen


def test_the_data_admin_has_no_way_in_of_its_own(client: Client, operator: Any) -> None:
    page = "/admin/login/?next=/admin/"
    assert client.get(page).headers["Location"] == "/sign-in/?next=/admin/"
    client.post(page, {"username": "operator", "password": PASSWORD})
    assert "_auth_user_id" not in client.session
    assert client.get("/admin/").status_code == 302


@pytest.mark.parametrize(
    "name", ["account_signup", "account_reset_password", "account_email", "socialaccount_signup"]
)
def test_nobody_signs_up_or_resets_a_password_by_mail(name: str) -> None:
    with pytest.raises(NoReverseMatch):
        reverse(name)


def test_signing_out_takes_a_form_and_ends_the_session(client: Client, operator: Any) -> None:
    right(client)
    assert client.get("/sign-out/").status_code == 200
    assert client.get("/").status_code == 200
    assert client.post("/sign-out/").headers["Location"] == "/sign-in/"
    assert client.get("/").status_code == 302


def test_a_page_of_the_sign_in_carries_no_inline_script(client: Client, operator: Any) -> None:
    answer = client.get("/sign-in/")
    assert "unsafe-inline" not in answer.headers["Content-Security-Policy"]
    assert not re.search(r"<script(?![^>]*\bsrc=)", answer.content.decode())


def test_the_first_operator_is_found_again_after_becoming_an_admin_by_role(operator: Any) -> None:
    operator.is_superuser = False
    operator.save()
    operator.groups.add(Group.objects.get(name="admin"))
    assert first_operator() == operator


def test_a_machine_whose_operator_lost_every_right_gets_a_new_one(operator: Any) -> None:
    operator.is_superuser = False
    operator.save()
    assert first_operator().username == "operator-2"
