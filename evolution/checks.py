"""What must hold before evolution starts: the constitutions can be read."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, register

from evolution.constitution import faults


@register()
def constitutions_can_be_read(
    app_configs: Sequence[Any] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Refuse a rule that nobody could keep because it cannot be read."""
    return [Error(f"a constitution is faulty: {fault}", id="ace.E010") for fault in faults()]
