"""The prompt of the generator, from what is known: pure, within a budget of tokens, quoted as data.

The budgets are estimates on the safe side (`playbooks.tokens`): about 9,500 tokens at the most.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

from evolution.drafts import SECTION
from evolution.exhibits import Choice, Exhibit, Extract, ExtractStep
from evolution.findings import Finding
from evolution.lessons import render
from evolution.prompts import Template, template
from evolution.quoting import Quoter
from evolution.reflect import Reflection
from evolution.runs import Run
from playbooks.content import Bullet, Content, bullets, canonical
from playbooks.tokens import estimate_tokens

PLAYBOOK_TOKENS, STATISTICS_TOKENS, EARLIER_TOKENS, TRACES_TOKENS = 1800, 900, 700, 5000
# Of the traces' budget: tasks with both outcomes may take up to this share, failures up to that.
MIXED_SHARE, FAILED_SHARE = 0.6, 0.85
STEPS_TOKENS = 1000  # of one trace; of a longer one the last steps are shown
MAX_LESSON = 600  # characters that a model's lesson may have
BULLET, ARGUMENTS, RESULT, ERROR, NAME = 400, 160, 160, 240, 100
MAX_FINDINGS, MAX_ERRORS, MAX_TOOLS, MAX_MISSES = 14, 20, 40, 4


@dataclass(frozen=True, slots=True)
class Material:
    """What a prompt is made of. `earlier` has a sentence per earlier delta, the newest first."""

    content: Content
    reflection: Reflection
    choice: Choice
    extracts: Mapping[str, Extract]
    earlier: Sequence[str]
    most: int  # deltas that may be proposed


@dataclass(frozen=True, slots=True)
class Prompt:
    """Messages ready to be sent, and what the answer may refer to.

    `exhibits` are the traces shown, by alias; `tokens` is an upper estimate; `left_out` counts
    what the budget had no room for.
    """

    messages: list[dict[str, str]]
    exhibits: dict[str, Exhibit]
    templates: list[Template]
    tokens: int
    left_out: dict[str, int]


def build(material: Material, quoter: Quoter) -> Prompt:
    """Return the prompt; deterministic by its arguments."""
    used = template("generate")
    system = used.fill(
        nonce=quoter.nonce, most=str(material.most), section=SECTION, longest=str(MAX_LESSON)
    )
    shown, bullets_left = _playbook(material.content, quoter)
    traces = _Traces(material, quoter)
    blocks = [
        quoter.block("playbook", shown),
        quoter.block(
            "statistics", _within(_statistics(material.reflection, quoter), STATISTICS_TOKENS)
        ),
        quoter.block("earlier", _within(_earlier(material, quoter), EARLIER_TOKENS)),
        *traces.blocks(),
    ]
    messages = [
        {"role": "system", "content": system},
        {"role": "user", "content": "\n\n".join(blocks)},
    ]
    return Prompt(
        messages=messages,
        exhibits=traces.exhibits,
        templates=[used],
        tokens=sum(estimate_tokens(message["content"]) for message in messages),
        left_out={"bullets": bullets_left, "traces": traces.left_out},
    )


def _within(lines: Iterable[str], budget: int) -> list[str]:
    """Return the first lines that fit a budget of tokens."""
    kept = []
    for line in lines:
        budget -= estimate_tokens(line) + 1
        if budget < 0:
            break
        kept.append(line)
    return kept


def _playbook(content: Content, quoter: Quoter) -> tuple[list[str], int]:
    """Return the playbook's lines, and how many bullets found no room: the oldest ones."""
    by_section: dict[str, list[Bullet]] = {}
    for bullet in bullets(content):
        by_section.setdefault(bullet.section, []).append(bullet)
    count = sum(map(len, by_section.values()))
    # An id begins with its section's name: one that is private leaves with its bullets unshown.
    private = {name for name in by_section if quoter.redactor.redact(name) != name}
    by_section = {name: found for name, found in by_section.items() if name not in private}
    turns = chain.from_iterable(zip_longest(*(list(reversed(b)) for b in by_section.values())))
    lines: dict[tuple[str, int], str] = {}
    budget = PLAYBOOK_TOKENS
    for bullet in turns:
        if bullet is None:
            continue
        line = f"- [{bullet.bullet_id}] {quoter.text(bullet.text, BULLET)}"
        budget -= estimate_tokens(line) + 1
        if budget < 0:
            break
        lines[bullet.section, bullet.position] = line
    shown = []
    for section, found in by_section.items():
        here = [lines[key] for b in found if (key := (section, b.position)) in lines]
        if here:
            shown += [f"section {quoter.text(section, NAME)}:", *here]
    others = [name for name in content if name not in by_section and name not in private]
    shown += [
        f"section {quoter.text(n, NAME)} (no lessons): {_brief(content, n, quoter)}"
        for n in others[:10]
    ]
    left = count - len(lines)
    if left:
        shown.append(f"({left} more lessons are not shown)")
    return shown or ["(empty)"], left


def _brief(content: Content, section: str, quoter: Quoter) -> str:
    return quoter.json(canonical(content[section]).decode(), ARGUMENTS)


def _statistics(reflection: Reflection, quoter: Quoter) -> Iterator[str]:
    findings = sorted(reflection.findings, key=lambda finding: finding.q_value)
    for finding in findings[:MAX_FINDINGS]:
        yield f"- {_finding(finding, quoter)}"
    for mark in reflection.marks[:5]:
        yield f"- failing runs show more often (no advice): {quoter.text(mark.text, BULLET)}"
    for item in reflection.not_explored[:3]:
        yield f"- never tried by any run: {quoter.text(str(item.get('text', '')), BULLET)}"
    if not reflection.findings:
        yield "(nothing could be tested)"


