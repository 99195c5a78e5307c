"""Postal addresses, where their form shows them."""

import re
from collections.abc import Iterator

from playbooks.redaction.finding import Finding, occurrences, starts_word
from playbooks.redaction.folding import Folded, fold

_STREETS_AFTER = (
    "Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Square|Sq"
    "|Terrace|Way|Highway|Hwy|Parkway|Pkwy|Close|Crescent|Cres|Row|Gardens|Mews|Circle|Cir|Trail"
    "|Trl|Alley|Loop|Plaza|Quay|Walk|Hill|Grove|STREET|AVENUE|ROAD|LANE|DRIVE"
)
_TAIL = (
    r"(?:,? (?:Apt|Apartment|Suite|Ste|Unit|Floor|Fl|Flat|#)\.? ?#?[\w-]{1,6})?"
    r"(?:,? (?:[A-Z][\w.'-]{1,25} ?){1,3}){0,2}(?:,? [A-Z]{2}\b)?"
    r"(?:,? (?:\d{5}(?:-\d{4})?|[A-Z]{1,2}\d[\dA-Z]? ?\d[A-Z]{2})\b)?"
)
_NUMBER_FIRST = re.compile(
    # The digit first: a search for it is quick, one for what must not stand before it is not.
    r"\d(?<![\w.:/#$-]\d)\d{0,5}[A-Za-z]?(?:[-/]\d{1,4}[A-Za-z]?)?(?:,? (?:"
    r"(?:(?:[NSEW]|NE|NW|SE|SW|North|South|East|West)\.? )?"
    r"(?:(?:[A-Z][\w'.-]{1,25}|\d{1,3}(?:st|nd|rd|th)) ){1,4}"
    rf"(?:{_STREETS_AFTER})\b\.?{_TAIL}"
    r"|[a-z]{3,20} (?:[a-z]{3,20} )?(?:street|avenue|boulevard)\b"
    r"|(?:bis |ter )?(?:[Rr]ue|[Aa]venue|[Aa]v\.|[Bb]oulevard|[Bb]d|[Pp]lace|[Cc]hemin"
    r"|[Aa]llee|[Ii]mpasse|[Qq]uai"
    r"|[Cc]ours|[Rr]oute) (?:(?:de|du|des|la|le|les|l'|d') ?){0,3}"
    r"[A-Z][\w'-]+(?: [A-Z][\w'-]+){0,3}"
    r"(?:,? \d{5} [A-Z][\w-]+)?"
    r")|[a-z]?, (?:[A-Z]{1,2}-)?\d{4,5} [A-Z][\w-]{2,})"
)
_BACK_WORDS = re.compile(r"(?:[A-Z][\w.'-]{1,40}(?: [\w.'-]{1,30}){0,3} )$")
_NUMBER_AFTER = re.compile(
    r" {0,2}\d{1,4} ?[a-zA-Z]?(?![\w])(?:,? (?:[A-Z]{1,2}-)?\d{4,5} [A-Z][\w-]+)?"
)
_GERMAN = (
    "strasse", "straße", "str.", "str ", "weg ", "platz ", "allee ", "gasse ", "ring ", "damm ",
    "ufer ", "chaussee ", "steig ", "straat ", "laan ", "gatan ", "vej ", "gade ",
)  # fmt: skip
_WORD_BEFORE = re.compile(r"[A-Z][\w-]{1,40}(?: |$)|[\w-]{1,40}$")
_STREETS_BEFORE = (
    "calle ", "c/ ", "avenida ", "avda. ", "avda ", "plaza ", "paseo ", "via ", "viale ", "piazza ",
    "corso ", "largo ", "rua ", "praca ", "travessa ", "ulica ", "ul. ", "aleja ", "al. ",
)  # fmt: skip
_CYRILLIC_STREETS = tuple(fold(w).low for w in ("улица ", "ул. ", "проспект ", "пр. ", "переулок "))
_STREET_REST = re.compile(
    r"(?:(?:de|del|della|dei|di|da|do|dos|la|las|los|el|san|santa)\.? ){0,3}"
    r"(?:[^\W\d_][\w.'-]{1,30},? ){1,4}"
    r"(?:n[o°º.]{0,2} ?|д\.? ?|numero |nr\.? ?)?\d{1,5}(?!\w)"
    r"(?:,? (?:\d{5}|\d\d-\d{3}) [^\W\d_][\w-]+)?"
)
_BOXES = re.compile(
    r"\b(?:p\.? ?o\.?|post(?: office)?) ?box:? ?#?\d{1,7}|\bpostfach:? \d[\d ]{0,8}\d"
    r"|\bapartado(?: de correos| postal)? \d{1,7}|\bcasilla(?: postal| de correo)? \d{1,7}"
    r"|\bcaixa postal \d{1,7}|\bcasella postale \d{1,7}|\bboite postale \d{1,7}"
    r"|〒 ?\d{3}-?\d{4}\S{0,40}"
)
_BOX_WORDS = ("box", "postfach", "apartado", "casilla", "postal", "〒")
_EAST_ASIAN = re.compile(
    r"[\u4e00-\u9fff]{2,20}(?:路|街|道|巷|弄)"
    r"(?:[\u4e00-\u9fff]{0,6})\d{1,5}(?:号|號|弄)[\w\u4e00-\u9fff]{0,12}"
    r"|[\u4e00-\u9fff]{1,4}[都道府県][\u4e00-\u9fff]{1,6}[市区町村]"
    r"[^\s,。]{0,20}?\d{1,3}(?:丁目|-\d{1,3})[\d-]{0,8}"
)


def addresses(folded: Folded) -> Iterator[Finding]:
    """Find postal addresses where their form shows them."""
    text, low = folded.text, folded.low
    for found in _NUMBER_FIRST.finditer(text):
        start = found.start()
        if "," in found[0][:8] and (words := _BACK_WORDS.search(text, max(0, start - 80), start)):
            start = words.start()
        elif re.match(r"\d{1,6}[a-z]?, (?:[A-Z]{1,2}-)?\d{4,5}", found[0]):
            continue
        yield Finding("address", start, found.end())
    yield from _german(folded)
    for word in (*_STREETS_BEFORE, *_CYRILLIC_STREETS):
        for at in occurrences(low, word):
            rest = _STREET_REST.match(text, at + len(word))
            if rest and starts_word(low, at) and _is_street(rest[0]):
                yield Finding("address", at, rest.end())
    if any(word in low for word in _BOX_WORDS):
        for found in _BOXES.finditer(low):
            yield Finding("address", *found.span())
    if not text.isascii():
        for found in _EAST_ASIAN.finditer(text):
            yield Finding("address", *found.span())


def _is_street(words: str) -> bool:
    """Tell a street's name from prose: every word of more than three letters has a capital."""
    names = [word.strip(",.") for word in words.split() if word[:1].isalpha()]
    long = [word for word in names if len(word) > 3]
    return bool(long) and all(word[0].isupper() and not word.isupper() for word in long)


def _german(folded: Folded) -> Iterator[Finding]:
    """Find streets that end in their kind, before a number: `Lange Strasse 5, 12345 Ort`."""
    text, low = folded.text, folded.low
    for word in _GERMAN:
        for at in occurrences(low, word):
            number = _NUMBER_AFTER.match(text, at + len(word.rstrip()))
            before = _WORD_BEFORE.search(text, max(0, at - 42), at) if number else None
            if number and before:
                start = max(
                    before.start(), text.rfind(" ", 0, at) + 1 if text[at - 1] != " " else 0
                )
                if text[start].isupper():
                    yield Finding("address", start, number.end())
