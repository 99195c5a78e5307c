"""Make the first admin of an installation, who invites everybody else."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings

from ace_project.console.accounts import staff
from ace_project.console.accounts.links import invitation_path
from ace_project.core.commands import AceCommand


class Command(AceCommand):
    help = (
        "Make the first admin and print a link, the last word on stdout, at which they choose a\n"
        "password; it works once, for some days. Refused once an admin is there: they invite\n"
        "others on the page People. Named again before their first sign-in, they get a new link."
    )
    example = "first_admin ann --url https://ace.example.com"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--url", default=_address(), help=f"of the console ({_address()})")

    def carry_out(self, **options: Any) -> None:
        """Make the admin and print their link last."""
        person = staff.first_admin(username=options["username"])
        self.stdout.write(
            f"{person.get_username()} is an admin, and chooses a password within "
            f"{settings.ACE_INVITATION_HOURS} hours at"
        )
        self.stdout.write(options["url"].rstrip("/") + invitation_path(person))


def _address() -> str:
    """Return where the console is likely reached."""
    named = (host for host in settings.ALLOWED_HOSTS if not host.startswith((".", "*")))
    host = next(named, "localhost")
    return f"https://{host}" if settings.SECURE_SSL_REDIRECT else f"http://{host}:8000"
