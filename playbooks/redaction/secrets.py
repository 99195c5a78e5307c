"""Keys, tokens, private keys, connection strings, and values that a name beside them gives away."""

import re
from bisect import bisect_right
from collections.abc import Iterator

from playbooks.redaction.finding import Finding, occurrences
from playbooks.redaction.folding import Folded, fold

_DASHES = "(?:-[ -]{1,6})"
_KEY_BEGIN = re.compile(
    rf"{_DASHES}\s*begin\s+(?:[a-z0-9]+\s+){{0,3}}private\s+key(?: block)?\s*-+"
)
_KEY_END = re.compile(rf"{_DASHES}\s*end\s+(?:[a-z0-9]+\s+){{0,3}}private\s+key(?: block)?\s*-+")
_KEY_BODY = re.compile(r"(?:\s|\\[nrt]|[\"'+,;|>#*]|[A-Za-z0-9+/=]{16,}+|[A-Za-z0-9+/]{0,15}=)*+")
_CONNECTION = re.compile(
    r"://[^\s:@/\"'<>{}\[\]]{0,80}:(?P<password>[^\s@\"'<>]{1,200})@[^\s\"'<>,;)]{1,200}"
)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{1,20}$", re.IGNORECASE)
_ACCOUNT = re.compile(r"(?:accountkey|sharedaccesskey|sharedaccesssignature)=[a-z0-9+/=%&]{20,}+")
_FIELDS = re.compile(
    r"(?:server|host|data source|user id|uid|username|user|dbname|database|initial catalog|port)"
    r" ?= ?[^\s;\"']{1,80};? ?"
)
_PASSWORD_FIELD = re.compile(
    r"(?:password|pwd) ?= ?(?:'[^'\n]{1,80}'|[^\s;\"']{1,80})", re.IGNORECASE
)

_API_KEY = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"sk-[A-Za-z0-9_-]{16,}+"
    r"|(?:sk|pk|rk|whsec|pi|seti)_(?:live|test)_[A-Za-z0-9]{10,}+|whsec_[A-Za-z0-9+/=]{20,}+"
    r"|(?:AKIA|ASIA|AGPA|AROA|AIDA|ANPA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])"
    r"|AIza[A-Za-z0-9_-]{30,}+|GOCSPX-[A-Za-z0-9_-]{20,}+|ya29\.[A-Za-z0-9_-]{20,}+"
    r"|gh[pousr]_[A-Za-z0-9]{20,}+|github_pat_[A-Za-z0-9_]{20,}+"
    r"|gl(?:pat|dt|rt|soat|cbt|ptt|imt|agent|oas|ffct|ft)-[A-Za-z0-9_-]{15,}+"
    r"|xox[abceoprs]-[A-Za-z0-9-]{10,}+|xapp-[A-Za-z0-9-]{10,}+"
    r"|SG\.[A-Za-z0-9_-]{15,}+\.[A-Za-z0-9_-]{15,}+"
    r"|(?:npm|hf|dckr_pat|dckr_oat|dop_v1|doo_v1|shp(?:at|ca|pa|ss)|pul|key|rzp_live|rzp_test|gsk"
    r"|lin_api|sbp|fig[dp]|glc|glsa|PMAK|pcsk|r8|tskey|tvly|nvapi|xai|pplx|fw|re|ctp|EAAC?"
    r"|sq0(?:atp|csp)|pat|ntn|secret|phc|phx|sntrys|sntryu|rdme|atlasv1|dp\.pt|hvs|hvb|s\.)"
    r"[_.-][A-Za-z0-9_-]{20,}+"
    r"|pypi-[A-Za-z0-9_-]{30,}+|age-secret-key-1[a-z0-9]{40,}+|AGE-SECRET-KEY-1[A-Z0-9]{40,}+"
    r"|AC[0-9a-f]{32}(?![A-Za-z0-9])|SK[0-9a-f]{32}(?![A-Za-z0-9])"
    r"|\d{8,10}:AA[A-Za-z0-9_-]{33}"
    r"|[MNO][A-Za-z0-9_-]{23,25}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}"
    r")"
)
_PREFIXES = ("AKIA", "ASIA", "sk-", "sk_live", "ghp_", "github_pat_", "glpat-", "xox", "AIza")
# Pieces of a key that blanks tear apart: each with a digit, or in capitals.
_PIECES = re.compile(r"\S{3,}(?: (?=[\w-]*\d|[A-Z]{3,}\b)[\w-]{2,40}){1,12}")
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{4,}+(?:\.[A-Za-z0-9_-]*+){0,3}"
)
_SLACK_HOOK = re.compile(
    r"hooks\.slack\.com/(?:services|workflows)/[\w/]{10,}+|discord(?:app)?\.com/api/webhooks/[\w/-]+"
)
_BEARER = re.compile(
    r"\s*(?:token\s+)?(?=[A-Za-z0-9._~+/-]{0,300}[0-9])[A-Za-z0-9._~+/-]{16,}+={0,2}"
)
_BASIC = re.compile(r"\s+[A-Za-z0-9+/]{8,}+={0,2}")

