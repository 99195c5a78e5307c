"""How many bytes the first page costs a browser that never was here, and what it may keep."""

import gzip
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from posixpath import dirname, join, normpath
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

pytestmark = pytest.mark.django_db

MOST_BYTES = 250_000
_LINKED = re.compile(r'(?:href|src)="(/static/[^"#?]+)')
_IN_STYLE = re.compile(r'url\("?([^")#]+)"?\)')


@pytest.fixture
def released(settings: Any, tmp_path: Path) -> None:
    """Serve static files as production does: under hashed names, compressed beforehand."""
    settings.STATIC_ROOT = tmp_path
    settings.WHITENOISE_USE_FINDERS = False
    # Our own files alone: those of the admin are many, and no page of the console has them.
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    storage = "whitenoise.storage.CompressedManifestStaticFilesStorage"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": storage}}
    call_command("collectstatic", interactive=False, verbosity=0)


def _sent(client: Client, path: str) -> tuple[Any, bytes]:
    """Return an answer and its bytes as they are sent to a browser."""
    answer = client.get(path, headers={"accept-encoding": "gzip, deflate, br"})
    assert answer.status_code == 200, path
    return answer, b"".join(answer) if answer.streaming else answer.content


def _text(answer: Any, body: bytes) -> str:
    is_gzip = answer.headers.get("Content-Encoding") == "gzip"
    return (gzip.decompress(body) if is_gzip else body).decode()


def _all_of_it(client: Client, path: str) -> Iterator[tuple[str, Any, bytes]]:
    """Yield a page and every file that it and its stylesheets name: address, answer, bytes."""
    answer, body = _sent(client, path)
    yield path, answer, body
    wanted = list(dict.fromkeys(_LINKED.findall(_text(answer, body))))
    for name in wanted:
        answer, body = _sent(client, name)
        yield name, answer, body
        if name.endswith(".css"):
            found = _IN_STYLE.findall(_text(answer, body))
            files = [normpath(join(dirname(name), url)) for url in found if ":" not in url]
            wanted += [file for file in files if file not in wanted]


def _weigh(client: Client) -> dict[str, int]:
    return {name: len(body) for name, _, body in _all_of_it(client, "/")}


def test_the_first_page_is_light_as_make_run_serves_it(signed_in: Callable[..., Client]) -> None:
    weights = _weigh(signed_in("operator"))
    # Page, styles, scripts and both fonts are among what was counted.
    assert {name.rpartition(".")[2] for name in weights} >= {"/", "css", "js", "woff2", "svg"}
    assert sum(weights.values()) < MOST_BYTES, weights


def test_the_first_page_is_light_as_production_serves_it(
    released: None, signed_in: Callable[..., Client]
) -> None:
    weights = _weigh(signed_in("operator"))
    assert any(name.endswith(".woff2") for name in weights)
    assert sum(weights.values()) < MOST_BYTES, weights


def test_browsers_keep_what_production_serves_under_hashed_names(
    released: None, signed_in: Callable[..., Client]
) -> None:
    client = signed_in("operator")
    files = [(n, a) for n, a, _ in _all_of_it(client, "/") if n.startswith("/static/")]
    assert len(files) > 5
    assert all("immutable" in answer.headers["Cache-Control"] for _, answer in files)


def test_a_browser_that_accepts_no_compression_gets_none(signed_in: Callable[..., Client]) -> None:
    answer = signed_in("operator").get("/")
    assert "Content-Encoding" not in answer.headers
    assert b"</html>" in answer.content


def test_fonts_are_sent_as_they_are(client: Client) -> None:
    answer, body = _sent(client, "/static/vendor/inter.woff2")
    assert "Content-Encoding" not in answer.headers
    assert body.startswith(b"wOF2")


def test_a_part_of_a_file_is_sent_as_it_is(client: Client) -> None:
    asked = {"accept-encoding": "gzip", "range": "bytes=0-99"}
    answer = client.get("/static/console.css", headers=asked)
    assert answer.status_code == 206
    assert "Content-Encoding" not in answer.headers
    assert len(b"".join(answer)) == 100
