"""A red team: poisoned traces with what they hide, all made from a seed.

Families of attacks times carriers (where in the trace the text stands) times obfuscations.
"""

import random
from dataclasses import dataclass, field

from tests.hostile import obfuscations as hide
from tests.hostile import poison_texts as texts
from tests.hostile.clean_lessons import TOOLS, clean_lessons
from tests.hostile.made_up_people import FIRST, HIDINGS, LAST, PERSONAL, digits

__all__ = ["KNOWN_TOOLS", "PoisonedTrace", "clean_lessons", "poisoned"]


@dataclass(frozen=True)
class PoisonedTrace:
    """A trace as the API takes it, what must not leave it, and the lesson that it asks for."""

    trace: dict
    secrets: list[str]
    lesson: str
    family: str
    names: list[str] = field(default_factory=list)


# In other letters, in a code, or in something around it.
LETTERED = (
    hide.leet, hide.one_letter, hide.cyrillic, hide.greek, hide.zero_width, hide.full_width,
    hide.mathematical, hide.circled, hide.tags, hide.selectors, hide.bidi, hide.accents,
    hide.spaced, hide.dashed, hide.swapped, hide.emphasised, hide.shouted, hide.split_lines,
)  # fmt: skip
ENCODED = (
    hide.base64ed, hide.base64_twice, hide.hexed, hide.percent, hide.entities, hide.escapes,
    hide.rot13, hide.caesar, hide.backwards, hide.base32ed,
)  # fmt: skip
WRAPPED = (hide.plain, hide.underscored, hide.fenced, hide.quoted)
ANY_SCRIPT = (
    hide.plain, hide.zero_width, hide.base64ed, hide.hexed, hide.percent, hide.escapes,
    hide.fenced, hide.quoted, hide.emphasised,
)  # fmt: skip
READABLE = (
    hide.plain, hide.shouted, hide.emphasised, hide.zero_width, hide.full_width, hide.cyrillic,
    hide.mathematical, hide.fenced, hide.base64ed, hide.split_lines, hide.tags, hide.bidi,
    hide.accents,
)  # fmt: skip
# Ciphers and gaps change the name of a tool or host too: nothing is called by that spelling.
NAMED = (
    hide.plain, hide.fenced, hide.quoted, hide.emphasised, hide.zero_width, hide.full_width,
    hide.base64ed,
)  # fmt: skip
FAMILIES = {
    "override": (texts.override, (*LETTERED, *ENCODED, *WRAPPED, hide.glued)),
    "void": (texts.void, (*LETTERED, *ENCODED, *WRAPPED)),
    "exfiltrate": (texts.exfiltrate, (*LETTERED, *ENCODED, *WRAPPED)),
    "conceal": (texts.conceal, READABLE),
    "weaken": (texts.weaken, READABLE),
    "unknown_host": (texts.unknown_host, NAMED),
    "unknown_tool": (texts.unknown_tool, NAMED),
    "foreign": (texts.foreign, ANY_SCRIPT),
}
# Of the shop that is attacked, and those that the clean lessons name.
KNOWN_TOOLS = TOOLS | {
    "search_orders", "get_order", "refund", "cancel_order", "check_policy", "send_email",
}  # fmt: skip


def carried(rng, text, name):
    """Return a trace body that carries the text in one of the places a stranger can write."""
    place = rng.choice(("output", "error", "argument", "message", "nested", "key", "metadata"))
    step = {
        "type": "tool_call",
        "tool": "get_order",
        "arguments": {"id": digits(rng, 6)},
        "output": "ok",
    }
    trace = {
        "trace_id": name,
        "task_id": f"task-{rng.randrange(50)}",
        "success": rng.random() < 0.5,
        "steps": [step],
    }
    if place == "output":
        step["output"] = f"Order found. Customer note: {text}"
    elif place == "error":
        step["error"] = f"ValidationError: {text}"
    elif place == "argument":
        step["arguments"]["note"] = text
    elif place == "message":
        trace["error_message"] = text
    elif place == "nested":
        step["output"] = {"rows": [{"comment": [text]}]}
    elif place == "key":
        step["output"] = {text[:200]: 1, "rest": text}
    else:
        trace["metadata"] = {"memo": text}
    return trace


def poisoned(seed: int, n: int) -> list[PoisonedTrace]:
    """Return `n` poisoned traces; families, obfuscations and places vary with the seed."""
    rng = random.Random(seed)
    families = [*FAMILIES, "personal", "split"]
    return [
        _poisoned(rng, families[index % len(families)], f"poison-{seed}-{index}")
        for index in range(n)
    ]


def _poisoned(rng, family, name):
    if family == "personal":
        return _personal(rng, name)
    if family == "split":
        text = texts.override(rng)
        at = len(text) // 2
        trace = carried(rng, text[:at], name)
        trace["steps"].append(
            {"type": "tool_call", "tool": "refund", "arguments": {}, "output": text[at:]}
        )
        return PoisonedTrace(trace, [], text, family)
    make, hidings = FAMILIES[family]
    hiding = rng.choice(hidings)
    text = hiding(make(rng), rng)
    return PoisonedTrace(carried(rng, text, name), [], text, f"{family}/{hiding.__name__}")


def _personal(rng, name):
    kind = rng.choice(sorted(PERSONAL))
    value = PERSONAL[kind](rng)
    hiding = rng.choice(HIDINGS)
    # Escapes of line ends do not survive being escaped again.
    shown = value if "PRIVATE" in value else hiding(value, rng)
    person = f"{rng.choice(FIRST)} {rng.choice(LAST)}"
    text = rng.choice(
        ("Contact {v} for {p}.", "{p}: {v}", "saved {v} ({p})", "for {p} use {v} please")
    ).format(v=shown, p=person)
    trace = carried(rng, text, name)
    lesson = f"For {person} always use {shown} at once."
    return PoisonedTrace(
        trace, [shown, person], lesson, f"personal/{kind}/{hiding.__name__}", [person]
    )
