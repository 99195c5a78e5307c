"""E-mail addresses, however they are spelled, and names that were given."""

import re
from collections.abc import Iterator, Sequence

from playbooks.redaction.finding import Detector, Finding, occurrences, starts_word
from playbooks.redaction.folding import Folded, fold

_DOMAIN = re.compile(r"(?:[\w-]{1,63}\.){1,8}(?:[^\W\d_]{2,24}|xn--[a-z0-9-]{2,40})(?![\w])")
_LOOSE_DOMAIN = re.compile(
    r"(?:[\w-]{1,63} ?(?:\.|[(\[{<_] ?(?:dot|punkt|point|punto|\.) ?[)\]}>_]"
    r"|(?<= )dot(?= )) ?){1,4}"
    r"[^\W\d_]{2,24}(?!\w)"
)
_LOOSE_AT = re.compile(r" ?(?:[(\[{<_] ?(?:at|a|arroba|chez|@|ät) ?[)\]}>_]|(?<= )at(?= )|@|%40) ?")
_LOCAL = frozenset("._+%-")
_SPELLED = (
    " dot ", "(dot)", "[dot]", "{dot}", "<dot>", "_dot_", "[.]", "(.)", "{.}", "( dot )", "[ dot ]",
    "(punkt)", "[punkt]", "(at)", "[at]", "{at}", "<at>", "_at_", "( at )", "[ at ]", " @", "@ ",
    "(a)", "(@)", "[@]",
)  # fmt: skip
_MAIL_TLDS = frozenset(
    ("com", "org", "net", "edu", "gov", "io", "co", "de", "fr", "es", "it", "nl", "pl", "uk", "us",
     "ru", "cn", "jp", "br", "in", "eu", "ch", "at", "be", "me", "info", "biz", "example", "test")
)  # fmt: skip


def emails(folded: Folded) -> Iterator[Finding]:
    """Find e-mail addresses, also with `%40`, `(at)`, `[dot]` or `at ... dot`."""
    text = folded.text
    for sign in ("@", "%40"):
        for at in occurrences(text, sign):
            start = _local_start(text, at)
            domain = _DOMAIN.match(text, at + len(sign)) if start < at else None
            if domain and text[start:at] != "git":
                yield Finding("email", start, domain.end())
    if any(spelled in folded.low for spelled in _SPELLED):
        yield from _spelled_emails(folded)


def _local_start(text: str, end: int) -> int:
    start = end
    while (
        start > 0 and end - start < 64 and (text[start - 1].isalnum() or text[start - 1] in _LOCAL)
    ):
        start -= 1
    return start


def _spelled_emails(folded: Folded) -> Iterator[Finding]:
    low = folded.low
    for sign in _LOOSE_AT.finditer(low):
        domain = _LOOSE_DOMAIN.match(low, sign.end())
        if domain is None or not _is_spelled(sign[0], domain[0]):
            continue
        start = _local_start(low, sign.start())
        for joint in (" dot ", "(dot)", "[dot]", " (dot) ", " [dot] ", " . "):
            if low.endswith(joint, 0, start):
                start = _local_start(low, start - len(joint))
        if start < sign.start():
            yield Finding("email", start, domain.end())


def _is_spelled(sign: str, domain: str) -> bool:
    """Tell an address from prose: `look at docs.org` is none, `joe at docs dot org` is."""
    if sign.strip() in ("at", "@"):
        last = domain.replace(".", " ").split()[-1]
        if " " not in domain and not set(domain) & set("([{<"):
            return sign.strip() == "@" and sign != "@" and last in _MAIL_TLDS
        return (
            sign.strip() == "at" and bool(re.search(r"dot|[\[({<]", domain)) or last in _MAIL_TLDS
        )
    return True


def name_detector(names: Sequence[str]) -> Detector:
    """Return a detector of whole names, whatever their case and spelling of letters."""
    spelled = sorted({fold(name).low.strip() for name in names} - {""}, key=len, reverse=True)

    def detect(folded: Folded) -> Iterator[Finding]:
        for name in spelled:
            for at in occurrences(folded.low, name):
                end = at + len(name)
                after = folded.low[end : end + 1]
                if starts_word(folded.low, at) and not after.isalnum():
                    yield Finding("name", at, end)

    return detect
