"""Settings from the environment: typed, with secrets from files, failing in one clear line."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def text(name: str, default: str = "") -> str:
    """Return variable `name`; `NAME_FILE` names a file that holds it instead."""
    path = os.environ.get(f"{name}_FILE")
    if path and name in os.environ:
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set; keep one")
    if path:
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ImproperlyConfigured(f"{name}_FILE={path} cannot be read: {error}") from error
    return os.environ.get(name, default)


def is_given(name: str) -> bool:
    """Return whether variable `name`, or the file that holds it, is set."""
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))


def _parsed(name: str, default: T, parse: Callable[[str], T], wanted: str) -> T:
    raw = text(name)
    if raw == "":
        return default
    try:
        return parse(raw)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}={raw!r} is not {wanted}") from error


def integer(name: str, default: int, low: int = 0, high: int = 2**31 - 1) -> int:
    """Return variable `name` as a whole number from `low` to `high`."""
    value = _parsed(name, default, int, "a whole number")
    if not low <= value <= high:
        raise ImproperlyConfigured(f"{name}={value} is not from {low} to {high}")
    return value


def number(name: str, default: float, low: float = 0.0, high: float = 1e12) -> float:
    """Return variable `name` as a finite number from `low` to `high`."""
    value = _parsed(name, default, float, "a number")
    if not low <= value <= high:
        raise ImproperlyConfigured(f"{name}={value} is not from {low:g} to {high:g}")
    return value


def boolean(name: str, default: bool) -> bool:
    """Return variable `name` as a truth value: true/false, yes/no, on/off, 1/0."""
    words = {"1": True, "true": True, "yes": True, "on": True}
    words |= {"0": False, "false": False, "no": False, "off": False}

    def parse(raw: str) -> bool:
        if raw.lower() not in words:
            raise ValueError(raw)
        return words[raw.lower()]

    return _parsed(name, default, parse, "true or false")


def names(name: str, default: tuple[str, ...] = ()) -> list[str]:
    """Return variable `name` split at commas, without empty items."""
    raw = text(name)
    return [item.strip() for item in raw.split(",") if item.strip()] if raw else list(default)


def networks(name: str) -> list[IPv4Network | IPv6Network]:
    """Return variable `name` as IP networks, split at commas: `10.1.0.0/16, ::1`."""
    try:
        return [ip_network(item) for item in names(name)]
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from error


def database(name: str) -> dict[str, object] | None:
    """Return Django's settings for the PostgreSQL URL in variable `name`, None if it is unset."""
    url = text(name)
    if not url:
        return None
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    try:
        port = parts.port
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} has a port that is not a number") from error
    if parts.scheme not in ("postgres", "postgresql") or not parts.path.strip("/"):
        raise ImproperlyConfigured(f"{name} is not of the form postgres://user:pass@host:port/name")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", unquote(parts.hostname or "")),
        "PORT": str(port or ""),
        "OPTIONS": dict(query),
    }


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """An S3-compatible bucket and how to sign requests to it; `prefix` is empty or ends with /."""

    host: str  # with the port, if it has one
    secure: bool
    bucket: str
    prefix: str
    region: str
    key_id: str
    secret: str = field(repr=False)


def object_store(name: str) -> ObjectStore | None:
    """Return the store at `name`_URL, None where nothing of it is set; half a store is refused."""
    url, key_id, secret = (text(f"{name}_{part}") for part in ("URL", "KEY_ID", "SECRET"))
    if not (url or key_id or secret):
        return None
    if not (url and key_id and secret):
        raise ImproperlyConfigured(
            f"{name}_URL, _KEY_ID and _SECRET are set together or not at all"
        )
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}_URL is no address: {error}") from error
    bucket, _, prefix = parts.path.strip("/").partition("/")
    plain = not (parts.query or parts.fragment or "@" in parts.netloc)
    legal = re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", bucket)
    if parts.scheme not in ("http", "https") or not host or not plain or not legal:
        raise ImproperlyConfigured(f"{name}_URL is not of the form https://host:port/bucket/prefix")
    if not re.fullmatch(r"[A-Za-z0-9._/-]{0,200}", prefix):
        raise ImproperlyConfigured(f"{name}_URL has a prefix of more than letters, digits and ._/-")
    if find_spec("minio") is None:
        raise ImproperlyConfigured(f"{name}_URL needs a package: pip install 'minio>=7.2.20,<8'")
    return ObjectStore(
        host=parts.netloc,
        secure=parts.scheme == "https",
        bucket=bucket,
        prefix=f"{prefix}/" if prefix else "",
        region=text(f"{name}_REGION", "us-east-1"),
        key_id=key_id,
        secret=secret,
    )


@dataclass(frozen=True, slots=True)
class OidcProvider:
    """An OpenID Connect provider that people sign in with; its addresses are discovered."""

    issuer: str
    client_id: str
    secret: str = field(repr=False)
    name: str

    def app(self) -> dict[str, object]:
        """Return it as allauth's settings have it."""
        return {
            "provider_id": "oidc",
            "name": self.name,
            "client_id": self.client_id,
            "secret": self.secret,
            "settings": {"server_url": self.issuer, "oauth_pkce_enabled": True},
        }


def oidc(name: str) -> OidcProvider | None:
    """Return the provider at `name`_ISSUER, None where nothing of it is set; half is refused."""
    issuer, client_id, secret = (
        text(f"{name}_{part}") for part in ("ISSUER", "CLIENT_ID", "CLIENT_SECRET")
    )
    if not (issuer or client_id or secret):
        return None
    if not (issuer and client_id and secret):
        raise ImproperlyConfigured(
            f"{name}_ISSUER, _CLIENT_ID and _CLIENT_SECRET are set together or not at all"
        )
    try:
        parts = urlsplit(issuer)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}_ISSUER is no address: {error}") from error
    plain = not (parts.query or parts.fragment or "@" in parts.netloc)
    # What the provider says is believed because TLS says who it is.
    safe = parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)
    if not (host and plain and safe):
        raise ImproperlyConfigured(f"{name}_ISSUER is not of the form https://host[:port]/path")
    return OidcProvider(
        issuer=issuer.rstrip("/"),
        client_id=client_id,
        secret=secret,
        name=text(f"{name}_NAME", "single sign-on"),
    )
