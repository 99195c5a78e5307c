"""How fast every page of the console and of the data admin is on a large installation.

`python -m bench console [--agents N --deltas N --traces N]` seeds a database of its own;
`--database URL` takes one that `python -m bench.seeding` filled. Pages are asked in turn, one
request at a time, so that a busy neighbour slows all of them alike; the bare page has the same
middleware and session, and no template.
"""

import gzip
import http.client
import os
import statistics
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import django

from bench import serving
from bench.counting import MILLISECONDS, QUERIES
from bench.scratch import scratch_database

BAR_MS = 300.0
BARE = "/bare-page"
# Rows of a download come as they are read: it has no bar, and is asked less often.
DOWNLOADS = 1


@dataclass(slots=True)
class Line:
    """What came of one address: milliseconds of each request, queries, weight."""

    name: str
    path: str
    ms: list[float] = field(default_factory=list)
    database_ms: list[float] = field(default_factory=list)
    status: int = 0
    queries: int = 0
    size: int = 0
    compressed: int = 0
    is_download: bool = False

    @property
    def p95(self) -> float:
        """The 95th percentile of the times, in milliseconds."""
        return sorted(self.ms)[max(0, round(0.95 * len(self.ms)) - 1)]

    @property
    def is_missed(self) -> bool:
        """Whether the page is too slow, or no page."""
        return self.status != 200 or (not self.is_download and self.p95 >= BAR_MS)


def main(arguments: list[str]) -> int:
    """Print the table; return 1 if a page was too slow, failed or was forgotten."""
    asked = _asked(arguments)
    with _database(asked) as env, serving.web_server(env | {"LOG_LEVEL": "ERROR"}) as port:
        # Models can be imported only now that Django is set up.
        from bench import pages

        with _session() as cookie:
            client = _Client(port, cookie)
            posted = pages.only_posted(client.status)
            found = pages.pages(posted)
            forgotten = pages.uncovered(found, posted)
            found += pages.data_pages()
            if forgotten:
                print(f"no address is known for: {', '.join(forgotten)} (bench/pages.py)")
            chosen = [p for p in found if asked.only in (None, p.name)]
            lines = [Line("bare", BARE), *(Line(page.name, page.path) for page in chosen)]
            _measure(client, lines, asked.requests)
    return int(_table(lines) > 0 or bool(forgotten))


def _asked(arguments: list[str]) -> Namespace:
    parser = ArgumentParser("python -m bench console", description=__doc__)
    parser.add_argument("--database", help="the URL of one that was seeded")
    parser.add_argument("--agents", type=int, default=1_000)
    parser.add_argument("--deltas", type=int, default=100_000)
    parser.add_argument("--traces", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=20, help="of each page")
    parser.add_argument("--only", help="the name of one page's url")
    return parser.parse_args(arguments)


@contextmanager
def _database(asked: Namespace) -> Iterator[dict[str, str]]:
    """Yield the environment of a seeded database: the one named, or one of its own."""
    settings = "bench.settings"
    if asked.database:
        env = {"DATABASE_URL": asked.database, "DJANGO_SETTINGS_MODULE": settings}
        os.environ |= env
        os.environ.pop("REDIS_URL", None)
        django.setup()
        yield env
        return
    with scratch_database(settings) as env:
        from bench.seeding import seeding
        from bench.seeding.shape import Shape

        # Thrown away at the end, and real: what is simulated stays out of the overview's figures.
        seeding.fill(Shape(asked.agents, asked.deltas, asked.traces, simulated=False), print)
        yield env


@contextmanager
def _session() -> Iterator[str]:
    """Yield the cookie of an operator who is signed in, and is gone afterwards."""
    from django.contrib.auth import get_user_model
    from django.test import Client

    people = get_user_model()._default_manager
    people.filter(username="bench").delete()
    user = people.create_superuser("bench")
    client = Client()
    client.force_login(user)
    try:
        yield f"sessionid={client.cookies['sessionid'].value}"
    finally:
        client.logout()
        user.delete()


class _Client:
    """One connection that stays open, as a browser's."""

    def __init__(self, port: int, cookie: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._headers = {"Cookie": cookie, "Accept-Encoding": "gzip"}

    def get(self, path: str) -> tuple[http.client.HTTPResponse, bytes, float]:
        """Return an answer, its bytes as sent, and the milliseconds that it took."""
        began = time.perf_counter()
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        return answer, body, (time.perf_counter() - began) * 1000

    def status(self, path: str) -> int:
        """Return the status of an address."""
        return self.get(path)[0].status


def _measure(client: _Client, lines: list[Line], requests: int) -> None:
    """Ask for every page in turn, once unmeasured."""
    for line in lines:
        answer, body, _ = client.get(line.path)
        line.status, line.compressed = answer.status, len(body)
        is_gzip = answer.headers.get("Content-Encoding") == "gzip"
        line.size = len(gzip.decompress(body)) if is_gzip else len(body)
        line.queries = int(answer.headers.get(QUERIES, 0))
        line.is_download = "attachment" in answer.headers.get("Content-Disposition", "")
    for turn in range(requests):
        for line in lines:
            if line.is_download and turn >= DOWNLOADS:
                continue
            answer, _, ms = client.get(line.path)
            line.ms.append(ms)
            line.database_ms.append(float(answer.headers.get(MILLISECONDS, 0)))


def _table(lines: list[Line]) -> int:
    """Print the lines; return how many are too slow."""
    load = os.getloadavg()[0]
    print(f"\n{len(lines[-1].ms)} requests of each, in turn; load average {load:.1f}")
    print(
        f"{'page':<58}{'p50 ms':>8}{'p95 ms':>8}{'in SQL':>8}{'queries':>8}{'kB':>7}{'sent kB':>8}"
    )
    return sum(_print(line) for line in lines)


def _print(line: Line) -> bool:
    note = "MISSED" if line.is_missed else "download" if line.is_download else ""
    note = note if line.status == 200 else f"status {line.status}"
    path = line.path if len(line.path) < 57 else f"{line.path[:54]}..."
    print(
        f"{path:<58}{statistics.median(line.ms):>8.0f}{line.p95:>8.0f}"
        f"{statistics.median(line.database_ms):>8.0f}{line.queries:>8}"
        f"{line.size / 1024:>7.0f}{line.compressed / 1024:>8.0f}  {note}".rstrip(),
        flush=True,
    )
    return line.is_missed
