"""What the API benchmark works on: agents, playbooks, a token, traces of a usual size."""

import json
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from ace_project.core import tokens
from playbooks.actors import Actor, ActorKind
from playbooks.models import Agent
from playbooks.services import create_agent

AGENT = "bench"
_AUTHOR = Actor(ActorKind.SERVICE, "bench")
_STEPS = 5
_BULLETS = 40


def content() -> dict[str, list[str]]:
    """Return a playbook of 40 bullets in four sections, about 4 kB."""
    sections = ("strategies", "constraints", "tools", "formats")
    return {
        section: [
            f"Before step {number} of {section}, check that what was asked is what is done."
            for number in range(_BULLETS // len(sections))
        ]
        for section in sections
    }


def trace() -> dict[str, Any]:
    """Return the body of a trace of five steps, about 1 kB, without a name of its own."""
    step = {
        "tool": "search_orders",
        "arguments": {"customer": "c-1042", "status": "open", "limit": 20},
        "result": {"orders": ["o-1", "o-2"], "more": False},
        "seconds": 0.21,
        "tokens": 120,
    }
    return {
        "agent_id": AGENT,
        "task_id": "task-17",
        "execution_time": 1.25,
        "success": True,
        "metadata": {"task_type": "refund", "model": "a-model"},
        "steps": [step] * _STEPS,
        "playbook_version": 1,
    }


def build() -> str:
    """Make the benchmark's agent and return a token of its own."""
    agent = Agent.objects.filter(agent_id=AGENT).first()
    if agent is None:
        create_agent(agent_id=AGENT, author=_AUTHOR, initial_context=content())
    token, _ = tokens.issue(AGENT)
    return token


# One agent, playbook, version, and delta with evidence each; a tenth of the deltas wait.
_FILL = """
WITH made AS (
  INSERT INTO agents
    (agent_id, name, metadata, mode, overrides, private_names, simulated)
  SELECT 'filler-' || n, '', '{}', 'strict', '{}', '[]', false
  FROM generate_series(1, %(count)s) n
  ON CONFLICT DO NOTHING RETURNING id, agent_id),
books AS (
  INSERT INTO context_playbooks (agent_id, public_id, version, content_hash, counted_to)
  SELECT id, gen_random_uuid(), 1, repeat('0', 64), 0 FROM made RETURNING id, agent_id),
versions AS (
  INSERT INTO context_playbook_versions
    (playbook_id, number, content, kind, author, reason, created_at, content_hash, hash)
  SELECT id, 1, %(content)s::json, 'created', 'service:bench', '', now(), '', '' FROM books)
INSERT INTO context_deltas
  (delta_id, playbook_id, base_version, operations, expectations, inverse, conflicts, status,
   confidence, raw_confidence, reasoning, evidence, verdicts, source, model, author, may_apply,
   decided_by, decision_reason)
SELECT gen_random_uuid(), id, 1, '[]', '[]', '[]', '[]',
  CASE WHEN id %% 10 = 0 THEN 'pending_review' ELSE 'applied' END, 0.8, 0.8, '',
  jsonb_build_object('kind', 'statistical', 'lift', 0.2, 'interval', '[0.1, 0.3]'::jsonb,
    'for', (SELECT jsonb_agg('t-' || id || '-' || k) FROM generate_series(1, 20) k),
    'against', '[]'::jsonb),
  jsonb_build_array(jsonb_build_object('judge', 'conflict', 'outcome',
    CASE WHEN id %% 20 = 0 THEN 'block' ELSE 'pass' END)),
  'statistical', '', 'run:1', true, '', '' FROM books
"""


def fill(count: int) -> None:
    """Add `count` more agents, each with a playbook and a delta."""
    with connection.cursor() as cursor:
        cursor.execute(_FILL, {"count": count, "content": json.dumps(content())})
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def now() -> datetime:
    """Return this moment."""
    return datetime.now(UTC)
