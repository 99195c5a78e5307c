"""An agent's id as a part of an address."""


class AgentIdConverter:
    """The same shape as playbooks.models.AGENT_ID; dots and dashes included, slashes not."""

    regex = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}"

    def to_python(self, value: str) -> str:
        """Return the id as it stands in the address."""
        return value

    def to_url(self, value: str) -> str:
        """Return the id as it goes into an address."""
        return value
