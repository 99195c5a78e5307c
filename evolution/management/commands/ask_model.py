"""Ask the configured language model one thing, to see that it works and what it costs."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings

from ace_project.core.commands import AceCommand
from evolution.llm.gateway import Answer, Question, ask
from playbooks.selectors import agent_by_id

_SCHEMA = {
    "name": "reply",
    "schema": {
        "type": "object",
        "properties": {"answer": {"type": "string"}},
        "required": ["answer"],
        "additionalProperties": False,
    },
}


class Command(AceCommand):
    help = (
        "Ask the configured language model one thing, as a run would: through budget, breaker,\n"
        "retries and fallback models. It costs what the call costs; the amount is printed."
    )
    example = 'ask_model "Answer with one word: which colour has the sky?"'

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("text", nargs="?", default="Answer with the one word: ready")
        parser.add_argument("--structured", action="store_true", help="ask for a JSON document")
        parser.add_argument("--agent", metavar="ID", help="with this agent's model and budget")

    def carry_out(self, **options: Any) -> None:
        """Print the answer on stdout, and on stderr where it came from and what it cost."""
        question = Question(
            messages=[{"role": "user", "content": options["text"]}],
            schema=_SCHEMA if options["structured"] else None,
            purpose="check",
            max_tokens=settings.ACE_MAX_TOKENS_PER_REQUEST,
        )
        agent = agent_by_id(options["agent"]) if options["agent"] else None
        answer = ask(question, agent=agent)
        for passed in answer.fallback:
            self.stderr.write(f"passed over: {passed}")
        self.stdout.write(answer.text)
        self.stderr.write(_account(answer))
        if options["structured"] and answer.value is None:
            self.stderr.write("the answer is no JSON: this model will be of little use")


def _account(answer: Answer) -> str:
    call, usage = answer.call, answer.usage
    tokens = "no usage told"
    if usage:
        tokens = (
            f"{usage.prompt_tokens} tokens in ({usage.cached_tokens} cached), "
            f"{usage.completion_tokens} out"
        )
    price = "unpriced" if call.cost_usd is None else f"${call.cost_usd:f}"
    counted = f"${call.charged_usd:f}" + (" (the worst case)" if call.worst_case else "")
    return (
        f"{answer.model} at {answer.endpoint}, {call.seconds or 0:.1f} s: {tokens}; "
        f"price {price}, counted against the budget {counted}"
    )
