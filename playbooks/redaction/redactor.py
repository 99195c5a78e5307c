"""Typed placeholders in place of what is sensitive, the same for the same value within a run."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from playbooks.redaction.detection import find_sensitive
from playbooks.redaction.finding import Finding, occurrences
from playbooks.redaction.folding import Folded, fold
from playbooks.redaction.people import name_detector
from playbooks.redaction.secrets import looks_secret

KINDS = (
    "address|api_key|card|connection_string|email|encoded_payload|hidden_unicode|iban|name"
    "|national_id|phone|private_key|secret|token"
)
# A text may hold what looks like a placeholder; as `(email:1)` nobody takes it for one.
_FORGED = re.compile(rf"<\s*({KINDS})\s*[:-]\s*(\d+)\s*>", re.IGNORECASE)
_KEY_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])|[^\W\x00-\x7f]+")
_SECRET_KEY = re.compile(
    fold(
        r".*(?:password|passwd|pwd|passphrase|passcode|passwort|kennwort|secret|secretkey|apikey"
        r"|accesskey|privatekey|signingkey|encryptionkey|masterkey|authkey|accountkey|sessionkey|token"
        r"|credentials?|authorization|cookies?|connectionstring|sessionid|cvv|cvc|ssn|otp"
        r"|contrasena|senha|парол\w*|密码|パスワード)(?:hash|value|plain|text|\d{1,2})?|(?:user)?pin(?:code)?"
        r"|(?:csrf|xsrf|sid|jwt|auth|bearer)(?:token)?"
    ).text
)
_NOT_SECRET_KEY = re.compile(
    r".*(?:max|min|num|total|prompt|completion|input|output|cached?|next|page|stop|eos|bos|pad|unk"
    r"|special|per|reset|forgot|has|is|needs?|require[sd]?|valid|count)_?"
    r"(?:token|password|secret|cookie|credential|pin|otp)s?.*"
)
MAX_REMEMBERED = 500


class Redactor:
    """Replaces what is sensitive by typed placeholders; an equal value keeps its placeholder.

    One redactor serves one run. `names` are people's names to hide, in any case and spelling.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._detectors = (name_detector(list(names)), self._remembered)
        self._placeholders: dict[tuple[str, str], str] = {}
        self._secrets: dict[str, None] = {}
        self._counts: Counter[str] = Counter()

    @property
    def counts(self) -> dict[str, int]:
        """Return how many different values of each kind were replaced."""
        return dict(self._counts)

    def redact(self, text: str) -> str:
        """Return `text` with `<email:1>` and the like in place of what is sensitive."""
        text = self._disarmed(text)
        parts: list[str] = []
        done = 0
        for kind, start, end in find_sensitive(text, self._detectors):
            parts += [text[done:start], self._placeholder(kind, text[start:end])]
            done = end
        return "".join([*parts, text[done:]])

    def redact_value(self, value: Any) -> Any:
        """Return JSON with all its strings and keys redacted, and the values of secret keys."""
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, list | tuple):
            return [self.redact_value(item) for item in value]
        if isinstance(value, Mapping):
            named = _named_key(value)
            return {
                self.redact(str(key)): self._redact_item(
                    named if key == "value" else str(key), item
                )
                for key, item in value.items()
            }
        if isinstance(value, int | float) and not isinstance(value, bool):
            return self._redact_number(value)
        return value

    def _redact_item(self, key: str, value: Any) -> Any:
        if not is_secret_key(key):
            return self.redact_value(value)
        if isinstance(value, list | tuple):
            return [self._redact_item(key, item) for item in value]
        text = value if isinstance(value, str) else ""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and not key.lower().endswith("token"):
            text = str(value)
        if not text or number is False and not looks_secret(text, quoted=True):
            return self.redact_value(value)
        self._remember(text)
        return self._placeholder("secret", text)

    def _redact_number(self, value: int | float) -> Any:
        """Return a number, or a placeholder where its digits are a card or an identity number."""
        written = str(value)
        redacted = self.redact(written) if len(written) >= 9 else written
        return value if redacted == written else redacted

    @staticmethod
    def _disarmed(text: str) -> str:
        if "<" not in text and text.isascii():
            return text
        folded = fold(text)
        found = list(_FORGED.finditer(folded.text))
        for forged in reversed(found):
            start, end = folded.span(*forged.span())
            text = f"{text[:start]}({forged[1].lower()}:{forged[2]}){text[end:]}"
        return text

    def _placeholder(self, kind: str, value: str) -> str:
        if kind == "secret":
            self._remember(value.strip("\"'`"))
        identity = (kind, _same_value(kind, value))
        if identity not in self._placeholders:
            self._counts[kind] += 1
            self._placeholders[identity] = f"<{kind}:{self._counts[kind]}>"
        return self._placeholders[identity]

    def _remember(self, value: str) -> None:
        """Keep a secret that its name gave away: it may come again without the name."""
        telling = len(value) >= 6 and re.search(r"\d|[^\w\s]|[a-z][A-Z]", value)
        if telling and len(self._secrets) < MAX_REMEMBERED:
            self._secrets.setdefault(fold(value).text)

    def _remembered(self, folded: Folded) -> Iterator[Finding]:
        for secret in self._secrets:
            for at in occurrences(folded.text, secret):
                yield Finding("secret", at, at + len(secret))


def redact(text: str) -> str:
    """Return `text` with typed placeholders for what is sensitive, numbered within this text."""
    return Redactor().redact(text)


def is_secret_key(key: str) -> bool:
    """Tell whether a key of JSON says that its value is a secret: `db_password`, `apiKey`."""
    compact = "".join(_KEY_WORD.findall(fold(key).text)).lower()
    return bool(_SECRET_KEY.fullmatch(compact)) and not _NOT_SECRET_KEY.fullmatch(key.lower())


def _named_key(value: Mapping[Any, Any]) -> str:
    """Return the name that a `{"name": ..., "value": ...}` gives its value."""
    names = (value.get(field) for field in ("name", "key", "field", "header", "variable"))
    return next((name for name in names if isinstance(name, str)), "value")


def _same_value(kind: str, value: str) -> str:
    """Return what two spellings of one value have in common."""
    plain = fold(value).low
    if kind == "email":
        plain = re.sub(r"\(at\)|\[at\]|\{at\}|\bat\b|%40", "@", plain)
        plain = re.sub(r"\(dot\)|\[dot\]|\bdot\b|\[\.\]|\(\.\)", ".", plain)
        return re.sub(r"\s", "", plain)
    if kind in ("card", "iban", "phone", "national_id"):
        return re.sub(r"[^a-z0-9]", "", plain)
    return fold(value).text.strip("\"'`") if kind in ("secret", "api_key", "token") else plain
