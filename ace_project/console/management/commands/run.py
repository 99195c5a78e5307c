"""Everything on one machine: database, demonstration, operator, web and worker."""

import os
import shutil
import socket
import sys
import time
import webbrowser
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError

from ace_project.console.accounts.links import one_time_path
from ace_project.core.commands import AceCommand
from ace_project.core.people import first_operator
from ace_project.core.supervise import Supervisor
from playbooks.models import Agent


class Command(AceCommand):
    help = "Start everything on this machine: migrate, load the demonstration, serve and work."
    example = "run --port 8000"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=os.environ.get("HOST") or "127.0.0.1")
        parser.add_argument("--port", type=int, default=int(os.environ.get("PORT") or 8000))

    def carry_out(self, **options: Any) -> None:
        """Prepare what is missing, then serve until told to stop."""
        began = time.monotonic()
        host, port = options["host"], options["port"]
        _refuse_taken_port(host, port)
        self.stdout.write("Preparing the database ...")
        call_command("migrate", verbosity=0, interactive=False)
        if not Agent.objects.exists():
            self.stdout.write("Letting the workshop agent work for the first time ...")
            call_command("demo", verbosity=0)
        url = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"
        link = url + one_time_path(first_operator())

        def when_up() -> bool:
            if not _answers(host, port):
                return False
            self.stdout.write(f"\nACE serves after {time.monotonic() - began:.1f} s at {url}")
            self.stdout.write(f"Sign in once with  {link}\n\nCtrl-C stops everything.")
            self.stdout.flush()
            if os.environ.get("DISPLAY") or sys.platform == "darwin":
                webbrowser.open(link)
            return True

        Supervisor(_commands(host, port), _environment(host)).run(when_up)


def _commands(host: str, port: int) -> dict[str, list[str]]:
    manage = [sys.executable, str(settings.BASE_DIR / "manage.py")]
    web = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", host]
    # Above twice the cores and one, granian warns at every start.
    threads = min(8, 2 * (os.cpu_count() or 1) + 1)
    web += ["--port", str(port), "--workers", "1", "--blocking-threads", str(threads)]
    # A worker that is busy when it is told to stop may never end (granian's issue 875).
    web += ["--no-ws", "--workers-kill-timeout", "10", "--log-level", "warning"]
    web += ["ace_project.wsgi:application"]
    return {"web": web, "worker": [*manage, "worker"]}


def _environment(host: str) -> dict[str, str]:
    """Return the children's environment: one folder for the metrics that both keep."""
    folder = settings.VAR_DIR / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    if host not in ("127.0.0.1", "localhost") and "ALLOWED_HOSTS" not in env:
        env["ALLOWED_HOSTS"] = ",".join([*settings.ALLOWED_HOSTS, host, socket.gethostname()])
    return env


def _refuse_taken_port(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            message = f"{host}:{port} cannot be used ({error.strerror}); try PORT={port + 1}"
            raise CommandError(message) from error


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False
