"""Heads of a runtime: choices besides the bullets, such as a prompt, a strategy or a tool route."""

import re
from collections.abc import Mapping
from typing import Any

from training.runtimes.base import InvalidRuntime

MOST_HEADS, MOST_OPTIONS, MOST_CHARS = 8, 16, 4000
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


def check_heads(spec: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return `spec["heads"]`, `{name: [option, ...]}`; {} where it has none."""
    heads = spec.get("heads", {})
    if not isinstance(heads, Mapping) or len(heads) > MOST_HEADS:
        raise InvalidRuntime("runtime.heads", f"must be an object of at most {MOST_HEADS} heads")
    for name, options in heads.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InvalidRuntime("runtime.heads", "must have names like tool_route")
        if not _are_options(options):
            raise InvalidRuntime(
                f"runtime.heads.{name}", f"must be 2 to {MOST_OPTIONS} different texts"
            )
    return {name: list(options) for name, options in heads.items()}


def chosen(heads: Mapping[str, list[str]], choices: Mapping[str, int]) -> dict[str, str]:
    """Return the option of each head that `choices` picks by its place."""
    return {name: options[choices[name]] for name, options in heads.items() if name in choices}


def _are_options(options: Any) -> bool:
    if not isinstance(options, list) or not 2 <= len(options) <= MOST_OPTIONS:
        return False
    texts = [text for text in options if isinstance(text, str) and 0 < len(text) <= MOST_CHARS]
    return len(set(texts)) == len(options)
