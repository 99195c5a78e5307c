"""The judges that every delta passes.

Schema, safety, quarantine, duplication, conflict, evidence, confidence.

Each passes, warns, blocks or abstains, with a reason that is kept. `decide` turns their verdicts
and the agent's mode into what happens next.
"""

from playbooks.judges.chain import JudgeInput, judge_delta
from playbooks.judges.safety import SafetyContext
from playbooks.judges.verdict import Decision, Outcome, Verdict, decide

__all__ = [
    "Decision",
    "JudgeInput",
    "Outcome",
    "SafetyContext",
    "Verdict",
    "decide",
    "judge_delta",
]
