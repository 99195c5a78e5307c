"""The change language of playbooks: read it, apply it, invert it, rebase it, say it in a sentence.

An operation is a JSON object: `{"op": "add", "section", "text", "position"?}`,
`{"op": "move", "bullet_id", "position"}`, `{"op": "update", "bullet_id", "text"}`,
`{"op": "remove", "bullet_id"}`, `{"op": "merge", "bullet_ids", "text"}`,
`{"op": "set", "path", "value"}`, `{"op": "unset", "path"}`.
"""

from playbooks.operations.application import Applied, apply, check_way_back
from playbooks.operations.rebasing import Rebased, expectations, rebase, resolve
from playbooks.operations.sentence import describe
from playbooks.operations.shape import (
    MAX_OPERATIONS,
    Operation,
    OperationError,
    parse_operations,
)
from playbooks.operations.spelling import changes_to_operations
from playbooks.operations.touching import sections_touched

__all__ = [
    "MAX_OPERATIONS",
    "Applied",
    "Operation",
    "OperationError",
    "Rebased",
    "apply",
    "changes_to_operations",
    "check_way_back",
    "describe",
    "expectations",
    "parse_operations",
    "rebase",
    "resolve",
    "sections_touched",
]
