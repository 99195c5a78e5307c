"""What a run asked a language model: calls, prompts, what was shown, and what was refused."""

from collections.abc import Mapping
from typing import Any

from ace_project.console import calls
from evolution.figures import traces_named
from evolution.models import EvolutionRun, Generator

MOST_SHOWN = 60
MOST_REFUSED = 20
MOST_TEXTS = 20
MOST_CHARS = 20_000


def conversation(run: EvolutionRun) -> dict[str, Any] | None:
    """Return a run's dealings with a model, None where it was not to ask one; four queries."""
    if run.generator != Generator.LLM:
        return None
    report = run.report if isinstance(run.report, Mapping) else {}
    refused = [_refused(item) for item in _mappings(report.get("refused"))[:MOST_REFUSED]]
    return {
        "model": _text(report.get("model")),
        "calls": calls.of_run(run),
        "bill": calls.bill(run.pk),
        "fallback": _texts(report.get("fallback")),
        "prompts": [_prompt(item) for item in _mappings(run.prompts)]
        or [_prompt(item) for item in _mappings(report.get("prompts"))],
        "shown": _shown(run, report.get("shown")),
        "left_out": _counts(report.get("left_out")),
        "redacted": _counts(report.get("redacted")),
        "was_read": "redacted" in report,
        "errors": _texts(report.get("errors")),
        "refused": refused,
        "failed": _text(report.get("failed")),
        "repeated": _whole(report.get("repeated")),
        "decisions_known": _whole(report.get("decisions_known")),
    }


def _shown(run: EvolutionRun, raw: Any) -> list[dict[str, Any]]:
    """Return the traces that the prompt showed, by the name they had there; one query."""
    names = {str(a): t for a, t in raw.items() if isinstance(t, str)} if _is_map(raw) else {}
    some = dict(list(names.items())[:MOST_SHOWN])
    rows = traces_named(run.agent, list(some.values())) if some else {}
    return [
        {"alias": alias, "trace_id": name, "trace": rows.get(name)} for alias, name in some.items()
    ]


def _prompt(raw: Mapping[str, Any]) -> dict[str, str]:
    return {
        "name": _text(raw.get("name"))[:60],
        "version": str(raw.get("version", ""))[:20],
        "sha256": _text(raw.get("sha256"))[:64],
    }


def _refused(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "number": (_whole(raw.get("index")) or 0) + 1,
        "errors": "; ".join(_texts(raw.get("errors"))),
        "raw": _text(raw.get("raw")),
    }


def _counts(raw: Any) -> list[tuple[str, int]]:
    """Return counts by kind, without zeros, the most first."""
    found = [(str(kind)[:40], _whole(n) or 0) for kind, n in raw.items()] if _is_map(raw) else []
    return sorted((pair for pair in found if pair[1]), key=lambda pair: -pair[1])


def _is_map(raw: Any) -> bool:
    return isinstance(raw, Mapping)


def _mappings(raw: Any) -> list[Mapping[str, Any]]:
    return [item for item in raw if isinstance(item, Mapping)] if isinstance(raw, list) else []


def _texts(raw: Any) -> list[str]:
    items = raw[:MOST_TEXTS] if isinstance(raw, list) else []
    return [item[:500] for item in items if isinstance(item, str)]


def _text(raw: Any) -> str:
    return raw[:MOST_CHARS] if isinstance(raw, str) else ""


def _whole(raw: Any) -> int | None:
    return raw if isinstance(raw, int) and not isinstance(raw, bool) else None
