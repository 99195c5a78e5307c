"""What must hold of the language model's settings before anything is served."""

from typing import Any

from django.core.checks import CheckMessage, Error, register

from ace_project.core.errors import AceError
from evolution.llm import prices, providers


@register()
def the_model_s_settings_can_be_used(**_: Any) -> list[CheckMessage]:
    """Refuse an address or a key that cannot be right, and a file of prices that cannot be read."""
    try:
        providers.configured()
        prices.check_file()
    except AceError as error:
        return [Error(error.detail, id="ace.E003")]
    return []
