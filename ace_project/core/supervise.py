"""Keep child processes alive until we are told to stop; what `make run` does for web and worker."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from threading import Event

RESTART_PAUSE_SECONDS = 1.0
STOP_SECONDS = 30.0


class Supervisor:
    """Starts named commands, restarts one that dies, ends all of them together."""

    def __init__(self, commands: Mapping[str, Sequence[str]], env: Mapping[str, str]) -> None:
        self.commands = commands
        self.env = dict(env)
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.stop = Event()

    def run(self, when_up: Callable[[], bool]) -> None:
        """Run until SIGTERM or SIGINT; `when_up` is asked until it is true, then no more."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop.set())
        up = False
        try:
            while not self.stop.is_set():
                self._start_missing()
                up = up or when_up()
                self.stop.wait(0.1 if not up else RESTART_PAUSE_SECONDS)
        finally:
            self._end()

    def _start_missing(self) -> None:
        for name, command in self.commands.items():
            child = self.children.get(name)
            if child is not None and child.poll() is None:
                continue
            if child is not None:
                print(f"{name} ended with {child.returncode}; starting it again", file=sys.stderr)
                time.sleep(RESTART_PAUSE_SECONDS)
            # A session of its own: Ctrl-C reaches us alone, and we end the children in order.
            self.children[name] = subprocess.Popen(command, env=self.env, start_new_session=True)

    def _end(self) -> None:
        for child in self.children.values():
            if child.poll() is None:
                child.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for name, child in self.children.items():
            try:
                child.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                print(f"{name} did not end in time; killed", file=sys.stderr)
                child.kill()
                child.wait()
