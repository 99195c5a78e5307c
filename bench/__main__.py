"""Run the benchmarks: `python -m bench`, or one of them: `python -m bench NAME [ARGUMENTS]`.

A benchmark is a module of this package with `main(arguments) -> int`: 0 when every bar was met.
"""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

NAMES = sorted(
    path.stem
    for path in Path(__file__).parent.glob("[a-z]*.py")
    if "def main(arguments" in path.read_text(encoding="utf-8")
)


def main(arguments: list[str]) -> int:
    """Run what is named, or everything; return 1 if a bar was missed, 2 for a name unknown."""
    if not arguments:
        # Each in a process of its own: they pin cores and choose databases.
        ends = [subprocess.run([sys.executable, "-m", "bench", name]).returncode for name in NAMES]
        return int(any(ends))
    name, *rest = arguments
    if name not in NAMES:
        print(f"usage: python -m bench [{'|'.join(NAMES)}]", file=sys.stderr)
        return 2
    print(f"== {name}", flush=True)
    status: int = import_module(f"bench.{name}").main(rest)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
