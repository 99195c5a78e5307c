"""Runs of digits: payment cards, national identity numbers, phone numbers.

One pass finds the runs; what they are is decided run by run, from the check digits or, where a
number has none, from how it is grouped and the words before it.
"""

import re
from collections.abc import Iterator

from playbooks.redaction import checksums
from playbooks.redaction.finding import Finding, occurrences
from playbooks.redaction.folding import Folded, fold

# The digit first: a search for it is quick, one for what must not stand before it is not.
_RUN = re.compile(r"\d(?<![^\W_]\d)(?:[ ()./_·\t-]{0,3}\d){6,}+")
_RUN_LENGTH = 80
_DATE = re.compile(r"(?<!\d)(?:\d{4}([-/.])\d{1,2}\1\d{1,2}|\d{1,2}([-/.])\d{1,2}\2\d{4})(?!\d)")
_AFTER = re.compile(r"[^\W_]|[.,:]\d|-[^\W\d]")
_CARD_LAYOUTS = re.compile(
    r"(?<!\d)(?:(?:\d{4}[ .-]){3}\d{4}(?:[ .-]\d{3})?|\d{4}[ .-]\d{6}[ .-]\d{4,5}|\d{13,19})(?!\d)"
)
_NATIONAL_LAYOUTS = re.compile(
    r"(?<!\d)(?:(?!000|666|9)\d{3}([-. ])(?!00)\d\d\1(?!0000)\d{4}"  # US
    r"|\d{3}\.\d{3}\.\d{3}-\d\d"  # BR
    r"|756\.\d{4}\.\d{4}\.\d\d"  # CH
    r"|\d\d\.\d\d\.\d\d-\d{3}\.\d\d"  # BE
    r"|\d{1,2}\.\d{3}\.\d{3}-[\dkK])(?!\d)"  # CL
)
_GROUPED = re.compile(
    r"(?<!\d)(?:[12] \d\d \d\d \d\d \d{3} \d{3} \d\d|\d\d \d{3} \d{3} \d{3}|\d{4}[ -]\d{4}[ -]\d{4}"
    r"|\d{6}-\d{7}|\d{6}-\d{4}|\d{8}-\d{4}|\d{11}|\d{15}|\d{18})(?!\d)"
)
_PHONE_LAYOUTS = re.compile(
    r"(?<!\d)(?:"
    r"\+[1-9](?:[ ()./-]{0,3}\d){6,14}(?!\d)"
    r"|00[1-9]\d{0,2}[ ()/-]{1,2}\d(?:[ ()/-]{0,2}\d){6,12}(?!\d)"
    r"|(?:1[ .-])?\(\d{3}\) ?\d{3}[ .-]?\d{4}(?!\d)"
    r"|[78] ?\(\d{3}\) ?\d{3}-?\d\d-?\d\d(?!\d)"
    r"|\(0?\d{2}\) ?\d{4,5}[ .-]?\d{4}(?!\d)"
    r"|\(0\d{2,4}\) ?\d{3,4}[ -]?\d{3,6}(?!\d)"
    r"|(?:1[ .-])?\d{3}([ .-])\d{3}\1\d{4}(?!\d)"
    r"|0\d([ .-])\d\d\2\d\d\2\d\d\2\d\d(?!\d)"
    r"|0[1-9]\d{0,3}[ /-]{1,3}\d{3,5}[ -]\d{3,5}(?:[ -]\d{2,4})?(?!\d)"
    r"|0[1-9]\d{1,3}[ /-]{1,3}\d{5,8}(?!\d)"
    r"|07\d{9}(?!\d)|0[67]\d{8}(?!\d)|01[567]\d{8,9}(?!\d)"
    r"|[6-9]\d{4} \d{5}(?!\d)"
    r"|1[3-9]\d[ -]\d{4}[ -]\d{4}(?!\d)"
    r"|3\d\d \d{7}(?!\d)"
    r"|6\d\d \d\d \d\d \d\d(?!\d)"
    r")"
)
_CALLED = re.compile(
    fold(
        r"(?:phones?|tele(?:ph|f)on\w{0,2}|tel|mobiles?|mobil|cell(?:ular|ulare)?|call|calling|whatsapp"
        r"|fax|sms|text|handy\w{0,8}|movil|portable|celular|ruf\w{0,8}|telefon|тел\w{0,6}|звон\w{0,4}"
        r"|电话\w?|手机\w?|電話\w{0,3}|携帯\w{0,3}|dial|reach (?:me|him|her|them)|ring)"
        r"\b[^\w\n]{0,3}(?:(?:number|no|nr|num|is|at|on|me|us|him|her|them|:|=)[^\w\n]{0,3}){0,4}"
        r"[\"'(+ ]{0,3}$"
    ).text
)
# Words that make an identity number of the digits or letters after them, in folded lower case.
_IDENTITY = tuple(fold(word).low for word in (
    "ssn", "social security", "passport", "passeport", "pasaporte", "passaporto", "reisepass",
    "national id", "national insurance", "tax id", "taxpayer", "steuer-id", "steuernummer",
    "steueridentifikation", "steuerid", "tin", "dni", "nie", "nif", "cpf", "cnpj", "bsn",
    "burgerservicenummer", "pesel", "aadhaar", "aadhar", "personnummer", "insee", "nir",
    "numero de securite sociale", "securite sociale", "codice fiscale", "nino", "driver", "id card",
    "identity card", "identity number", "personalausweis", "ausweisnummer", "curp", "rut",
    "национальн", "паспорт", "снилс", "инн", "身份证", "护照", "マイナンバー", "パスポート",
    "permanent account number", "medicare", "nhs", "sozialversicherungsnummer", "citizen id",
))  # fmt: skip
_IDENTITY_VALUE = re.compile(
    fold(
        r"(?:[^\W\d]{0,3}(?:[^\w\n]{0,4}(?:numbers?|no|nr|num|numero|nummer|licen[cs]e|licence|is|card"
        r"|de|for|customer|code|security|номер|号码|号|番号)\b){0,4})[^\w\n]{0,4}"
        r"(?P<id>[A-Za-z]{0,3}[ -]?\d(?:[./-]?\w|[ -]{1,2}\d){4,19})(?!\w)"
    ).text
)
_LETTERED = re.compile(
    r"(?<!\w)(?:"
    r"(?P<dni>(?:[XYZxyz][ .-]?\d{7}|\d{8}|\d\d\.\d{3}\.\d{3})[ .-]?[A-Za-z])"
    r"|(?P<nino>[ABCEGHJ-PRSTW-Za-z][A-Za-z][ -]?\d\d[ -]?\d\d[ -]?\d\d[ -]?[A-Da-d])"
    r"|(?P<cf>[A-Za-z]{6}[ -]?\d\d[A-EHLMPR-Ta-ehlmpr-t]\d\d[ -]?[A-Za-z]\d{3}[A-Za-z])"
    r"|(?P<hetu>[0-3]\d[01]\d{3}[-+A]\d{3}[0-9A-FHJ-NPR-Y])"
    r"|(?P<cn>\d{17}[Xx])"
    r"|(?P<pan>[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z])"
    r"|(?P<curp>[A-Z]{4}\d{6}[HM][A-Z]{5}[A-Z\d]\d)"
    r")(?!\w)"
)
_IBAN_START = re.compile(r"\d(?:(?<=[A-Za-z]{2}\d)|(?<=[A-Za-z]{2}[ .-]\d))[ .-]?\d")
_DIGITS = re.compile(r"\d\d+")