# Names whose value is a secret, in lower case; longest first where one begins another.
_NAMES = tuple(fold(name).low for name in (
    "password", "passwort", "passwd", "pwd", "passphrase", "passcode", "kennwort", "mot de passe",
    "contrasena", "clave", "senha", "парол", "密码", "口令", "パスワード", "暗証番号", "secret",
    "token", "credential", "api key", "api-key", "api_key", "apikey", "access key", "access-key",
    "access_key", "accesskey", "private key", "private_key", "privatekey", "account key",
    "account_key", "accountkey", "signing key", "signing_key", "encryption key", "encryption_key",
    "master key", "master_key", "auth key", "auth_key", "license key", "license_key", "session_id",
    "sessionid", "session id", "authorization", "x-auth", "cookie", "cvv", "cvc", "pin code",
    "pin", "otp", "security code", "schlussel",
))  # fmt: skip
_ASSIGNED = re.compile(
    fold(
        r"(?:s|es|e|en|ь|я|ем)?(?:[_-](?:key|id|token|value|hash|prod|dev|live|base64|\d{1,2}))?"
        r"(?P<quote>\\?[\"'`*])?"
        r"(?:\s{0,3}(?:=>|:=|=|:|：|->)\s{0,3}"
        r"|\s{1,3}(?:(?:for|of|to|von|de|del|da|для)\s\S{1,40}\s)?"
        r"(?:is|was|are|to|ist|lautet|est|es|e|é|=|set to|below|это)\s{1,3}"
        r"|(?:は|是|为|為)\s{0,2})(?:now\s)?"
        r"(?P<value>\\?\"[^\"\n]{3,200}?\\?\"|'[^'\n]{3,200}'|`[^`\n]{3,200}`"
        r"|[^\s\"'`,;()\[\]{}<>]{3,200})"
    ).text
)
_FIXED_WORD = re.compile(
    r"(?i)[a-z_.]*(?:your|example|placeholder|redacted|changeme|dummy|sample)[\w.-]{0,20}"
    r"|(?:string|str|text|required|optional|null|none|nil|true|false|int|integer|number|boolean"
    r"|hidden|secret|password|token|value|object|undefined|missing|invalid|incorrect|empty|wrong"
    r"|correct|valid|expired|reset|change|changed|unknown|needed|given|set|bearer|basic|the|not|a|an)"
    r"|[a-z_]*(?:token|password|passwd|key|secret|credentials?|pwd)_?\d{0,2}"
)
_SHORT_CODES = ("cvv", "cvc", "pin", "pin code", "otp", "security code", "passcode", "暗証番号")


def private_keys(folded: Folded) -> Iterator[Finding]:
    """Find PEM and PGP private keys, whole or cut off, with escaped or quoted line ends."""
    if "private" not in folded.low:
        return
    begins = [found.span() for found in _KEY_BEGIN.finditer(folded.low)]
    ends = [found.end() for found in _KEY_END.finditer(folded.low)]
    starts = [start for start, _ in begins[1:]]
    for (start, done), after in zip(begins, [*starts, len(folded.low)], strict=False):
        end = bisect_right(ends, done)
        if end < len(ends) and ends[end] <= min(after, done + 12_000):
            yield Finding("private_key", start, ends[end])
        else:
            body = _KEY_BODY.match(folded.text, done, min(after, done + 12_000))
            yield Finding("private_key", start, body.end() if body else done)


def connections(folded: Folded) -> Iterator[Finding]:
    """Find connection strings that hold a password or an account key."""
    text, low = folded.text, folded.low
    for at in occurrences(text, "://"):
        scheme = _SCHEME.search(text, max(0, at - 21), at)
        found = _CONNECTION.match(text, at) if scheme else None
        if scheme and found and not _is_stub(found["password"]):
            yield Finding("connection_string", scheme.start(), found.end())
    for word in ("accountkey=", "sharedaccess"):
        done = 0
        for at in occurrences(low, word):
            if at >= done and (found := _ACCOUNT.match(low, at)):
                done = found.end()
                yield Finding("connection_string", *found.span())
    yield from _field_connections(folded)


