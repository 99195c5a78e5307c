"""How an agent knows that a call is ours: the signature of Standard Webhooks, version v1.

HMAC-SHA256 over `id.timestamp.body` under a secret of the agent's own (standardwebhooks.com), so
that libraries in most languages can check it.
"""

import base64
import hashlib
import hmac

from django.conf import settings
from django.utils.crypto import salted_hmac

from playbooks.models import Agent

_PREFIX = "whsec_"


def secret_of(agent: Agent, version: int) -> str:
    """Return the secret that calls of `agent` are signed with; another version, another secret.

    Nothing is stored: it follows from SECRET_KEY and the agent's row.
    """
    name = f"{agent.pk}/{agent.agent_id}/{version}"
    digest = salted_hmac("ace.agent-calls", name, secret=settings.SECRET_KEY, algorithm="sha256")
    return _PREFIX + base64.b64encode(digest.digest()).decode()


def headers_of(secret: str, message: str, body: bytes, *, now: float) -> dict[str, str]:
    """Return the headers that sign `body` as `message`, sent at `now` in seconds of the epoch."""
    stamp = str(int(now))
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    signed = hmac.new(key, f"{message}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": message,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }
