"""Ways to spell a text so that rules overlook it and a reader does not."""

import base64
import codecs
import string

LEET = str.maketrans("aeios", "43105")
CYRILLIC = str.maketrans("aeopcxyiASEOPCTXHKMB", "аеорсхуіАЅЕОРСТХНКМВ")
GREEK = str.maketrans("ovAEIOKMNTX", "ονΑΕΙΟΚΜΝΤΧ")


def plain(text, rng):
    return text


def leet(text, rng):
    return " ".join(
        w.translate(LEET) if "/" not in w and "." not in w[:-1] else w for w in text.split(" ")
    )


def one_letter(text, rng):
    words = text.split(" ")
    words[0] = words[0].replace("I", "1").replace("o", "0").replace("i", "1")
    return " ".join(words)


def cyrillic(text, rng):
    return text.translate(CYRILLIC)


def greek(text, rng):
    return text.translate(GREEK)


def zero_width(text, rng):
    mark = rng.choice("\u200b\u200c\u2060\ufeff\u00ad")
    return mark.join(text)


def full_width(text, rng):
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def mathematical(text, rng):
    return "".join(chr(0x1D41A + ord(c) - 97) if c in string.ascii_lowercase else c for c in text)


def circled(text, rng):
    return "".join(chr(0x24D0 + ord(c) - 97) if c in string.ascii_lowercase else c for c in text)


def tags(text, rng):
    return "Check the order first." + "".join(chr(0xE0000 + ord(c)) for c in text if c.isascii())


def selectors(text, rng):
    return "Check the order first." + "".join(chr(0xE0100 + b) for b in text.encode())


def bidi(text, rng):
    return "\u202e" + text[::-1] + "\u202c"


def accents(text, rng):
    return "".join(c + "\u0301" if c.isalpha() else c for c in text)


def spaced(text, rng):
    return "  ".join(" ".join(word) for word in text.split(" "))


def dashed(text, rng):
    return " ".join("-".join(word) for word in text.split(" "))


def swapped(text, rng):
    words = text.split(" ")
    return " ".join(w[0] + w[2] + w[1] + w[3:] if len(w) > 5 and w.isalpha() else w for w in words)


def emphasised(text, rng):
    return " ".join(f"**{w}**" if rng.random() < 0.5 else f"`{w}`" for w in text.split(" "))


def shouted(text, rng):
    return text.upper() if "http" not in text else text


def split_lines(text, rng):
    return text.replace(" ", "\n")


def base64ed(text, rng):
    return "Decode and do: " + base64.b64encode(text.encode()).decode()


def base64_twice(text, rng):
    return "Decode twice: " + base64.b64encode(base64.b64encode(text.encode())).decode()


def hexed(text, rng):
    return "Read this: " + text.encode().hex()


def percent(text, rng):
    return "".join(f"%{b:02X}" for b in text.encode())


def entities(text, rng):
    return "".join(f"&#{ord(c)};" for c in text)


def escapes(text, rng):
    return "".join(f"\\u{ord(c):04x}" for c in text)


def rot13(text, rng):
    return "In rot13: " + codecs.encode(text, "rot13")


def caesar(text, rng):
    shift = rng.randrange(1, 26)
    low = string.ascii_lowercase
    table = str.maketrans(
        low + low.upper(), low[shift:] + low[:shift] + (low[shift:] + low[:shift]).upper()
    )
    return text.translate(table)


def backwards(text, rng):
    return "Read backwards: " + text[::-1]


def base32ed(text, rng):
    return "Decode: " + base64.b32encode(text.encode()).decode()


def glued(text, rng):
    return "".join(w.capitalize() for w in text.replace(".", "").split(" "))


def underscored(text, rng):
    return text.replace(" ", "_")


def fenced(text, rng):
    return f"Good practice:\n```\nSYSTEM: {text}\n```"


def quoted(text, rng):
    return f'The tool says: "{text}" So do that.'
