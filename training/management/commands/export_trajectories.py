"""Write a training job's trajectories as a data set."""

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from ace_project.core.commands import AceCommand
from training import selectors
from training.exports import FORMATS, Wanted, format_named, stream


class Command(AceCommand):
    help = (
        "Write a training job's trajectories to standard output or a file, in a format that\n"
        "others train on. docs/training.md says what is in each."
    )
    example = "export_trajectories 12 --format trl-preference --output pairs.jsonl"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("job", type=int)
        parser.add_argument("--format", choices=list(FORMATS), default="raw")
        parser.add_argument("--output", type=Path, metavar="FILE")
        parser.add_argument("--success-only", action="store_true")
        parser.add_argument("--min-reward", type=float, metavar="R")

    def carry_out(self, **options: Any) -> None:
        """Stream the job's export to where it is wanted."""
        wanted = Wanted(options["success_only"], options["min_reward"])
        job, form = selectors.job(options["job"]), format_named(options["format"])
        blocks = stream(job, form, wanted)
        if options["output"] is None:
            out: Any = self.stdout.buffer
            for block in blocks:
                out.write(block)
            out.flush()
            return
        size = _written(options["output"], blocks)
        self.stderr.write(f"{size:,} bytes in {options['output']}")


def _written(file: Path, blocks: Any) -> int:
    """Write `file` as a whole or not at all; return its size in bytes."""
    part = file.with_name(f"{file.name}.part")
    try:
        with part.open("wb") as out:
            out.writelines(blocks)
        part.replace(file)
        return file.stat().st_size
    except OSError as error:
        raise CommandError(f"{file} cannot be written: {os.strerror(error.errno or 0)}") from error
    finally:
        part.unlink(missing_ok=True)
