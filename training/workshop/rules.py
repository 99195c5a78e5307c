"""What a drawn world demands: which tool plays which part, and what each task type needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Literal

TASK_TYPES = ("refund", "cancellation", "exchange", "address", "credit", "resend")
ACTIONS: Mapping[str, str] = {
    "refund": "issue_refund",
    "cancellation": "cancel_order",
    "exchange": "exchange_item",
    "address": "change_address",
    "credit": "grant_credit",
    "resend": "resend_parcel",
}
TYPE_OF_ACTION: Mapping[str, str] = {action: kind for kind, action in ACTIONS.items()}
CHECKS = (
    "check_policy",
    "verify_customer",
    "check_payment",
    "check_stock",
    "ask_confirmation",
    "calculate",
)
PARAMETER: Mapping[str, str] = {
    "check_policy": "fee",
    "verify_customer": "account",
    "check_payment": "method",
    "check_stock": "warehouse",
    "ask_confirmation": "choice",
    "calculate": "amount",
}
CLOSERS = ("notify_customer", "write_note", "close_ticket")
EXTRAS = ("sync_records", "escalate_case", "merge_history")
OPEN = "open_order"
TOOLS = (OPEN, *CHECKS, *ACTIONS.values(), *CLOSERS, *EXTRAS)

STALE_WORDINGS = (
    "Stale revision {revision}: ticket {ticket} was changed meanwhile",
    "Ticket {ticket} was edited by a colleague, revision {revision} is out of date",
    "Conflict: revision {revision} of ticket {ticket} has been replaced",
)

Duty = Literal["required", "forbidden", "free"]


@dataclass(frozen=True, slots=True)
class Rules:
    """One world's demands; the agent never reads them, the tools and the outcome check do."""

    required: Mapping[str, tuple[str, ...]]  # task type -> checks whose answer its action takes
    strict: Mapping[str, bool]  # task type -> a wrong value is refused rather than taken
    basis_of: tuple[str, str]  # (P, Q): check Q works from the answer of check P
    basis_strict: bool
    seal: str  # closer that every case needs, once
    prior: str  # closer that must stand before the seal
    special: str  # closer that some task types need and others must not have
    special_duty: Mapping[str, Duty]
    once: str  # tool whose second call really does it twice
    contested: str  # tool that works on a revision somebody else may have changed
    stale_wording: str  # what the contested tool then says
    refresh: str  # tool that reads the newest revision
    harmful: str  # extra that damages the order
    idle: str  # extra that does nothing
    spare: str  # extra that may be the refresh


def draw_rules(rng: Random) -> Rules:
    """Draw one world's demands; every part of every tool differs from seed to seed."""
    prior, seal, special = rng.sample(CLOSERS, 3)
    harmful, idle, spare = rng.sample(EXTRAS, 3)
    basis, derived = _draw_basis(rng)
    required = _draw_required(rng, derived)
    contested = rng.choice((prior, seal))
    return Rules(
        required=required,
        strict={kind: rng.random() < 0.35 for kind in TASK_TYPES},
        basis_of=(basis, derived),
        basis_strict=rng.random() < 0.3,
        seal=seal,
        prior=prior,
        special=special,
        special_duty=_draw_duties(rng),
        once=rng.choice([tool for tool in (prior, seal) if tool != contested]),
        contested=contested,
        stale_wording=rng.choice(STALE_WORDINGS),
        refresh=rng.choice((OPEN, spare)),
        harmful=harmful,
        idle=idle,
        spare=spare,
    )


def _draw_basis(rng: Random) -> tuple[str, str]:
    derived = rng.choice(("ask_confirmation", "calculate", "check_stock"))
    basis = rng.choice(("check_policy", "verify_customer", "check_payment"))
    return basis, derived


def _draw_required(rng: Random, derived: str) -> dict[str, tuple[str, ...]]:
    kinds = rng.sample(TASK_TYPES, len(TASK_TYPES))
    others = [check for check in CHECKS if check != derived]
    required: dict[str, tuple[str, ...]] = dict.fromkeys(kinds[:3], (derived,))
    required |= {kind: (rng.choice(others),) for kind in kinds[3:]}
    for kind in rng.sample(TASK_TYPES, 2):
        second = rng.choice([check for check in others if check not in required[kind]])
        required[kind] = (*required[kind], second)
    return required


def _draw_duties(rng: Random) -> dict[str, Duty]:
    kinds = rng.sample(TASK_TYPES, len(TASK_TYPES))
    wanted, unwanted = rng.choice(((2, 1), (2, 2), (1, 2)))
    duties: dict[str, Duty] = dict.fromkeys(kinds, "free")
    duties |= dict.fromkeys(kinds[:wanted], "required")
    duties |= dict.fromkeys(kinds[wanted : wanted + unwanted], "forbidden")
    return duties
