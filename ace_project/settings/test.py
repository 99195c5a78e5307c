"""The test suite: a PostgreSQL of its own (tests/conftest.py starts it), nothing slow."""

import os

os.environ.setdefault("SECRET_KEY", "a key for tests alone, of no worth to anyone else")
# The tests that sign in through a provider start their own at this address (tests/identity.py).
for name in [name for name in os.environ if name.startswith("ACE_OIDC_")]:
    del os.environ[name]
os.environ |= {
    "ACE_OIDC_ISSUER": "http://127.0.0.1:9",
    "ACE_OIDC_CLIENT_ID": "ace",
    "ACE_OIDC_CLIENT_SECRET": "a secret of tests",
    "ACE_OIDC_NAME": "Test identity",
}

from ace_project.core import env  # noqa: E402
from ace_project.settings.base import *  # noqa: E402, F403
from ace_project.settings.base import DATABASES  # noqa: E402

# Without ACE_TEST_DATABASE_URL, tests/conftest.py fills in a throw-away server's address.
DATABASES["default"] = env.database("ACE_TEST_DATABASE_URL") or {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": "postgres",
}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# A model that somebody configured in their shell is no part of the suite.
ACE_LLM_BASE_URL = ACE_LLM_API_KEY = PORTKEY_API_KEY = ACE_LLM_PRICES_FILE = ""
ACE_PORTKEY_VIRTUAL_KEY = ACE_PORTKEY_CONFIG = ACE_PORTKEY_PROVIDER = ""
ACE_LLM_FALLBACK_MODELS = []
ACE_CHECKPOINT_STORE = None
