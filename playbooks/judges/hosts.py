"""Hosts, addresses and wallets that a text names, also where they are written to be overlooked."""

import re
from collections.abc import Iterator

from playbooks.redaction import fold

_SCHEME = re.compile(
    r"\b(?:h[tx]{2}ps?|s?ftps?|wss?|s3|gs|ssh|smb|ldaps?|tcp|udp|gopher|telnet|rsync|git)\s?(?::"
    r"|\[:\])\s?/{1,2}\s?"
)
_NAME = re.compile(r"(?:[^\s/@?#\"'<>:]{0,80}@)?\[?(?P<host>[^\s/?#\"'<>,;:)\]]{1,253})")
_DOT = r"(?:\.|\s?[\[({<]\s?(?:\.|dot|punkt|point|punto)\s?[\])}>]\s?|\sdot\s)"
# Endings that file names and attributes hardly ever have.
_TLD = (
    r"(?:com|net|org|io|ru|cn|xyz|top|site|info|biz|co|dev|app|online|click|link|live|shop|store"
    r"|tech|club|icu|pw|tk|ml"
    r"|ga|cf|gq|su|eu|uk|de|fr|nl|pl|br|kr|tw|ua|ir|kp|onion|example|invalid|internal|cloud|host"
    r"|space|website|fun|vip|work"
    r"|win|bid|stream|download|loan|men|party|review|trade|date|racing|science|gdn|ltd|pro|mobi"
    r"|cam|rest|quest|sbs|cfd|cyou"
    r"|lol|bond|ink|monster|beauty|hair|skin|buzz|today|world|life|news|agency|systems|network"
    r"|solutions|services|email|me"
    r"|gov|edu|mil|us|ca|au|jp|es|se|no|fi|dk|be|ch|cz|gr|hu|pt|ro|tr|za|mx|ar|cl|ng|ke|pk|vn|my"
    r"|sg|hk|nz|il|ai|gg|ly|vc|ws)"
)
_BARE = re.compile(
    rf"(?<![\w@./\\$-])(?P<host>(?:[^\W_](?:[\w-]{{0,61}}[^\W_])?{_DOT}){{1,5}}{_TLD})(?![\w(\[=]"
    rf"|\.\w|\s?[\[({{]\s?dot)(?P<path>[/:?#]?)"
)
# Endings that are common in code or prose too count only where a host is meant.
_UNSURE = frozenset(
    ("me", "co", "app", "dev", "io", "ai", "id", "us", "no", "be", "my", "at", "in", "is", "it",
     "to", "es", "ca", "work", "date", "link", "live", "email", "host", "space", "review", "party",
     "stream", "download", "services", "systems", "network", "cloud", "internal", "test", "store",
     "news", "life", "pro", "br", "se", "fi", "ch", "de")
)  # fmt: skip
_MEANT = re.compile(
    r"\b(?:to|at|from|via|visit|host|server|domain|site|website|open|fetch|get|post|curl|wget"
    r"|call|calls|ping|contact|url"
    r"|endpoint|into|with|on|use|using|download|upload|connect|query|resolve|trust"
    r"|through)(?: the| this| our)?"
    r"(?: (?:url|host|server|domain|site|endpoint|address))?:? ?[\"'`(<]?$"
)
_IP = re.compile(
    r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.|\s?[\[(]\.?(?:dot)?[\])]\s?)){3}(?:25[0-5]"
    r"|2[0-4]\d|1?\d?\d)(?![\w]|\.\d)"
)
_IP6 = re.compile(
    r"(?<![\w:])(?:[0-9a-f]{1,4}:){2,7}(?::?[0-9a-f]{1,4}){1,6}(?![\w:])"
    r"|(?<![\w:])[0-9a-f]{1,4}::[0-9a-f]{1,4}"
)
_MAIL = re.compile(r"@(?P<host>(?:[\w-]{1,63}\.){1,5}[a-z]{2,24})\b")
_WALLET = re.compile(
    r"\b(?:0x[0-9a-f]{40}|bc1[a-z0-9]{25,60}|[13][a-km-zA-HJ-NP-Z1-9]{25,34}|t\.me/\w+"
    r"|T[A-Za-z1-9]{33})\b"
)
_LOCAL = re.compile(r"localhost|127\.\d+\.\d+\.\d+|0\.0\.0\.0|::1")
_VERSIONED = re.compile(r"\b(?:versions?|v|release) ?$")


def find_hosts(text: str) -> set[str]:
    """Return the hosts, in lower case and plain spelling, that a text names.

    Web and mail addresses, bare and defanged names (`a[.]example`), IP addresses in any notation
    behind a scheme, wallets. A machine's own names (localhost) are none.
    """
    folded = fold(text)
    hosts = {_plain(host) for host in _named(folded.low)}
    hosts |= {found[0].lower() for found in _WALLET.finditer(folded.text)}
    return {host for host in hosts if host and not _LOCAL.fullmatch(host)}


def _named(low: str) -> Iterator[str]:
    for scheme in _SCHEME.finditer(low):
        host = _NAME.match(_refanged(low[scheme.end() : scheme.end() + 300]))
        if host:
            yield host["host"]
    for found in _BARE.finditer(low):
        if _is_host(low, found):
            yield found["host"]
    for found in _MAIL.finditer(low):
        yield found["host"]
    for found in _IP.finditer(low):
        if not _VERSIONED.search(low[max(0, found.start() - 12) : found.start()]):
            yield found[0]
    yield from (
        found[0] for found in _IP6.finditer(low) if "::" in found[0] or found[0].count(":") > 5
    )


def _is_host(low: str, found: re.Match[str]) -> bool:
    """Tell a host from a file name or an attribute."""
    host = found["host"]
    if re.search(r"\W(?:dot|punkt|point|punto)\W|[\[({<]", host):
        return True
    ending = host.rpartition(".")[2]
    before = low[max(0, found.start() - 40) : found.start()]
    if ending not in _UNSURE or found["path"] == "/" or host.startswith("www."):
        return "_" not in host.rpartition(".")[0].rpartition(".")[2] or ending not in _UNSURE
    return bool(_MEANT.search(before)) and "_" not in host


def _refanged(text: str) -> str:
    return re.sub(
        r"\s?[\[({<]\s?(?:\.|dot|punkt|point|punto)\s?[\])}>]\s?|(?<=\w)\sdot\s(?=\w)", ".", text
    )


def _plain(host: str) -> str:
    return _refanged(host).strip(".-_*`").removeprefix("www.")
