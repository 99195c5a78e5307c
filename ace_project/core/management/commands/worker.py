"""Run background work until told to stop."""

import os
import signal
import sys
from argparse import ArgumentParser
from threading import Event
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from ace_project.core.work import allocator, loop

NICENESS = 5


class Command(BaseCommand):
    help = "Run background work until SIGTERM. Example: manage.py worker --threads 4"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--threads", type=int, default=settings.ACE_WORKER_THREADS)

    def handle(self, *args: Any, **options: Any) -> None:
        """Work until SIGTERM or SIGINT; end what is in hand within ACE_WORKER_DRAIN_SECONDS."""
        # Where both want the same core, the web server that agents wait for goes first.
        os.nice(NICENESS)
        allocator.share_one_arena()
        stop = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        if not loop.run(stop, threads=options["threads"]):
            # Threads that are in the middle of something cannot be ended in any other way.
            sys.stderr.flush()
            os._exit(0)
