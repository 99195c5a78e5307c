"""The product as `make run` serves it, with two addresses more: bare views to compare with."""

from ace_project.settings.dev import *  # noqa: F403
from ace_project.settings.dev import MIDDLEWARE

ROOT_URLCONF = "bench.urls"
# Behind the API's boundary: what is measured of the API stays as it is.
MIDDLEWARE = [MIDDLEWARE[0], "bench.counting.CountingMiddleware", *MIDDLEWARE[1:]]
# A model that somebody configured in their shell is no part of what is measured.
ACE_LLM_BASE_URL = ACE_LLM_API_KEY = PORTKEY_API_KEY = ""
