"""What every command of ours shares: an example in --help, domain errors as one line and exit 1."""

from abc import ABC, abstractmethod
from argparse import RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import ProgrammingError
from psycopg.errors import UndefinedTable

from ace_project.core.errors import AceError, InvalidInput


class AceCommand(BaseCommand, ABC):
    """A command with an example; `carry_out` does the work and may raise domain errors."""

    example = ""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Return the parser with the example below the options."""
        return super().create_parser(
            prog_name,
            subcommand,
            epilog=f"example:\n  manage.py {self.example}",
            formatter_class=RawDescriptionHelpFormatter,
            **kwargs,
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Carry the command out; a domain error ends it with one clear line."""
        try:
            self.carry_out(**options)
        except InvalidInput as error:
            places = "; ".join(f"{e['pointer']}: {e['message']}".strip(": ") for e in error.errors)
            raise CommandError(f"{error.detail} ({places})" if places else error.detail) from error
        except AceError as error:
            raise CommandError(error.detail) from error
        except ProgrammingError as error:
            if not isinstance(error.__cause__, UndefinedTable):
                raise
            message = "the database has no tables yet: make run, or manage.py migrate, makes them"
            raise CommandError(message) from error

    @abstractmethod
    def carry_out(self, **options: Any) -> None:
        """Do what the command is for."""
