"""The REST API's ground: tokens, JSON, problems, pages, idempotency keys, health."""