def numbers(folded: Folded) -> Iterator[Finding]:
    """Find cards, identity numbers and phone numbers in the runs of digits."""
    text = folded.text
    for run in _RUN.finditer(text):
        start, end = run.span()
        start -= len(text[max(0, start - 2) : start]) - len(
            text[max(0, start - 2) : start].rstrip("+(")
        )
        digits = re.sub(r"\D", "", run[0]) if end - start <= _RUN_LENGTH else ""
        whole = not _AFTER.match(text, end)
        if whole and 13 <= len(digits) <= 19 and checksums.card(digits):
            yield Finding("card", start, end)
            continue
        yield from _cards_inside(text, start, end)
        yield from _identities_inside(text, start, end)
        if whole and 7 <= len(digits) <= 15 and _is_called(folded.low, start):
            yield Finding("phone", start, end)
        else:
            yield from _phones_inside(text, start, end)


def _cards_inside(text: str, start: int, end: int) -> Iterator[Finding]:
    for found in _CARD_LAYOUTS.finditer(text, start, end):
        if not _AFTER.match(text, found.end()) and checksums.card(re.sub(r"\D", "", found[0])):
            yield Finding("card", *found.span())


def _identities_inside(text: str, start: int, end: int) -> Iterator[Finding]:
    for found in _NATIONAL_LAYOUTS.finditer(text, start, end):
        if not _AFTER.match(text, found.end()) and not _tied(text, found.start()):
            yield Finding("national_id", *found.span())
    for found in _GROUPED.finditer(text, start, end):
        if not _AFTER.match(text, found.end()) and _is_identity(re.sub(r"\D", "", found[0]), found):
            yield Finding("national_id", *found.span())


