"""Check digits of cards, accounts and national identity numbers; all take digits without blanks."""

import re
from collections.abc import Callable, Sequence
from datetime import date

# Length of an account number by country (SWIFT IBAN registry).
_BY_LENGTH = {
    15: "NO", 16: "BE", 18: "DK FI FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK",
    21: "CH HR LI LV", 22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST", 26: "IS TR",
    27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HU LB NI PL SV", 29: "BR EG PS QA UA",
    30: "JO KW MU", 31: "MT SC", 32: "LC", 33: "RU",
}  # fmt: skip
IBAN_LENGTH = {country: n for n, countries in _BY_LENGTH.items() for country in countries.split()}
_CARD_PREFIX = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}"
    r"|6(?:011|4[4-9]\d|5\d{2})\d{12}|35\d{14}|62\d{14,17}|(?:50|5[6-9]|6\d)\d{10,17}"
)


def luhn(digits: str) -> bool:
    """Return whether the check digit holds (ISO/IEC 7812-1, annex B)."""
    doubled = (
        int(digit) if index % 2 == 0 else sum(divmod(2 * int(digit), 10))
        for index, digit in enumerate(reversed(digits))
    )
    return len(set(digits)) > 1 and sum(doubled) % 10 == 0


def card(digits: str) -> bool:
    """Return whether digits are a payment card's: a known issuer, a right check digit."""
    return bool(_CARD_PREFIX.fullmatch(digits)) and luhn(digits)


def iban(compact: str) -> bool:
    """Return whether an upper-case account number's check digits hold (ISO 7064, mod 97-10)."""
    return int("".join(str(int(letter, 36)) for letter in compact[4:] + compact[:4])) % 97 == 1


def _weighted(digits: str, weights: Sequence[int]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def _is_date(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def dated(digits: str) -> bool:
    """Return whether six digits in front are a date: year first, or day first."""
    first, month, last = int(digits[:2]), int(digits[2:4]), int(digits[4:6])
    return any(_is_date(2000, month, day) for day in (first, last))


def _tax_de(digits: str) -> bool:
    """Steuer-ID: ISO 7064 mod 11,10; of the first ten one digit comes two or three times."""
    repeats = sorted(digits[:10].count(digit) for digit in set(digits[:10]))
    if digits[0] == "0" or repeats[-1] not in (2, 3) or (repeats + [0, 0])[-3] > 1:
        return False
    product = 10
    for digit in digits[:10]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def _pesel(digits: str) -> bool:
    month = int(digits[2:4])
    century = {0: 1900, 1: 2000, 2: 2100, 3: 2200, 4: 1800}[month // 20]
    born = _is_date(century + int(digits[:2]), month % 20, int(digits[4:6]))
    return born and _weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def _cpf(digits: str) -> bool:
    checks = [_weighted(digits, range(length, 1, -1)) * 10 % 11 % 10 for length in (10, 11)]
    return len(set(digits)) > 1 and digits[9:] == "".join(map(str, checks))


def _tc_kimlik(digits: str) -> bool:
    numbers = [int(digit) for digit in digits]
    tenth = (7 * sum(numbers[0:9:2]) - sum(numbers[1:8:2])) % 10
    return numbers[0] > 0 and tenth == numbers[9] and sum(numbers[:10]) % 10 == numbers[10]


def _nir(digits: str) -> bool:
    """French social security: 13 digits and 97 minus their remainder by 97."""
    return (
        digits[0] in "12"
        and 1 <= int(digits[3:5]) <= 99
        and 97 - int(digits[:13]) % 97 == int(digits[13:])
    )


def _cn_resident(digits: str) -> bool:
    """Chinese resident identity (GB 11643): 17 digits, a check digit or X; with a date of birth."""
    born = _is_date(int(digits[6:10]), int(digits[10:12]), int(digits[12:14]))
    weights = [pow(2, 17 - index, 11) for index in range(17)]
    return born and "10X98765432"[_weighted(digits[:17], weights) % 11] == digits[17].upper()


def _ahv(digits: str) -> bool:
    return digits.startswith("756") and _weighted(digits, (1, 3) * 6 + (1,)) % 10 == 0


def aadhaar(digits: str) -> bool:
    """Return whether the Verhoeff check digit of an Indian Aadhaar number holds."""
    check = 0
    for index, digit in enumerate(reversed(digits)):
        check = _dihedral(check, _permuted(int(digit), index))
    return digits[0] not in "01" and check == 0


def _dihedral(a: int, b: int) -> int:
    """Return the product in the dihedral group of ten elements."""
    if a < 5:
        return (a + b) % 5 if b < 5 else 5 + (a + b) % 5
    return 5 + (a - b) % 5 if b < 5 else (a - b) % 5


def _permuted(digit: int, times: int) -> int:
    for _ in range(times % 8):
        digit = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)[digit]
    return digit


def _belgian(digits: str) -> bool:
    month, day = int(digits[2:4]), int(digits[4:6])
    dated = month <= 12 and day <= 31
    return dated and any(97 - int(c + digits[:9]) % 97 == int(digits[9:]) for c in ("", "2"))


def dni(compact: str) -> bool:
    """Return whether the letter of a Spanish DNI or NIE is right."""
    number = compact[:-1].translate(str.maketrans("XYZ", "012"))
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == compact[-1]


def codice_fiscale(compact: str) -> bool:
    """Return whether the last letter of an Italian codice fiscale is right."""
    odd = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24]
    odd.append(23)
    total = 0
    for index, char in enumerate(compact[:15]):
        value = int(char) if char.isdigit() else ord(char) - 65
        total += odd[value] if index % 2 == 0 else value
    return chr(65 + total % 26) == compact[15]


# By length: what is an identity number by its digits alone, or with a date in it.
BY_LENGTH: dict[int, tuple[Callable[[str], bool], ...]] = {
    11: (_tax_de, _pesel, _cpf, _tc_kimlik, _belgian),
    13: (_ahv,),
    15: (_nir,),
    18: (_cn_resident,),
}
