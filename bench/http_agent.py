"""An agent in a process of its own that is called back, and works in the workshop.

    python -m bench.http_agent --secret whsec_... [--world 0] [--seconds 0.5] [--fails 0.1]

Prints its port and serves until its parent is gone. It checks who calls as docs/runtimes.md says;
what fails or hangs is drawn for each call.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any

from training.workshop.agent import SloppyAgent
from training.workshop.tasks import order_of
from training.workshop.world import World

TOLERANCE_SECONDS = 300
_ORDER = re.compile(r"\border (\d{4,8})\b", re.IGNORECASE)


class Agent(ThreadingHTTPServer):
    """Serves on loopback; `options` are those of the command line."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.options = options
        self.random = Random(options.seed)
        self.lock = threading.Lock()
        self.world = World(options.world)
        # Its database holds one case at a time.
        self.desk = threading.Lock()
        self.closing = threading.Event()

    def mood(self) -> float:
        """Return where this call falls between 0 and 1: it may fail, or hang."""
        with self.lock:
            return self.random.random()

    def handle_error(self, *met: Any) -> None:
        """Say nothing of callers that leave before a late answer."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(*met)

    def work(self, told: dict[str, Any]) -> dict[str, Any]:
        """Return the trajectory of one call; raises LookupError for a task that is none."""
        order = _ORDER.search(str(told["task"]["query"]))
        if order is None:
            raise LookupError("the query names no order")
        lessons = [bullet["text"] for bullet in told["bullets"]]
        case = self.world.task(int(order[1]) - order_of(0))
        worker = SloppyAgent(self.world)
        with self.desk:
            episode = worker.run(case, lessons, told["seed"], max_steps=told["max_steps"])
        return {
            "trajectory_id": told["trajectory_id"],
            "success": episode.success,
            "steps": episode.steps,
        }


class _Handler(BaseHTTPRequestHandler):
    server: Agent
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""

    def do_POST(self) -> None:
        """Answer one call."""
        body = self.rfile.read(int(self.headers["content-length"]))
        options, mood = self.server.options, self.server.mood()
        if not is_signed(options.secret, dict(self.headers.items()), body, time.time()):
            return self._answer(401, {"error": "the signature is wrong"})
        if mood < options.hangs:
            self.server.closing.wait(3600)
            return None
        time.sleep(options.seconds)
        if mood < options.hangs + options.fails:
            return self._answer(500, {"error": "out of order"})
        try:
            trajectory = self.server.work(json.loads(body))
        except LookupError as error:
            return self._answer(400, {"error": str(error)})
        return self._answer(200, trajectory)

    def _answer(self, status: int, document: Any) -> None:
        raw = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


def is_signed(secret: str, headers: dict[str, str], body: bytes, now: float) -> bool:
    """Tell whether `body` was signed under `secret`, within five minutes of `now`."""
    told = {name.lower(): value for name, value in headers.items()}
    message, stamp = told.get("webhook-id", ""), told.get("webhook-timestamp", "")
    if not stamp.isdigit() or abs(now - int(stamp)) > TOLERANCE_SECONDS:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = hmac.new(key, f"{message}.{stamp}.".encode() + body, hashlib.sha256).digest()
    wanted = f"v1,{base64.b64encode(signed).decode()}"
    return hmac.compare_digest(wanted, told.get("webhook-signature", ""))


@contextmanager
def running(secret: str, **options: float) -> Iterator[str]:
    """Run an agent in a process of its own; yield its URL."""
    command = [sys.executable, "-m", "bench.http_agent", "--secret", secret]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    root = Path(__file__).resolve().parent.parent
    child = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout
        port = child.stdout.readline().strip()
        if not port.isdigit():
            raise RuntimeError("the agent did not start")
        yield f"http://127.0.0.1:{port}/try"
    finally:
        child.kill()
        child.wait(30)
        if child.stdout:
            child.stdout.close()


def serve() -> None:
    """Serve until killed or until the parent is gone; the port is the first line of stdout."""
    parser = argparse.ArgumentParser(prog="python -m bench.http_agent")
    parser.add_argument("--secret", required=True)
    parser.add_argument("--world", type=int, default=0, help="seed of the workshop's world")
    parser.add_argument("--seconds", type=float, default=0.0, help="that each answer takes")
    parser.add_argument("--fails", type=float, default=0.0, help="share of calls with status 500")
    parser.add_argument("--hangs", type=float, default=0.0, help="share of calls never answered")
    parser.add_argument("--seed", type=int, default=0, help="of what fails and hangs")
    parent = os.getppid()
    agent = Agent(parser.parse_args())
    threading.Thread(target=agent.serve_forever, daemon=True).start()
    print(agent.server_address[1], flush=True)
    while os.getppid() == parent:
        time.sleep(0.5)


if __name__ == "__main__":
    serve()
