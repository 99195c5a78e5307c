"""Characters that a reader cannot see, made visible: traces and lessons are written by others."""

import re

from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

# Controls, soft hyphen, zero-width and joiners, bidi marks and overrides, invisible operators,
# fillers that render as nothing, line separators, lone surrogates and tag characters.
# Newline and tab are text; a carriage return is one only before a newline.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e01ef]|\r(?!\n)"
)

# Letters that are written from right to left: among others they turn what stands beside them round.
_RIGHT_TO_LEFT = re.compile(
    "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001efff]"
)


def _mark(match: re.Match[str]) -> str:
    code = f"U+{ord(match.group()):04X}"
    return (
        f'<span class="ace-hidden-char" title="Hidden character {code}">\u27e8{code}\u27e9</span>'
    )


def reveal(text: str) -> SafeString:
    """HTML of a text: everything escaped, every hidden character as `⟨U+202E⟩`."""
    return mark_safe(_HIDDEN.sub(_mark, str(escape(str(text)))))  # noqa: S308


def spell_out(text: str) -> str:
    """The text itself, not HTML, with every hidden character as `⟨U+202E⟩`: for titles."""
    return _HIDDEN.sub(lambda match: f"\u27e8U+{ord(match.group()):04X}\u27e9", str(text))


def isolate(text: str) -> SafeString:
    """HTML of a text beside others: as `reveal`, and kept apart where its letters run leftward."""
    shown = reveal(text)
    return format_html("<bdi>{}</bdi>", shown) if _RIGHT_TO_LEFT.search(text) else shown
