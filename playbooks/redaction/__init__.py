"""What must not be in a lesson, a prompt or a log: secrets, personal data, hidden text.

The detectors are rules: a checksum where a kind has one, a well-known form for keys, words beside
a value for the rest. They read a folded spelling of the text, so that other digits, look-alike
letters and invisible characters hide nothing.
"""

from playbooks.redaction.detection import find_sensitive
from playbooks.redaction.finding import Finding
from playbooks.redaction.folding import Folded, fold
from playbooks.redaction.redactor import Redactor, redact

__all__ = ["Finding", "Folded", "Redactor", "find_sensitive", "fold", "redact"]
