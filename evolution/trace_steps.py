"""The steps of one trace a part at a time, cut by the database: no page holds them all."""

import json
from dataclasses import dataclass
from typing import Any

from django.db import connection

# Steps of a part, and the characters of a value that come with it; the rest is asked for.
PART = 100
SHOWN_CHARS = 1_500
# A brief of a call, for what is compared: the whole is told apart by its hash.
BRIEF_CHARS = 240


@dataclass(frozen=True, slots=True)
class Part:
    """Up to PART steps in a row: from `first` to `last`, how many failed, seconds, its start."""

    first: int
    last: int
    failed: int
    first_error: int | None
    seconds: float
    start: float


@dataclass(frozen=True, slots=True)
class Call:
    """A step as it is compared with another trace's; hashes tell what is too long to hold."""

    number: int
    tool: str
    brief: str
    arguments: str
    answer: str
    error: str | None
    seconds: float | None


_SECONDS = "CASE jsonb_typeof(step->'seconds') WHEN 'number' THEN (step->>'seconds')::float8 END"
_PARTS = f"""
SELECT min(place), max(place), count(step->>'error'),
  min(place) FILTER (WHERE step->>'error' IS NOT NULL), coalesce(sum({_SECONDS}), 0)
FROM execution_traces, jsonb_array_elements(steps) WITH ORDINALITY AS s(step, place)
WHERE id = %s GROUP BY (place - 1) / %s ORDER BY 1
"""


def parts_of(pk: int) -> list[Part]:
    """Return the parts of a trace in order; `start` is in seconds from the first step."""
    with connection.cursor() as cursor:
        cursor.execute(_PARTS, [pk, PART])
        rows = cursor.fetchall()
    found, elapsed = [], 0.0
    for first, last, failed, first_error, seconds in rows:
        found.append(Part(first, last, failed, first_error, seconds, elapsed))
        elapsed += seconds
    return found


# Texts are cut as texts; what is short enough goes out as the JSON that it is.
_CUT = """CASE WHEN length((step->'{0}')::text) <= %(most)s THEN step->'{0}'
  ELSE to_jsonb(left(coalesce(step->>'{0}', ''), %(most)s)) END"""
_STEPS = f"""
SELECT coalesce(jsonb_agg(jsonb_build_object(
  'tool', step->'tool', 'seconds', step->'seconds', 'tokens', step->'tokens',
  'reward', step->'reward', 'number', %(first)s + place - 1,
  'arguments', {_CUT.format("arguments")}, 'result', {_CUT.format("result")},
  'error', left(step->>'error', %(most)s),
  'cut', jsonb_build_object('arguments', greatest(0, length(step->>'arguments') - %(most)s),
    'result', greatest(0, length(step->>'result') - %(most)s),
    'error', greatest(0, length(step->>'error') - %(most)s))) ORDER BY place), '[]')
FROM execution_traces, jsonb_array_elements(jsonb_path_query_array(
  steps, '$[$a to $b]', jsonb_build_object('a', %(first)s - 1, 'b', %(last)s - 1)))
  WITH ORDINALITY AS s(step, place)
WHERE id = %(pk)s
"""


def steps_of(pk: int, first: int, last: int, most: int = SHOWN_CHARS) -> list[dict[str, Any]]:
    """Return steps number `first` to `last`, each value cut to `most` characters.

    `cut` of a step says by how many characters its arguments, result and error are longer.
    """
    options = {"pk": pk, "first": first, "last": last, "most": most}
    with connection.cursor() as cursor:
        cursor.execute(_STEPS, options)
        (text,) = cursor.fetchone()
    steps: list[dict[str, Any]] = json.loads(text)
    return steps


_CALLS = f"""
SELECT place, step->>'tool', left((step->'arguments')::text, %s), md5((step->'arguments')::text),
  md5(coalesce((step->'result')::text, '')), left(step->>'error', %s), {_SECONDS}
FROM execution_traces, jsonb_array_elements(steps) WITH ORDINALITY AS s(step, place)
WHERE id = %s ORDER BY place
"""


def calls_of(pk: int) -> list[Call]:
    """Return every step of a trace, as little of it as a comparison needs."""
    with connection.cursor() as cursor:
        cursor.execute(_CALLS, [BRIEF_CHARS, BRIEF_CHARS, pk])
        return [
            Call(number, tool or "", brief or "", arguments or "", answer, error, seconds)
            for number, tool, brief, arguments, answer, error, seconds in cursor.fetchall()
        ]
