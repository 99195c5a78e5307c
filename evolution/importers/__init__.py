"""Recorded runs out of files: streamed, one record in memory at a time, whatever the size."""

from evolution.importers.records import Format, Found, Rejected, read_traces, slug, stem

__all__ = ["Format", "Found", "Rejected", "read_traces", "slug", "stem"]
