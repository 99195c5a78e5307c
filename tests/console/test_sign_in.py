"""Signing in: by password, and once by the link that a fresh installation prints."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from ace_project.console.accounts.links import one_time_path

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(django_user_model: Any) -> Any:
    """Return the operator of a fresh installation."""
    return django_user_model.objects.create_superuser("operator", password="a long password 42")


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
    form = {"login": "operator", "password": "a long password 42", "next": "/review/"}
    assert client.post("/sign-in/", form).headers["Location"] == "/review/"


def test_a_wrong_password_says_so_and_keeps_the_name(client: Client, operator: Any) -> None:
    answer = client.post("/sign-in/", {"login": "operator", "password": "wrong"})
    assert answer.status_code == 200
    page = answer.content.decode()
    assert 'role="alert"' in page
    assert 'value="operator"' in page


def test_nobody_is_led_to_another_site(client: Client, operator: Any) -> None:
    form = {
        "login": "operator", "password": "a long password 42", "next": "https://evil.example/",
    }  # fmt: skip
    assert client.post("/sign-in/", form).headers["Location"] == "/"
