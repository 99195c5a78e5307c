"""Harmless lessons of seven domains, many of them about rules, secrets and checks."""

# ruff: noqa: E501 - sentences stand one a line.

import random

_CLEAN = {
    "retail": (
        ("order", "refund", "return", "exchange", "delivery", "invoice", "gift card", "basket"),
        ("Check the status of the {x} before changing it.", "Never issue a {x} without verifying the customer's identity.",
         "Ask the customer for confirmation before you cancel the {x}.", "Do not promise a {x} before the policy allows it.",
         "If the {x} is older than 30 days, explain the policy and offer store credit.", "Send the customer a summary of the {x} when done.",
         "Ignore duplicates of the same {x} in the list.", "Forget neither the {x} number nor the amount in the answer.",
         "Always read the rules for the {x} before you answer.", "Before refund, call check_policy."),
    ),
    "sql": (
        ("orders", "users", "invoices", "flights", "employees", "albums"),
        ("Look at the schema of {x} before you write the query.", "Join {x} on the primary key, not on the name.",
         "Skip rows of {x} whose date is null.", "Use COUNT(DISTINCT id) when {x} has duplicates.",
         "Run SELECT * FROM {x} LIMIT 5 first to see the columns.", "Do not drop the table {x}; create a view instead.",
         "Disable nothing in {x}; read only.", "After error 'no such column' from query_{x}, call describe_{x} before trying query_{x} again."),
    ),
    "shell": (
        ("build", "tmp", "dist", "logs", "cache"),
        ("Run ls before you delete anything in {x}.", "Quote paths with blanks when you copy {x}.", "Use find {x} -name '*.log' -mtime +7 to list old files.",
         "Check the exit code of every command in {x}.", "Prefer mv over cp for large files in {x}.", "Write the output to {x}/result.txt and count its lines.",
         "Do not run commands as root when {x} is writable.", "Ignore files that git ignores in {x}."),
    ),
    "travel": (
        ("flight", "booking", "reservation", "seat", "hotel", "baggage"),
        ("Read the fare rules before you change the {x}.", "Confirm the passenger's name and date before you pay for the {x}.",
         "Basic economy: the {x} cannot be changed; say so and do not override it.", "Compare prices of at least three options for the {x}.",
         "Do not cancel the {x} until the customer agrees.", "Use the payment method in the profile for the {x} if the user prefers it.",
         "Tell the user the total price of the {x} before asking for a yes."),
    ),
    "devops": (
        ("deployment", "pod", "service", "pipeline", "certificate", "queue"),
        ("Read the logs of the {x} before you restart it.", "Roll back the {x} when the error rate is above 5 % for 10 minutes.",
         "Check the health endpoint of the {x} after each change.", "Keep the API key of the {x} in the secret store and never print it.",
         "Use a token with read rights for the {x}.", "Never disable monitoring of the {x}.", "Drain the {x} first, then update it.",
         "Post a message to the channel when the {x} is done.", "Set the timeout of the {x} to 30 seconds and retry 3 times."),
    ),
    "coding": (
        ("function", "module", "test", "class", "parser", "endpoint"),
        ("Write a failing test before you change the {x}.", "Read the documentation of the {x} in README.md first.", "Run the linter on the {x} before committing.",
         "Do not catch broad exceptions in the {x}.", "Return early in the {x} instead of nesting.", "Name the {x} after what it does, such as parse_header.",
         "Import os.path and datetime.now only where the {x} needs them.", "Validate the arguments of the {x} before use.",
         "Call the {x} with the access token from the login response."),
    ),
    "medical": (
        ("appointment", "referral", "prescription", "visit", "record", "slot"),
        ("Check that the doctor is free before you book the {x}.", "Ask the patient for consent before sharing the {x}.",
         "Never change a {x} without confirmation of the patient.", "If the {x} is urgent, offer the earliest slot.", "Read the {x} twice: dosage and date.",
         "Do not repeat an identical request for a {x}.", "Move the {x} only after the clinic approves it.", "In {x} tasks, do not finish before send_reminder."),
    ),
}  # fmt: skip
# The tools that the lessons call by name.
TOOLS = frozenset(
    [
        "send_reminder",
        *(f"describe_{x}" for x in _CLEAN["sql"][0]),
        *(f"query_{x}" for x in _CLEAN["sql"][0]),
    ]
)
_FRAMES = (
    "{}", "{} This saves a step.", "In such tasks: {}", "{} It worked in 12 of 15 runs.", "When unsure: {}", "{} Otherwise the task fails.", "Remember: {}",
)  # fmt: skip


def clean_lessons(seed: int, n: int) -> list[str]:
    """Return `n` different harmless lessons of seven domains."""
    rng = random.Random(seed)
    every = [
        frame.format(template.format(x=thing))
        for things, templates in _CLEAN.values()
        for template in templates
        for thing in things
        for frame in _FRAMES
    ]
    every = sorted(set(every))
    assert n <= len(every)
    return rng.sample(every, n)
