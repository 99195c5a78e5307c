"""REST for agents, playbooks, versions and deltas."""
