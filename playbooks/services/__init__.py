"""What may happen to agents, playbooks and deltas; every verb is keyword-only and atomic."""

from playbooks.services.agents import (
    create_agent,
    delete_agent,
    get_or_create_agent,
    set_mode,
    set_override,
    set_private_names,
    update_agent,
)
from playbooks.services.approvals import (
    approvals_of,
    check_voter,
    guarded_names,
    has_approved,
    is_stuck,
    set_two_person_sections,
    withdraw_all_of,
)
from playbooks.services.citing import cite_traces
from playbooks.services.comments import comment_on_delta
from playbooks.services.deltas import (
    Outcome,
    add_verdicts,
    preview_delta,
    propose_delta,
    renew_delta,
)
from playbooks.services.foresight import Foreseen, Prospect, foresee_approvals
from playbooks.services.reviews import (
    approve_delta,
    edit_and_approve,
    rebase_and_approve,
    reject_delta,
    request_changes,
    revise_delta,
)
from playbooks.services.undoing import undo_decision
from playbooks.services.verification import start_verification
from playbooks.services.versions import import_playbook, roll_back_to
from playbooks.services.waivers import end_expired_waivers, end_waiver, waive_verdict

__all__ = [
    "Foreseen",
    "Outcome",
    "Prospect",
    "add_verdicts",
    "approvals_of",
    "approve_delta",
    "check_voter",
    "cite_traces",
    "comment_on_delta",
    "create_agent",
    "delete_agent",
    "edit_and_approve",
    "end_expired_waivers",
    "end_waiver",
    "foresee_approvals",
    "get_or_create_agent",
    "guarded_names",
    "has_approved",
    "import_playbook",
    "is_stuck",
    "preview_delta",
    "propose_delta",
    "rebase_and_approve",
    "reject_delta",
    "renew_delta",
    "request_changes",
    "revise_delta",
    "roll_back_to",
    "set_mode",
    "set_override",
    "set_private_names",
    "start_verification",
    "set_two_person_sections",
    "undo_decision",
    "update_agent",
    "waive_verdict",
    "withdraw_all_of",
]
