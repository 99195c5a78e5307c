"""Where models are asked: any OpenAI-compatible address, with what it wants in its headers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit

from django.conf import settings

from ace_project.core.errors import AceError

OPENAI_URL = "https://api.openai.com/v1"
PORTKEY_URL = "https://api.portkey.ai/v1"
_AZURE_HOSTS = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")
_NAME_CHARS = 255
# What a header can carry: no line break, nothing beyond ASCII.
_HEADER = re.compile(r"[\x20-\x7e]*")
_VISIBLE = re.compile(r"[\x21-\x7e]+")
# A name of labels that the system's resolver takes, or an address.
_HOST = re.compile(
    r"([A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]+(%\w+)?"
)


class EndpointInvalid(AceError):
    """The address or the key of the settings cannot be right; the detail shows no secret."""

    title = "The address of the language model is not valid"


@dataclass(frozen=True)
class Endpoint:
    """An address that answers chat completions; `secrets` are headers, never shown.

    `base_url` is without query (some put a key there, so that is not shown either); `{model}` in
    it stands for the model (Azure's deployments).
    """

    base_url: str
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """Return the address without query and credentials, as it stands in rows and figures."""
        parts = urlsplit(self.base_url)
        host = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{host}{parts.path}".rstrip("/")[:_NAME_CHARS]

    @property
    def host(self) -> str:
        return urlsplit(self.base_url).hostname or ""

    def url_for(self, model: str) -> str:
        """Return the base URL for calls of `model`."""
        return self.base_url.replace("{model}", quote(model, safe=""))

    def scrub(self, text: str) -> str:
        """Return `text` without any secret of this endpoint: some echo the key in their errors."""
        queried = [value for name, value in self.query.items() if name != "api-version"]
        for value in (*self.secrets.values(), *queried):
            secret = value.removeprefix("Bearer ")
            # A word as short as "x" would blank out half of the text, and is no secret.
            if len(secret) >= 6:
                text = text.replace(secret, "[key]")
        return text


def configured() -> Endpoint | None:
    """Return the endpoint of the settings, None where no model is configured.

    Raises EndpointInvalid, which a check at the start says first.
    """
    base_url, key = settings.ACE_LLM_BASE_URL, settings.ACE_LLM_API_KEY
    portkey = settings.PORTKEY_API_KEY
    if not (base_url or key or portkey):
        return None
    return endpoint_at(base_url or (PORTKEY_URL if portkey else OPENAI_URL), key, _portkey())


def endpoint_at(base_url: str, key: str, more: Mapping[str, str]) -> Endpoint:
    """Return the endpoint at `base_url`; raises EndpointInvalid where that cannot be one."""
    parts = _parts(base_url)
    if not all(_HEADER.fullmatch(value) for value in (key, *more.values())):
        raise EndpointInvalid("a key of a model's endpoint is of printable ASCII characters")
    query = dict(parse_qsl(parts.query))
    azure = "api-version" in query or (parts.hostname or "").endswith(_AZURE_HOSTS)
    path = parts.path.rstrip("/")
    if azure and path in ("", "/openai") and "api-version" in query:
        path = "/openai/deployments/{model}"
    secrets = dict(more)
    if key:
        secrets |= {"api-key": key} if azure else {"authorization": f"Bearer {key}"}
    return Endpoint(f"{parts.scheme}://{parts.netloc}{path}", query, secrets)


def _parts(base_url: str) -> SplitResult:
    url = base_url.strip()
    try:
        parts = urlsplit(url)
        usable = _is_usable(url, parts)
    except ValueError:
        usable = False
    if not usable:
        raise EndpointInvalid(
            "ACE_LLM_BASE_URL, a model's address, is not of the form https://host/path"
        )
    if parts.username or parts.password:
        raise EndpointInvalid("a model's address holds no credentials: they are ACE_LLM_API_KEY")
    return parts


def _is_usable(url: str, parts: SplitResult) -> bool:
    if parts.scheme not in ("http", "https") or parts.port == 0:
        return False
    return bool(_VISIBLE.fullmatch(url) and _HOST.fullmatch(parts.hostname or ""))


def models_for(overrides: Mapping[str, Any]) -> list[str]:
    """Return the models to ask in order, each once: the agent's or the default, then fallbacks."""
    first = overrides.get("ACE_LLM_MODEL") or settings.ACE_LLM_MODEL
    return list(dict.fromkeys([first, *settings.ACE_LLM_FALLBACK_MODELS]))


def _portkey() -> dict[str, str]:
    if not settings.PORTKEY_API_KEY:
        return {}
    headers = {
        "x-portkey-api-key": settings.PORTKEY_API_KEY,
        "x-portkey-virtual-key": settings.ACE_PORTKEY_VIRTUAL_KEY,
        "x-portkey-config": settings.ACE_PORTKEY_CONFIG,
        "x-portkey-provider": settings.ACE_PORTKEY_PROVIDER,
    }
    return {name: value for name, value in headers.items() if value}