def _is_identity(digits: str, found: re.Match[str]) -> bool:
    if len(digits) == 12:
        return " " in found[0] and checksums.aadhaar(digits)
    if len(digits) == 13 and "-" in found[0]:
        return found[0][7] in "1234" and checksums.dated(digits)
    if len(digits) == 10 and "-" in found[0]:
        return checksums.luhn(digits) and checksums.dated(digits)
    return any(check(digits) for check in checksums.BY_LENGTH.get(len(digits), ()))


def _tied(text: str, start: int) -> bool:
    """Tell whether a digit group goes on before `start`, as in a longer id."""
    return start > 1 and text[start - 1] in "-./" and text[start - 2].isalnum()


def _phones_inside(text: str, start: int, end: int) -> Iterator[Finding]:
    for found in _PHONE_LAYOUTS.finditer(text, start, end):
        if _AFTER.match(text, found.end()) or _DATE.search(found[0]):
            continue
        if not _tied(text, found.start()):
            yield Finding("phone", *found.span())


def _is_called(low: str, start: int) -> bool:
    """Tell whether the words before a number name a telephone."""
    window = low[max(0, start - 40) : start]
    return bool(_CALLED.search(window))


def identities(folded: Folded) -> Iterator[Finding]:
    """Find identity numbers by a word before them, or by their letters."""
    for word in _IDENTITY:
        for at in occurrences(folded.low, word):
            end = at + len(word)
            if at and folded.low[at - 1].isalnum() and word.isascii():
                continue
            value = _IDENTITY_VALUE.match(folded.low, end, end + 90)
            if value and sum(map(str.isdigit, value["id"])) >= 5:
                yield Finding("national_id", *value.span("id"))
    for digits in _DIGITS.finditer(folded.text):
        for start in _letters_before(folded.text, digits.start()):
            found = _LETTERED.match(folded.text, start)
            if found and _lettered_holds(found):
                yield Finding("national_id", *found.span())


def _letters_before(text: str, start: int) -> Iterator[int]:
    """Yield where the letters before a run of digits begin, with a blank between and without."""
    for position in (start, start - 1 if text[max(0, start - 1) : start] in " .-" else start):
        at = position
        while at > 0 and position - at < 7 and text[at - 1].isalpha():
            at -= 1
        yield at


def _lettered_holds(found: re.Match[str]) -> bool:
    compact = re.sub(r"[ .-]", "", found[0]).upper()
    match found.lastgroup:
        case "dni":
            return checksums.dni(compact)
        case "nino":
            return found[0].upper() == found[0] and not compact.startswith(("BG", "GB", "NK", "ZZ"))
        case "cf":
            return checksums.codice_fiscale(compact)
        case "cn":
            return checksums.BY_LENGTH[18][0](compact)
        case "hetu":
            number = int(found[0][:6] + found[0][7:10])
            return "0123456789ABCDEFHJKLMNPRSTUVWXY"[number % 31] == found[0][10]
        case _:
            return True


def ibans(folded: Folded) -> Iterator[Finding]:
    """Find bank accounts: a country, its length, the right check digits; blanks do not matter."""
    text = folded.text
    for found in _IBAN_START.finditer(text):
        letters = _IBAN_LETTERS.search(text, max(0, found.start() - 3), found.start())
        length = checksums.IBAN_LENGTH.get(letters[1].upper()) if letters else None
        if (
            letters is None
            or length is None
            or text[letters.start() - 1 : letters.start()].isalnum()
        ):
            continue
        rest = _iban_rest(length - 4).match(text, found.end())
        if rest is None:
            continue
        if checksums.iban(re.sub(r"[^A-Za-z0-9]", "", letters[0] + found[0] + rest[0]).upper()):
            yield Finding("iban", letters.start(), rest.end())


_IBAN_LETTERS = re.compile(r"([A-Za-z]{2})[ .-]?$")
_REST = {
    length: re.compile(rf"(?:[ .-]{{0,2}}[A-Za-z0-9]){{{length - 4}}}(?!\w)")
    for length in set(checksums.IBAN_LENGTH.values())
}


def _iban_rest(left: int) -> re.Pattern[str]:
    return _REST[left + 4]
