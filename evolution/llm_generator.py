"""Deltas by a language model: grounded in traces, every citation checked, confidence calibrated."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.conf import settings
from django.utils.crypto import salted_hmac

from evolution import pauses, quality, selectors
from evolution.agreement import agreement
from evolution.calibration import LOW, Curve, fit
from evolution.citations import check_citations, evidence, weight
from evolution.delta_parser import (
    AnswerInvalid,
    Parsed,
    ParsedDelta,
    answer_schema,
    parse_answer,
)
from evolution.drafts import Draft, draft_key
from evolution.exhibits import choose
from evolution.llm import gateway
from evolution.llm.question import Answer, Question
from evolution.models import EvolutionRun
from evolution.prompting import Material, Prompt, build
from evolution.prompts import template
from evolution.quoting import MARGIN, Quoter
from evolution.reflect import Reflection
from evolution.runs import Run
from playbooks.content import Content, canonical
from playbooks.judges.safety import judge_safety
from playbooks.models import Source
from playbooks.redaction import Redactor
from playbooks.selectors import setting

EXTRACT_CHARS = 2 * MARGIN  # of each text of a trace, read so that a secret in it is seen whole
MAX_RAW = 20_000  # characters of an unusable answer that a run's report keeps
REPEATED_CHARS = 12_000  # of an unusable answer, sent back with its faults
MAX_FAULTS = 10
# A lesson that had personal data or a secret in it was about one case, not about the task.
PRIVATE = 0.5
# What only the safety judge may decide about, on the words as they came.
ORDERS = ("override", "exfiltration", "concealment", "hidden_unicode", "encoded_payload")


@dataclass(frozen=True, slots=True)
class Generated:
    """Drafts to be judged, and the account of how they came about."""

    drafts: list[Draft]
    report: dict[str, Any]


def generate(
    run: EvolutionRun, runs: Sequence[Run], reflection: Reflection, content: Content
) -> Generated:
    """Return what a language model proposes for `content`, at most as many deltas as may be.

    An answer that is not valid is sent back once with its faults; if the second is not valid
    either there are no drafts and the report has the raw text. Raises what `gateway.ask` raises:
    BudgetExceeded, NoModel, ModelUnavailable, AnswerRefused; and HandedBack when paused.
    """
    return _Generation(run, reflection, content).carry_out(runs)


@dataclass
class _Generation:
    """One run's dealings with a model: what was shown, asked and answered."""

    run: EvolutionRun
    reflection: Reflection
    content: Content
    answers: list[Answer] = field(default_factory=list)

    def __post_init__(self) -> None:
        agent = self.run.agent
        self.most = int(setting(agent, "ACE_MAX_DELTAS_PER_EVOLUTION"))
        self.redactor = Redactor(names=agent.private_names)
        # Nobody outside can know it, and a run carried out again asks the same.
        nonce = salted_hmac("evolution.prompt", str(self.run.pk)).hexdigest()[:16]
        self.quoter = Quoter(nonce, self.redactor)

    def carry_out(self, runs: Sequence[Run]) -> Generated:
        prompt = self._prompt(runs)
        errors: tuple[str, ...] = ()
        try:
            parsed = self._asked(prompt.messages, "generate")
        except AnswerInvalid as first:
            errors = first.errors
            prompt = self._with_repair(prompt, first)
            try:
                parsed = self._asked(prompt.messages, "repair")
            except AnswerInvalid as second:
                return self._failed(prompt, (*errors, *second.errors))
        model, simulated = self.answers[-1].model, self.run.agent.simulated
        curve = fit(quality.calibration_records(Source.LLM, model, simulated=simulated))
        drafts = [self._draft(delta, prompt, curve) for delta in parsed.deltas]
        unique = list({draft.key: draft for draft in drafts}.values())
        known = quality.proposed_before(self.run.agent)
        fresh = [draft for draft in unique if canonical([*(draft.operations or ())]) not in known]
        report = self._report(prompt, parsed, errors) | {
            "decisions_known": curve.decisions,
            "repeated": len(drafts) - len(fresh),
        }
        return Generated(fresh, report)

    def _failed(self, prompt: Prompt, errors: Sequence[str]) -> Generated:
        """Return nothing but the account, with the last answer as it came (redacted, cut)."""
        raw = self.redactor.redact(storable(self.answers[-1].text[:MAX_RAW]))
        return Generated([], self._report(prompt, Parsed(), errors) | {"failed": raw})

    def _prompt(self, runs: Sequence[Run]) -> Prompt:
        agent = self.run.agent
        choice = choose(runs)
        named = {run.trace_id for run in choice.runs}
        material = Material(
            content=self.content,
            reflection=self.reflection,
            choice=choice,
            extracts=selectors.extracts(agent, named, EXTRACT_CHARS),
            earlier=quality.earlier_deltas(agent),
            most=self.most,
        )
        return build(material, self.quoter)

    def _asked(self, messages: list[dict[str, str]], purpose: str) -> Parsed:
        """Ask and read the answer; raises AnswerInvalid for one that cannot be used.

        A pause counts before each call: the kill switch does not wait for a repair.
        """
        pauses.stop_if_paused(self.run)
        question = Question(
            messages=messages,
            schema={"name": "deltas", "schema": answer_schema(self.most)},
            purpose=purpose,
            max_tokens=settings.ACE_MAX_TOKENS_PER_REQUEST,
        )
        answer = gateway.ask(question, run=self.run, agent=self.run.agent)
        self.answers.append(answer)
        try:
            return parse_answer(answer.text, self.content, self.most)
        except AnswerInvalid as error:
            if answer.finish_reason == "length":
                cut = "the answer was cut off at its longest: say less"
                raise AnswerInvalid(cut, *error.errors) from error
            raise

    def _with_repair(self, prompt: Prompt, error: AnswerInvalid) -> Prompt:
        """Return the prompt with the unusable answer and its faults behind it."""
        used = template("repair")
        faults = "\n".join(f"- {self.redactor.redact(e)[:300]}" for e in error.errors[:MAX_FAULTS])
        answered = self.redactor.redact(storable(self.answers[-1].text)[:REPEATED_CHARS])
        messages = [
            *prompt.messages,
            {"role": "assistant", "content": answered or "(nothing)"},
            {"role": "user", "content": used.fill(errors=storable(faults))},
        ]
        return replace(prompt, messages=messages, templates=[*prompt.templates, used])

    def _draft(self, delta: ParsedDelta, prompt: Prompt, curve: Curve) -> Draft:
        operations = self._clean(delta.operations)
        as_said = operations == delta.operations
        checked = [
            replace(
                item, alias=self.redactor.redact(item.alias), why=self.redactor.redact(item.why)
            )
            for item in check_citations(delta.citations, prompt.exhibits)
        ]
        said = agreement(delta.operations, self.content, self.reflection.findings)
        weights = {
            "citations": weight(checked),
            "statistics": said.weight,
            "privacy": 1.0 if as_said else PRIVATE,
        }
        calibrated = curve.at(delta.confidence)
        confidence = calibrated
        for factor in weights.values():
            confidence *= factor
        shown = evidence(checked)
        facts = shown | {"calibrated": round(calibrated, 4), "weights": weights}
        if said.finding is not None:
            facts["statistical"] = said.finding
        return Draft(
            key=draft_key(["llm", operations]),
            source=str(Source.LLM),
            operations=operations,
            confidence=round(max(LOW, confidence), 4),
            raw_confidence=delta.confidence,
            reasoning=self.redactor.redact(delta.reasoning),
            evidence=facts,
            may_apply=as_said,
            model=self.answers[-1].model[:200],
        )

    def _clean(self, operations: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return operations without personal data and secrets in what they would write.

        What gives orders stays as it came: with its address taken out the safety judge could not
        tell any more that data is to be sent there.
        """
        found = judge_safety(operations).data.get("found", ())
        if any(item["kind"] in ORDERS for item in found):
            return operations
        return [
            operation
            | {
                key: self.redactor.redact(operation[key])
                for key in ("section", "text")
                if key in operation
            }
            for operation in operations
        ]

    def _report(self, prompt: Prompt, parsed: Parsed, errors: Sequence[str]) -> dict[str, Any]:
        """Return what the run page shows."""
        last = self.answers[-1]
        redact = self.redactor.redact
        return {
            "generator": "llm",
            "model": last.model,
            "endpoint": last.endpoint,
            "fallback": [reason for answer in self.answers for reason in answer.fallback],
            "calls": [str(answer.call.pk) for answer in self.answers],
            "prompts": [used.to_json() for used in prompt.templates],
            "prompt_tokens_estimated": prompt.tokens,
            "shown": {alias: e.trace_id for alias, e in prompt.exhibits.items()},
            "left_out": prompt.left_out,
            "redacted": self.redactor.counts,
            "answers": len(self.answers),
            "errors": [redact(storable(error))[:500] for error in errors[: 2 * MAX_FAULTS]],
            "refused": [
                {
                    "index": item.index,
                    "errors": [redact(storable(e))[:500] for e in item.errors[:MAX_FAULTS]],
                    "raw": redact(storable(item.raw)),
                }
                for item in parsed.refused
            ],
        }


def storable(text: str) -> str:
    """Return a text that PostgreSQL can keep: no NUL, no lone surrogates."""
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()
