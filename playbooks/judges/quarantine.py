"""The quarantine judge: what may be right but must not apply itself, so that a person decides.

Unknown hosts and tools, lessons that ask for less care, changes of constraints, copied text. What
operators and scripts send was written on purpose: for them it is a warning. Copies and constraints
are looked at only in what a generator made.
"""

import re
from collections.abc import Iterator, Sequence

from playbooks.content import JSON, Content
from playbooks.judges.copying import is_copy, longest_copies, squeezed
from playbooks.judges.council import GENERATORS
from playbooks.judges.hosts import find_hosts
from playbooks.judges.safety import MAX_READ, SafetyContext, weakens, written
from playbooks.judges.spellings import hidden_texts
from playbooks.judges.verdict import Outcome, Verdict
from playbooks.operations import Operation
from playbooks.redaction import fold

DELIBERATE = frozenset({"operator", "scripted"})
_CLASSES = {
    "unknown_host": "names a host that the playbook does not know",
    "unknown_tool": "calls a tool that the agent does not have",
    "weakening": "asks for less care than before",
    "constraint": "changes or removes a constraint",
    "copied": "is copied from a trace",
    "too_long": "is too long to be read closely",
}
_CONTROLLED = re.compile(
    r"(?:in \S.{0,200}? tasks, )?(?:before \S+, call (?P<a>\S+?)|never repeat an identical \S+"
    r"|never call \S+"
    r"|do not finish before \S+"
    r"|after error .{1,300}? from \S+, call (?P<b>\S+) before trying \S+ again)\.?",
    re.IGNORECASE,
)
_CALL = (
    r"\b(?:call|invoke|use|using|run|execute|trigger|calling|invoking)\b "
    r"(?:(?:the|a|tool|function|api|action|command) ){0,3}"
)
_TOOL = re.compile(
    _CALL + r"(?:[`\"'](?P<quoted>[\w.:-]{2,80})(?:\([^`\"']{0,200}\))?[`\"']"
    r"|(?P<snake>[A-Za-z]\w*(?:_\w+)+)\b|(?P<called>[A-Za-z][\w.]{1,80})\("
    r"|(?P<camel>(?-i:[a-z]+(?:[A-Z][a-z0-9]+)+))\b)"
    r"|\b(?:tool|function|command|endpoint) (?:named |called )?(?P<after>[A-Za-z]\w*(?:_\w+)+)\b"
    r"|[`\"']?(?P<named>\w[\w.:-]{1,80})[`\"']? (?=(?:tool|function)\b)",
    re.IGNORECASE,
)
_EMPHASIS = re.compile(r"[*`~]|(?<!\w)_|_(?!\w)")
# What query and programming languages bring along is nobody's tool.
_BUILT_IN_WORDS = """
    abs avg bool cast ceil coalesce concat count date datediff day dict distinct enumerate exists
    extract filter float floor format group_concat ifnull iif int isnull join json_extract lag lead
    left len length like list lower ltrim map max median min mod month now nullif open percentile
    print range rank replace reversed right round row_number rtrim select set sorted split sqrt
    stdev str strftime string_agg substr substring sum to_char to_date total trim tuple upper
    year zip
"""
_BUILT_IN = frozenset(_BUILT_IN_WORDS.split())
_LETTERS_BOTH = re.compile(r"[_.]|[a-z][A-Z]")


def judge_quarantine(
    operations: Sequence[Operation],
    content: Content,
    source: str,
    context: SafetyContext | None = None,
) -> Verdict:
    """Return a block where a person has to look, a warning where a person wrote it, or a pass."""
    known = context or SafetyContext()
    found = [
        {"index": index, "kind": kind}
        for index, operation in enumerate(operations)
        for kind in _doubts(operation, content, source, known)
    ]
    if source in GENERATORS:
        found += _copies(operations, content, known)
    if not found:
        return Verdict("quarantine", "pass", "nothing in it needs a person's eyes")
    kinds = {item["kind"] for item in found}
    reason = "; ".join(words for kind, words in _CLASSES.items() if kind in kinds)
    outcome: Outcome = "warn" if source in DELIBERATE else "block"
    return Verdict("quarantine", outcome, reason, {"found": found})


def _doubts(
    operation: Operation, content: Content, source: str, known: SafetyContext
) -> Iterator[str]:
    text = written(operation)
    if len(text) > MAX_READ:
        yield "too_long"
    shown = _shown(text[:MAX_READ])
    hosts = {host for plain in shown for host in find_hosts(plain)} - known.known_hosts
    if hosts and hosts - _hosts_of(content):
        yield "unknown_host"
    tools = {tool for plain in shown for tool in tools_in(plain)} if known.known_tools else set()
    if any(_is_unknown(tool, known.known_tools) for tool in tools):
        yield "unknown_tool"
    if weakens(text):
        yield "weakening"
    if source in GENERATORS and _touches_constraint(operation):
        yield "constraint"


def _shown(text: str) -> list[str]:
    """Return what a text shows a reader: in plain letters, without emphasis, decoded."""
    folded = fold(text)
    return [folded.text, _EMPHASIS.sub("", folded.text), *hidden_texts(folded)]


def _hosts_of(content: Content) -> set[str]:
    return find_hosts("\n".join(_strings(content)))


def _strings(value: JSON) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _strings(item)


def tools_in(text: str) -> set[str]:
    """Return the names that a text tells the agent to call: identifiers, never words of prose."""
    tools = set()
    for line in text.splitlines():
        if lesson := _CONTROLLED.fullmatch(line.strip()):
            tools |= {name for name in lesson.groups() if name}
        for found in _TOOL.finditer(line):
            named = found["named"]
            name = found["quoted"] or found["snake"] or found["called"] or found["camel"]
            name = name or found["after"]
            if found["called"] and found["called"].casefold() in _BUILT_IN:
                continue
            if name or (named and _LETTERS_BOTH.search(named)):
                tools.add((name or named).strip(".:"))
    return tools


def _is_unknown(tool: str, known: frozenset[str]) -> bool:
    """Tell whether no known tool bears the name; `apis.shop.refund` is also known as `refund`."""
    ends = {name.rpartition(".")[2].casefold() for name in known} | {n.casefold() for n in known}
    return tool.casefold() not in ends and tool.rpartition(".")[2].casefold() not in ends


def _touches_constraint(operation: Operation) -> bool:
    """Tell whether an operation takes away from a section of constraints or rewords it."""
    if operation["op"] in ("set", "unset"):
        return "constraint" in operation["path"].split("/")[1].casefold()
    if operation["op"] not in ("update", "remove", "merge"):
        return False
    names = operation.get("bullet_ids") or [operation.get("bullet_id", "")]
    return any("constraint" in name.rpartition("-")[0].casefold() for name in names)


def _copies(
    operations: Sequence[Operation], content: Content, known: SafetyContext
) -> list[dict[str, object]]:
    texts = [squeezed(operation.get("text") or "") for operation in operations]
    if not known.trace_texts or not any(texts):
        return []
    own = squeezed("\n".join(_strings(content)))
    spans = longest_copies(texts, known.trace_texts, own)
    return [
        {"index": index, "kind": "copied"}
        for index, (span, text) in enumerate(zip(spans, texts, strict=True))
        if is_copy(span, len(text))
    ]
