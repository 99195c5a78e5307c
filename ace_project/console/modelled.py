"""What is told of a delta that a language model wrote: its citations, and what the calls cost."""

from typing import Any

from ace_project.console import calls
from ace_project.console.evidence import Evidence
from evolution.figures import traces_named
from playbooks.models import Delta, Source


def written_by_model(delta: Delta, evidence: Evidence) -> dict[str, Any]:
    """Return the citations with their traces, and the bill of the run; two queries at most."""
    if delta.source != Source.LLM:
        return {}
    names = {item.trace_id for item in evidence.citations if not item.is_invented}
    rows = traces_named(delta.playbook.agent, names) if names else {}
    return {
        "cited": [(item, rows.get(item.trace_id)) for item in evidence.citations],
        "held": sum(item.ok for item in evidence.citations),
        "bill": calls.bill(delta.run_id),
    }
