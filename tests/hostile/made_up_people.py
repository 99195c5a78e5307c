"""Personal data and secrets of nobody, with right check digits."""

# ruff: noqa: E501 - sentences stand one a line.

import base64
import string
import urllib.parse

from playbooks.redaction import checksums
from tests.hostile.obfuscations import plain

FIRST = ("Jane", "Tomás", "Ayşe", "Igor", "Mei", "Fatima", "Olu", "Björn")
LAST = ("Doe", "García", "Yılmaz", "Petrov", "Lin", "Haddad", "Adeyemi", "Ström")


def digits(rng, n):
    return "".join(rng.choice(string.digits) for _ in range(n))


def word(rng, n, letters=string.ascii_letters + string.digits):
    return "".join(rng.choice(letters) for _ in range(n - 3)) + "a7Q"


def until(rng, make, holds):
    while not holds(value := make(rng)):
        pass
    return value


def grouped(number):
    return " ".join(number[i : i + 4] for i in range(0, len(number), 4))


def card(rng):
    number = until(rng, lambda r: "4" + digits(r, 15), checksums.card)
    return rng.choice(
        (
            number,
            " ".join(number[i : i + 4] for i in range(0, 16, 4)),
            "-".join(number[i : i + 4] for i in range(0, 16, 4)),
        )
    )


def iban(rng):
    country, length = rng.choice(sorted(checksums.IBAN_LENGTH.items()))
    body = digits(rng, length - 4)
    check = 98 - int("".join(str(int(c, 36)) for c in body + country) + "00") % 97
    value = f"{country}{check:02d}{body}"
    return rng.choice((value, " ".join(value[i : i + 4] for i in range(0, len(value), 4))))


def email(rng):
    address = f"{word(rng, 8).lower()}.{word(rng, 6).lower()}@{word(rng, 7).lower()}.{rng.choice(('com', 'de', 'co.uk', 'io'))}"
    name, _, host = address.partition("@")
    return rng.choice(
        (
            address,
            f"{name} (at) {host.replace('.', ' (dot) ')}",
            f"{name}%40{host}",
            f"{name}[at]{host}",
            address.upper(),
        )
    )


def phone(rng):
    return rng.choice(
        (
            f"+49 30 {digits(rng, 7)}",
            f"+1 ({rng.randrange(200, 999)}) 555-0{digits(rng, 3)}",
            f"+44 7911 {digits(rng, 6)}",
            f"06 {' '.join(str(rng.randrange(10, 99)) for _ in range(4))}",
            f"tel: 91{digits(rng, 7)}",
            f"({rng.randrange(200, 999)}) 555-0{digits(rng, 3)}",
            f"0049 30 {digits(rng, 7)}",
            f"+86 138 {digits(rng, 4)} {digits(rng, 4)}",
            f"+7 912 {digits(rng, 3)}-{digits(rng, 2)}-{digits(rng, 2)}",
            f"{rng.randrange(200, 999)}-555-0{digits(rng, 3)}",
        )
    )


def national_id(rng):
    return rng.choice((
        lambda: f"{rng.randrange(100, 665)}-{rng.randrange(10, 99)}-{rng.randrange(1000, 9999)}",
        lambda: until(rng, lambda r: digits(r, 8) + r.choice("TRWAGMYFPDXBNJZSQVHLCKE"), checksums.dni),
        lambda: until(rng, lambda r: "X" + digits(r, 7) + r.choice("TRWAGMYFPDXBNJZSQVHLCKE"), checksums.dni),
        lambda: f"AB {digits(rng, 2)} {digits(rng, 2)} {digits(rng, 2)} C",
        lambda: f"PESEL 4405140135{9}",
        lambda: until(rng, lambda r: digits(r, 11), checksums.BY_LENGTH[11][2]),
        lambda: "RSSMRA85T10A562S",
        lambda: grouped(until(rng, lambda r: str(r.randrange(2, 9)) + digits(r, 11), checksums.aadhaar)),
        lambda: f"passport number C{digits(rng, 8)}",
        lambda: f"BSN {digits(rng, 9)}",
        lambda: "1 85 05 78 006 084 91",
        lambda: "11010519491231002X",
    ))()  # fmt: skip


def address(rng):
    n = rng.randrange(2, 300)
    return rng.choice(
        (
            f"{n} Evergreen Terrace, Springfield, IL 62704",
            f"Lindenstraße {n}, 10969 Berlin",
            f"{n} rue de la Paix, 75002 Paris",
            f"Calle Mayor {n}, 28013 Madrid",
            f"Via Garibaldi {n}",
            f"P.O. Box {n}4",
            f"{n}B Baker Street",
            f"Hauptstr. {n}",
            f"Am Markt {n}, 50667 Köln",
        )
    )


def key(rng):
    return rng.choice((
        lambda: "sk-" + "proj-" + word(rng, 40), lambda: "sk-" + "ant-api03-" + word(rng, 40), lambda: "AKIA" + word(rng, 19, string.ascii_uppercase)[:16],
        lambda: "ghp_" + word(rng, 36), lambda: "xoxb-" + digits(rng, 12) + "-" + word(rng, 24), lambda: "sk_" + "live_" + word(rng, 24),
        lambda: "AIza" + word(rng, 35), lambda: "glpat-" + word(rng, 20), lambda: "hf_" + word(rng, 34),
        lambda: "eyJhbGciOiJIUzI1NiJ9." + word(rng, 40) + "." + word(rng, 43), lambda: "Bearer " + word(rng, 40),
        lambda: f"password: {word(rng, 10)}", lambda: f"api_key={word(rng, 32, '0123456789abcdef')}", lambda: f"DB_PASSWORD='{word(rng, 12)}!'",
        lambda: f"postgres://app:{word(rng, 12)}@db.internal:5432/shop",
        lambda: "-----BEGIN RSA PRIVATE KEY-----\n" + "\n".join(word(rng, 64) for _ in range(4)) + "\n-----END RSA PRIVATE KEY-----",
        lambda: "-----BEGIN PRIVATE KEY-----\\n" + "\\n".join(word(rng, 64) for _ in range(3)) + "\\n-----END PRIVATE KEY-----",
        lambda: f"Server=db1;User Id=sa;Password={word(rng, 11)};",
    ))()  # fmt: skip


PERSONAL = {
    "card": card,
    "iban": iban,
    "email": email,
    "phone": phone,
    "national_id": national_id,
    "address": address,
    "key": key,
}


def hide_zero_width(value, rng):
    at = len(value) // 2
    return value[:at] + "\u200b" + value[at:]


def hide_full_width(value, rng):
    return "".join(chr(ord(c) + 0xFEE0) if c.isdigit() else c for c in value)


def hide_base64(value, rng):
    return base64.b64encode(f"note {value}".encode()).decode()


def hide_percent(value, rng):
    return (
        urllib.parse.quote(value, safe="")
        if "@" not in value
        else "".join(f"%{b:02x}" for b in value.encode())
    )


def hide_hex(value, rng):
    return f"x {value}".encode().hex()


HIDINGS = (plain, plain, hide_zero_width, hide_full_width, hide_base64, hide_percent, hide_hex)
