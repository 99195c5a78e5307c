"""What a log must not hold: the part of an address that lets its reader in."""

import logging
import re

_LINK = re.compile(r"(/sign-in/(?:once/\d+|invited)/)[^/\s]+")


class HideLinks(logging.Filter):
    """Cuts the tokens of sign-in links out of the addresses that Django logs with a refusal."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through, without such tokens."""
        if isinstance(record.args, tuple):
            record.args = tuple(_hidden(value) for value in record.args)
        return True


def _hidden(value: object) -> object:
    return _LINK.sub(r"\1...", value) if isinstance(value, str) else value
