"""Small things the playbook tests build with."""

from typing import Any

from playbooks import selectors
from playbooks.models import Agent


def add(text: str, section: str = "strategies") -> dict[str, Any]:
    """Return the operation that adds a bullet at the end."""
    return {"op": "add", "section": section, "text": text}


def content_of(agent: Agent) -> dict[str, Any]:
    """Return the live content, read anew."""
    agent.playbook.refresh_from_db()
    return selectors.head(agent.playbook).content
