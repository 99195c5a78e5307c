"""Which icon and words stand for a source, a status and a judge's outcome."""

SOURCE_ICONS = {
    "llm": "bolt",
    "statistical": "activity",
    "scripted": "file-text",
    "agent": "robot",
    "training": "school",
    "operator": "users",
}
# status: (chip, icon, words); for deltas, runs and jobs, whose words do not clash
STATUS_CHIPS = {
    "pending_review": ("live", "clock", "waiting"),
    "changes_requested": ("warn", "message-circle", "changes requested"),
    "applied": ("good", "check", "applied"),
    "rejected": ("line", "x", "rejected"),
    "conflict": ("conflict", "git-merge", "conflict"),
    "failed": ("bad", "alert-circle", "failed"),
    "undone": ("line", "arrow-back-up", "undone"),
    "recorded": ("line", "file-text", "recorded, dry run"),
    "queued": ("line", "clock", "queued"),
    "running": ("live", "activity", "running"),
    "paused": ("warn", "player-pause", "paused"),
    "completed": ("good", "check", "completed"),
    "cancelled": ("line", "ban", "cancelled"),
}
OUTCOME_ICONS = {
    "pass": ("circle-check", "ace-good", "Passed"),
    "warn": ("alert-triangle", "ace-warn", "Warns"),
    "block": ("circle-x", "ace-bad", "Blocks"),
    "abstain": ("circle-minus", "ace-3", "Abstains"),
}


def judge_in_words(name: str) -> str:
    """Return a judge's name as people read it, one of the council's without saying so."""
    return name.removeprefix("council_").replace("_", " ")
