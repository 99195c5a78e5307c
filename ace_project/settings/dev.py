"""One machine, nothing else installed: what `make run` and a bare `manage.py` use."""

import contextlib
import os
import secrets

from ace_project.settings.base import *  # noqa: F403
from ace_project.settings.base import SECRET_KEY, VAR_DIR


def _local_secret() -> str:
    """Return this installation's key, made at the first start and readable by its owner alone."""
    path = VAR_DIR / "secret_key"
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        draft = path.with_suffix(f".{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(48), encoding="ascii")
        # A link appears whole or not at all, so two first starts agree on one key.
        try:
            path.hardlink_to(draft)
        finally:
            draft.unlink()
    return path.read_text(encoding="ascii")


SECRET_KEY = SECRET_KEY or _local_secret()
