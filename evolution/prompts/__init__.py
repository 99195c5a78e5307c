"""Prompt templates: files `<name>.v<version>.md` beside this module, the newest version in use.

`{{word}}` in a template is a blank. Blanks are filled in one pass and what fills them is never
read again, so that data cannot bring blanks, or format codes, of its own.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FILE = re.compile(r"(?P<name>[a-z_]+)\.v(?P<version>[1-9]\d*)\.md")
_BLANK = re.compile(r"\{\{([a-z_]+)\}\}")


@dataclass(frozen=True, slots=True)
class Template:
    """One version of a prompt's text; `sha256` is of the file's bytes, in hex."""

    name: str
    version: int
    text: str
    sha256: str

    def fill(self, **values: str) -> str:
        """Return the text with its blanks filled; raises KeyError naming one without a value."""
        return _BLANK.sub(lambda blank: values[blank[1]], self.text)

    def to_json(self) -> dict[str, str | int]:
        """Return what a run keeps of it: `{"name", "version", "sha256"}`."""
        return {"name": self.name, "version": self.version, "sha256": self.sha256}


def template(name: str, folder: Path | None = None) -> Template:
    """Return the newest version of a template; raises KeyError where there is none."""
    return _newest(folder or Path(__file__).parent)[name]


@cache
def _newest(folder: Path) -> Mapping[str, Template]:
    found: dict[str, Template] = {}
    for path in folder.iterdir():
        parts = _FILE.fullmatch(path.name)
        if parts is None:
            continue
        name, version = parts["name"], int(parts["version"])
        if name not in found or found[name].version < version:
            data = path.read_bytes()
            text = data.decode().strip()
            found[name] = Template(name, version, text, hashlib.sha256(data).hexdigest())
    return found