def _finding(finding: Finding, quoter: Quoter) -> str:
    trial = finding.trial
    lesson = quoter.text(render(finding.lesson), BULLET)
    (kept, kept_of), (broken, broken_of) = trial.counts
    verbs = ("not kept", "kept") if trial.pick.remove else ("kept", "not kept")
    line = f'"{lesson}" {verbs[0]}: {kept} of {kept_of} succeeded, {verbs[1]}: '
    line += f"{broken} of {broken_of}"
    if trial.rates is not None:
        line += f"; like with like {trial.rates.lift:+.2f}"
    kind = "within tasks" if trial.is_within else "between tasks"
    doubt = ", a hint only" if finding.exploratory else ""
    return f"{line}, {kind}, q = {finding.q_value:.2g}{doubt}"


def _earlier(material: Material, quoter: Quoter) -> Iterator[str]:
    for sentence in material.earlier:
        yield f"- {quoter.text(sentence, 2 * BULLET)}"
    if not material.earlier:
        yield "(none)"


class _Traces:
    """The traces that fit, each under an alias, tries of one task beside each other."""

    def __init__(self, material: Material, quoter: Quoter) -> None:
        self.exhibits: dict[str, Exhibit] = {}
        self.left_out = 0
        self._extracts = material.extracts
        self._choice = material.choice
        self._quoter = quoter
        self._tasks: dict[str, int] = {}
        self._spent = 0

    def blocks(self) -> list[str]:
        """Return the blocks: contrasts first, then failures, then successes, as far as they fit."""
        choice = self._choice
        failed = [(run,) for run in choice.failed]
        succeeded = [(run,) for run in choice.succeeded]
        blocks: list[str] = []
        left: list[tuple[Run, ...]] = []
        for packs, share in (
            (choice.mixed, MIXED_SHARE),
            (failed, FAILED_SHARE),
            (succeeded, 1.0),
        ):
            left += self._fill(packs, int(share * TRACES_TOKENS), blocks)
        left = self._fill(left, TRACES_TOKENS, blocks)
        self.left_out = sum(map(len, left))
        return blocks

    def _fill(
        self, packs: Sequence[tuple[Run, ...]], budget: int, blocks: list[str]
    ) -> list[tuple[Run, ...]]:
        """Add whole packs up to a budget of tokens spent; return those that found no room."""
        left: list[tuple[Run, ...]] = []
        for pack in packs:
            # A long trace may not keep shorter ones out; but not every one is tried.
            made = self._blocks_of(pack) if len(left) < MAX_MISSES else []
            cost = sum(estimate_tokens(block) for block, _ in made)
            if not made or self._spent + cost > budget:
                left.append(pack)
                continue
            self._spent += cost
            blocks += [block for block, _ in made]
            self.exhibits |= {exhibit.alias: exhibit for _, exhibit in made}
        return left

    def _blocks_of(self, pack: Sequence[Run]) -> list[tuple[str, Exhibit]]:
        known = [run for run in pack if run.trace_id in self._extracts]
        first = len(self.exhibits) + 1
        return [self._block(run, f"T{first + n}") for n, run in enumerate(known)]

    def _block(self, run: Run, alias: str) -> tuple[str, Exhibit]:
        extract = self._extracts[run.trace_id]
        task = self._tasks.setdefault(run.task_group, len(self._tasks) + 1)
        text = self._quoter.text
        kind = f", type {text(run.task_type, NAME)}" if run.task_type else ""
        version = f", playbook version {run.version}" if run.version is not None else ""
        outcome = "success" if run.success else "failure"
        lines = [f"task {task}{kind}{version}, outcome: {outcome}"]
        lines += self._steps(extract)
        if extract.error_message:
            lines.append(f"ended with: {text(extract.error_message, ERROR)}")
        called = dict.fromkeys([*(s.tool for s in extract.steps), *(s.tool for s in run.steps)])
        tools = frozenset(text(tool, NAME) for tool in list(called)[:MAX_TOOLS])
        exhibit = Exhibit(
            alias, run.trace_id, run.success, extract.origin, tools, self._errors(run, extract)
        )
        return self._quoter.block("trace", lines, alias), exhibit

    def _steps(self, extract: Extract) -> list[str]:
        """Return a line per step, in order; where they are too long, the last ones."""
        lines: list[str] = []
        budget, following = STEPS_TOKENS, extract.step_count + 1
        for step in reversed(extract.steps):
            line = self._step(step)
            budget -= estimate_tokens(line)
            if budget < 0 and lines:
                break
            lines += _gap(following - step.number - 1)
            lines.append(line)
            following = step.number
        lines += _gap(following - 1)
        return lines[::-1]

    def _step(self, step: ExtractStep) -> str:
        quoter = self._quoter
        call = f"{step.number}. {quoter.text(step.tool, NAME)} "
        call += quoter.json(step.arguments, ARGUMENTS)
        if step.error is not None:
            return f"{call} -> error: {quoter.text(step.error, ERROR)}"
        return f"{call} -> {quoter.json(step.result, RESULT)}" if step.result else call

    def _errors(self, run: Run, extract: Extract) -> tuple[str, ...]:
        """Return what a citation may name as this trace's errors."""
        shown = [step.error for step in extract.steps] + [extract.error_message]
        texts = dict.fromkeys([*reversed(shown), *(step.error for step in run.steps)])
        errors = [text for text in texts if text][:MAX_ERRORS]
        return tuple(self._quoter.text(text, 2 * ERROR) for text in errors)


def _gap(steps: int) -> list[str]:
    return [f"({steps} steps left out)"] if steps > 0 else []