def _is_stub(password: str) -> bool:
    return bool(re.fullmatch(r"(?i)\$?\{.*\}|\*+|x+|\[.*\]|<.*>|%s|pass(?:word)?", password))


def _field_connections(folded: Folded) -> Iterator[Finding]:
    """Find `Server=...;Password=...;` and `host=... password=...`."""
    for word in ("password", "pwd"):
        for at in occurrences(folded.low, word):
            field = _PASSWORD_FIELD.match(folded.text, at, at + 120)
            if field is None:
                continue
            before = list(_FIELDS.finditer(folded.low, max(0, at - 200), at))
            value = field[0].partition("=")[2].strip(" '")
            if before and before[-1].end() >= at - 1 and not _FIXED_WORD.fullmatch(value):
                yield Finding("connection_string", before[0].start(), field.end())


def keys(folded: Folded) -> Iterator[Finding]:
    """Find keys and tokens that their form gives away, in the long runs of a text."""
    text = folded.text
    for start, end in folded.long_runs:
        for kind, pattern in (("api_key", _API_KEY), ("token", _TOKEN), ("token", _SLACK_HOOK)):
            for found in pattern.finditer(text, start, end):
                if kind != "api_key" or _is_key(found[0]):
                    yield Finding(kind, *found.span())
    yield from _torn_keys(text)
    for word, pattern in (("bearer", _BEARER), ("basic", _BASIC)):
        for at in occurrences(folded.low, word):
            end = at + len(word)
            value = pattern.match(text, end)
            if value and (word == "bearer" or folded.low[max(0, at - 20) : at].count("auth")):
                yield Finding("token", at, value.end())


def _torn_keys(text: str) -> Iterator[Finding]:
    for prefix in _PREFIXES:
        for at in occurrences(text, prefix):
            pieces = _PIECES.match(text, at, at + 200)
            found = _API_KEY.match(pieces[0].replace(" ", "")) if pieces else None
            if pieces and found and _is_key(found[0]):
                yield Finding("api_key", *pieces.span())


def _is_key(value: str) -> bool:
    """Tell a key from words with dashes (`sk-learn-pipeline-...`, `pat-...`)."""
    return bool(re.search(r"[0-9]", value)) or bool(re.search(r"[a-z][A-Z]{2}|[A-Z]{8}", value))


def named(folded: Folded) -> Iterator[Finding]:
    """Find the values of passwords, tokens and the like that a name announces."""
    low = folded.low
    for name in _NAMES:
        done = 0
        for at in occurrences(low, name):
            if at < done:
                continue
            if name.isascii() and at and low[at - 1].isalpha() and len(name) < 5:
                continue
            end = at + len(name)
            found = _ASSIGNED.match(folded.text, end, end + 700)
            if found is None:
                continue
            done = found.start("value")
            if "=" not in found["value"]:
                done = found.end()
            value = found["value"].rstrip(".:!?").removesuffix("\\")
            bare = value.strip("\\\"'`")
            short = name in _SHORT_CODES and bool(re.fullmatch(r"\d{3,8}", bare))
            quoted = bool(found["quote"]) and bare != value
            if short or looks_secret(bare, quoted=quoted):
                yield Finding("secret", found.start("value"), found.start("value") + len(value))


def looks_secret(value: str, *, quoted: bool = False) -> bool:
    """Tell a literal secret from a variable, a placeholder or a word of prose.

    `quoted` is for `"password": "value"`, where a plain word too is a value.
    """
    if len(value) < 4 or re.search(r"[<>{}$]|\.\.\.|…|\*{2}|[xX]{4}|\w[(\[]", value):
        return False
    if _FIXED_WORD.fullmatch(value):
        return False
    if len(value) < 30 and re.search(r"(?i)your|example|placeholder|redacted", value):
        return False
    if quoted:
        return not re.search(r"\s\S+\s", value)
    if len(value) < 6 or re.search(r"\s", value) or re.fullmatch(r"[A-Za-z_.]+", value):
        return False
    kinds = [r"[a-z]", r"[A-Z]", r"\d", r"[^\w]"]
    mixed = sum(bool(re.search(kind, value)) for kind in kinds) >= 2
    return mixed and bool(re.search(r"\d|[!@#%^&+]", value))
