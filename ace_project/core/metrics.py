"""Prometheus metrics that web processes keep themselves (names: contracts.md section 6).

What the database already counts (runs, deltas, queue) is read from it at scrape time instead:
`evolution.collectors`. That is right with any number of processes.
"""

from prometheus_client import CollectorRegistry, Counter, Histogram

# Collectors that read the database at scrape time, apart from what processes count, because with
# PROMETHEUS_MULTIPROC_DIR the latter come from files and the process's registry is not shown.
FROM_DATABASE = CollectorRegistry(auto_describe=False)

CACHE_HITS = Counter("ace_cache_hits_total", "Playbook versions served from the cache")
CACHE_MISSES = Counter("ace_cache_misses_total", "Playbook versions read from PostgreSQL")
RETRIEVAL_SECONDS = Histogram(
    "ace_playbook_retrieval_duration_seconds",
    "Time to answer a playbook GET",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0),
)
