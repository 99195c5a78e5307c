"""The product as `make run` serves it, with one address more: a bare view to compare with."""

from ace_project.settings.dev import *  # noqa: F403

ROOT_URLCONF = "bench.urls"
# A model that somebody configured in their shell is no part of what is measured.
ACE_LLM_BASE_URL = ACE_LLM_API_KEY = PORTKEY_API_KEY = ""
