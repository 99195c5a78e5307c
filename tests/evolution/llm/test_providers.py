"""Every kind of endpoint is called at its address, with its headers and no other's."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core import checks

from evolution.llm import dialects, gateway, providers
from evolution.llm.checks import the_model_s_settings_can_be_used
from evolution.llm.question import Question
from tests.conftest import ROOT
from tests.endpoint import Endpoint
from tests.evolution.llm.conftest import KEY, MODEL, calls

Put = Callable[..., gateway.Answer]
QUESTION = Question(messages=[], schema={"type": "object"}, purpose="test", max_tokens=16)


def at(settings: Any, url: str, key: str = "k" * 10) -> providers.Endpoint:
    settings.ACE_LLM_BASE_URL, settings.ACE_LLM_API_KEY = url, key
    endpoint = providers.configured()
    assert endpoint
    return endpoint


def test_a_key_alone_means_openai(settings: Any) -> None:
    endpoint = at(settings, "")
    assert endpoint.base_url == "https://api.openai.com/v1"
    assert endpoint.secrets == {"authorization": "Bearer kkkkkkkkkk"}


def test_a_portkey_key_alone_means_portkey(settings: Any) -> None:
    settings.PORTKEY_API_KEY = "portkey-secret"
    endpoint = at(settings, "", key="")
    assert endpoint.base_url == "https://api.portkey.ai/v1"
    assert endpoint.secrets == {"x-portkey-api-key": "portkey-secret"}


@pytest.mark.parametrize(
    ("url", "model", "called"),
    [
        ("http://localhost:11434/v1/", "qwen3", "http://localhost:11434/v1"),
        ("http://[::1]:8000/v1", "m", "http://[::1]:8000/v1"),
        ("http://llm_server.:8000", "m", "http://llm_server.:8000"),
        ("https://api.anthropic.com/v1/", "claude", "https://api.anthropic.com/v1"),
        (
            "https://eu-aiplatform.googleapis.com/v1/projects/p/locations/eu/endpoints/openapi",
            "google/gemini-2.5-flash",
            "https://eu-aiplatform.googleapis.com/v1/projects/p/locations/eu/endpoints/openapi",
        ),
        (
            "https://us.openai.azure.com?api-version=2024-10-21",
            "my gpt",
            "https://us.openai.azure.com/openai/deployments/my%20gpt",
        ),
        (
            "https://us.openai.azure.com/openai/deployments/one?api-version=2024-10-21",
            "other",
            "https://us.openai.azure.com/openai/deployments/one",
        ),
        ("https://us.openai.azure.com/openai/v1", "m", "https://us.openai.azure.com/openai/v1"),
        (
            "https://us.openai.azure.com/openai/v1?api-version=preview",
            "m",
            "https://us.openai.azure.com/openai/v1",
        ),
    ],
)
def test_the_address_of_a_call(settings: Any, url: str, model: str, called: str) -> None:
    assert at(settings, url).url_for(model) == called


def test_azure_takes_its_key_in_a_header_of_its_own(settings: Any) -> None:
    endpoint = at(settings, "https://us.openai.azure.com/openai/v1")
    assert endpoint.secrets == {"api-key": "kkkkkkkkkk"}


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("ftp://host/v1", ""),
        ("host:8000/v1", ""),
        ("https:///v1", ""),
        ("https://me:secret-word@host/v1", ""),
        ("https://host:port/v1", ""),
        ("https://host name/v1", ""),
        ("https://a..b/v1", ""),
        ("https://" + "a" * 64 + "/v1", ""),
        ("https://[::1/v1", ""),
        ("https://host/v1\x00", ""),
        ("https://host/v1", "secret-word\nx: y"),
        ("https://host/v1", "secret-wörd"),
    ],
)
def test_an_address_or_key_that_cannot_be_right_is_refused_without_showing_it(
    settings: Any, url: str, key: str
) -> None:
    with pytest.raises(providers.EndpointInvalid, match="model") as caught:
        at(settings, url, key)
    assert "secret" not in str(caught.value)
    (found,) = the_model_s_settings_can_be_used()
    assert found.id == "ace.E003" and "secret" not in str(found)


def test_a_file_of_prices_that_cannot_be_used_is_found_at_the_start(
    settings: Any, tmp_path: Path
) -> None:
    settings.ACE_LLM_PRICES_FILE = str(tmp_path / "prices.json")
    (tmp_path / "prices.json").write_text('{"m": 3}')
    found = [error for error in checks.run_checks() if error.id == "ace.E003"]
    assert len(found) == 1 and "'m'" in found[0].msg


def test_the_name_of_an_endpoint_has_no_query_and_fits_its_column(settings: Any) -> None:
    endpoint = at(settings, "https://host/" + "a" * 300 + "?api-version=1&token=secret-word")
    assert len(endpoint.name) == 255 and "secret" not in endpoint.name


def test_a_secret_of_a_few_letters_does_not_blank_out_texts(settings: Any) -> None:
    assert at(settings, "http://localhost/v1", key="x").scrub("six axes") == "six axes"


def test_hosts_that_are_known_begin_with_what_they_understand() -> None:
    def body(host: str) -> dict[str, Any]:
        return dialects.request(QUESTION, "m", dialects.dialect_of(f"https://{host}", host, "m"))

    assert "max_completion_tokens" in body("api.openai.com")
    assert "response_format" not in body("api.anthropic.com")
    assert {"max_tokens", "response_format"} <= set(body("localhost"))


@pytest.mark.django_db
def test_portkey_s_headers_reach_the_server(wired: Endpoint, put: Put, settings: Any) -> None:
    settings.PORTKEY_API_KEY = "portkey-secret"
    settings.ACE_PORTKEY_VIRTUAL_KEY = "virtual-secret"
    settings.ACE_PORTKEY_CONFIG = "pc-config-1"
    settings.ACE_PORTKEY_PROVIDER = "openai"
    put()
    headers = wired.log[0].headers
    assert headers["x-portkey-api-key"] == "portkey-secret"
    assert headers["x-portkey-virtual-key"] == "virtual-secret"
    assert headers["x-portkey-config"] == "pc-config-1"
    assert headers["x-portkey-provider"] == "openai"
    assert headers["authorization"] == f"Bearer {KEY}"
    assert "secret" not in repr(providers.configured())


@pytest.mark.django_db
def test_an_azure_style_address_gets_its_version_and_its_header(
    wired: Endpoint, put: Put, settings: Any
) -> None:
    settings.ACE_LLM_BASE_URL = wired.base_url.replace("/v1", "/openai?api-version=2024-10-21")
    put()
    (met,) = wired.log
    wanted = f"/openai/deployments/{MODEL}/chat/completions?api-version=2024-10-21"
    assert met.path == wanted
    assert met.headers["api-key"] == KEY and "authorization" not in met.headers
    assert "api-version" not in calls()[0].endpoint


@pytest.mark.django_db
def test_an_endpoint_that_needs_no_key_gets_none(
    wired: Endpoint, put: Put, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY"):
        monkeypatch.setenv(name, "of-the-shell")
    settings.ACE_LLM_API_KEY = ""
    put()
    headers = wired.log[0].headers
    assert "authorization" not in headers and "of-the-shell" not in str(headers)


@pytest.mark.django_db
def test_the_shell_s_base_url_and_proxies_are_not_used(
    wired: Endpoint, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Endpoint() as other:
        monkeypatch.setenv("OPENAI_BASE_URL", other.base_url)
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, other.base_url)
        assert put().text == "ok"
        assert not other.log and len(wired.log) == 1


@pytest.mark.django_db
def test_an_endpoint_of_rows_names_where_it_was(wired: Endpoint, put: Put) -> None:
    assert put().endpoint == calls()[0].endpoint == wired.base_url


def test_a_process_that_asks_no_model_does_not_load_the_client() -> None:
    code = (
        "import django, sys; django.setup(); print({'openai', 'genai_prices'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (ran.stdout, ran.returncode) == ("set()\n", 0), ran.stderr
