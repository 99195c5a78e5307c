"""Settings that every environment shares; values come from the environment (docs/settings.md)."""

import os
from pathlib import Path

from django.templatetags.static import static

from ace_project.core import env

# NumPy reads it when it is imported. Its threads would double the CPU time of small products, where
# no measure of a run's own thread counts it, and each holds memory of its own.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

BASE_DIR = Path(__file__).resolve().parent.parent.parent
VAR_DIR = Path(env.text("ACE_VAR_DIR", str(BASE_DIR / "var")))

DEBUG = False
SECRET_KEY = env.text("SECRET_KEY")
SECRET_KEY_FALLBACKS = env.names("SECRET_KEY_FALLBACKS")
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS", ("127.0.0.1", "localhost", "[::1]"))
CSRF_TRUSTED_ORIGINS = env.names("CSRF_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "ace_project.core.apps.DataAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.usersessions",
    "ace_project.core",
    "playbooks",
    "evolution",
    "training",
    "ace_project.console",
]

MIDDLEWARE = [
    "ace_project.core.api.boundary.ApiBoundaryMiddleware",
    "ace_project.core.compression.CompressionMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "ace_project.core.policies.PolicyByPathMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "ace_project.console.accounts.sessions.SessionLimitsMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "ace_project.urls"
WSGI_APPLICATION = "ace_project.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "ace_project.console.context.console",
            ]
        },
    }
]

DATABASES: dict[str, dict[str, object]] = {
    "default": env.database("DATABASE_URL")
    or {"ENGINE": "ace_project.core.embedded_backend", "NAME": "ace"}
}
DATABASES["default"].setdefault("CONN_MAX_AGE", None)

REDIS_URL = env.text("REDIS_URL")
CACHES: dict[str, dict[str, object]] = {
    # What all processes must count alike: the brake on guessing, codes that were used. Only
    # sign-ins touch it; a migration of core makes its table.
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "shared_cache",
        # Far more than a day of guessing: what overflows is dropped by chance.
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    },
    # Immutable rows in this process's memory.
    "local": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 2000},
    },
}
if REDIS_URL:
    CACHES["shared"] = {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": env.text("ACE_REDIS_PREFIX", "ace"),
        "OPTIONS": {"SOCKET_CONNECT_TIMEOUT": 0.25, "SOCKET_TIMEOUT": 0.25},
    }

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True

LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "console:overview"
LOGOUT_REDIRECT_URL = "account_login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
# How long a one-time sign-in link lives, in seconds.
PASSWORD_RESET_TIMEOUT = 3600
# How long a link that invites somebody, or lets them set a new password, lives, in hours.
ACE_INVITATION_HOURS = env.integer("ACE_INVITATION_HOURS", 72, 1, 720)
# A session ends so long after sign-in, and so long after its person last did something.
ACE_SESSION_HOURS = env.number("ACE_SESSION_HOURS", 168.0, 0.01, 8760.0)
ACE_SESSION_IDLE_HOURS = env.number("ACE_SESSION_IDLE_HOURS", 24.0, 0.01, 8760.0)
SESSION_COOKIE_AGE = int(ACE_SESSION_HOURS * 3600)
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"

# Sign-in (docs/people.md). Nobody signs up by themselves, and no mail is ever sent.
ACCOUNT_ADAPTER = "ace_project.console.accounts.adapters.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = True
# A session's end ends the sessions of a changed password too, but for the one that changed it.
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_RATE_LIMITS = {"login_failed": "10/m/ip,5/5m/key"}
# The client's address, which the brake counts by, comes from so many trusted proxies' header.
ALLAUTH_TRUSTED_PROXY_COUNT = env.integer("ACE_TRUSTED_PROXIES", 0, 0, 10)
MFA_ADAPTER = "ace_project.console.accounts.adapters.FactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_FORMS = {
    "authenticate": "ace_project.console.accounts.codes.CodeForm",
    "reauthenticate": "ace_project.console.accounts.codes.CodeAgainForm",
}
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_TOTP_ISSUER = "ACE"
# A clock may be half a minute off; codes.py sees to it that no code is used twice.
MFA_TOTP_TOLERANCE = 1
# Addresses are what an admin or the identity provider says; none is verified by mail.
MFA_ALLOW_UNVERIFIED_EMAIL = True

SOCIALACCOUNT_ADAPTER = "ace_project.console.accounts.adapters.IdentityAdapter"
SOCIALACCOUNT_EMAIL_VERIFICATION = "none"
ACE_OIDC = env.oidc("ACE_OIDC")
ACE_OIDC_SIGN_UP = env.boolean("ACE_OIDC_SIGN_UP", False)
SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": [ACE_OIDC.app()] if ACE_OIDC else []}}
if ACE_OIDC:
    INSTALLED_APPS += ["allauth.socialaccount.providers.openid_connect"]
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'self'"],
        "frame-ancestors": ["'none'"],
        "form-action": ["'self'"],
    },
}

# The admin's Alpine compiles the expressions of unfold's templates; everything else stays as it is.
ACE_CSP_BY_PATH = {"/admin/": {"script-src": ["'self'", "'unsafe-eval'"]}}

# A body over this is refused before it is parsed; the batch of traces is the largest legal one.
DATA_UPLOAD_MAX_MEMORY_SIZE = 20 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["ace_project.core.api.auth.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["ace_project.core.api.auth.HoldsScope"],
    "DEFAULT_RENDERER_CLASSES": ["ace_project.core.api.render.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["ace_project.core.api.render.StrictJSONParser"],
    "EXCEPTION_HANDLER": "ace_project.core.api.problems.exception_handler",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "ACE",
    "DESCRIPTION": "The control plane for agents that learn.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    # No badge of somebody else's validator.
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "validatorUrl": None},
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "PREPROCESSING_HOOKS": ["ace_project.core.api.schema.only_api_v1"],
    "POSTPROCESSING_HOOKS": ["ace_project.core.api.schema.tell_problems"],
    "COMPONENT_SPLIT_REQUEST": True,
    # Our PATCH of a playbook is a proposal with fields that it needs, not a partial document.
    "COMPONENT_SPLIT_PATCH": False,
}

UNFOLD = {
    "SITE_TITLE": "ACE data",
    "SITE_HEADER": "ACE data",
    "SITE_URL": None,
    "SITE_ICON": lambda request: static("favicon.svg"),
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("favicon.svg")}
    ],
    "STYLES": [lambda request: static("admin.css")],
    "SCRIPTS": [lambda request: static("admin.js")],
    "SHOW_HISTORY": False,
    "ACCOUNT": {"navigation": [{"title": "Console", "link": "/"}]},
    "SIDEBAR": {"navigation": "ace_project.core.inspection.site.sidebar"},
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "filters": {"links": {"()": "ace_project.core.logs.HideLinks"}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["links"],
        }
    },
    "root": {"handlers": ["stderr"], "level": env.text("LOG_LEVEL", "WARNING")},
}

# Names and defaults of the ACE_* settings are the contract of shared/spec/contracts.md section 5.
ACE_CONFIDENCE_THRESHOLD = env.number("ACE_CONFIDENCE_THRESHOLD", 0.7, 0.0, 1.0)
ACE_MAX_DELTAS_PER_EVOLUTION = env.integer("ACE_MAX_DELTAS_PER_EVOLUTION", 5, 1, 100)
# Above it, bullets are offered for removal; by estimate (playbooks.tokens). 0: no limit.
ACE_PLAYBOOK_MAX_TOKENS = env.integer("ACE_PLAYBOOK_MAX_TOKENS", 50_000, 0)
# Off but for agents for which an operator sets it (playbooks.exploration).
ACE_EXPLORATION_SHARE = 0.0
ACE_WORKER_QUEUE_SIZE = env.integer("ACE_WORKER_QUEUE_SIZE", 1000, 1)
ACE_EVOLUTION_INTERVAL = env.integer("ACE_EVOLUTION_INTERVAL", 100, 1)
ACE_MIN_TRACES_FOR_EVOLUTION = env.integer("ACE_MIN_TRACES_FOR_EVOLUTION", 10, 1)
ACE_ENABLE_CACHE = env.boolean("ACE_ENABLE_CACHE", True)
ACE_CACHE_TTL_SECONDS = env.integer("ACE_CACHE_TTL_SECONDS", 300, 1)
ACE_WORKER_THREADS = env.integer("ACE_WORKER_THREADS", 2, 1, 64)
ACE_LEASE_SECONDS = env.number("ACE_LEASE_SECONDS", 30.0, 1.0, 3600.0)
# CPU seconds a second that automatic runs may take over all workers; 0: as many as are due.
ACE_EVOLUTION_CPU_SHARE = env.number("ACE_EVOLUTION_CPU_SHARE", 0.0015, 0.0, 1000.0)
ACE_EVOLUTION_MAX_TRACES = env.integer("ACE_EVOLUTION_MAX_TRACES", 4000, 10, 20_000)
ACE_WORKER_BATCH_SIZE = env.integer("ACE_WORKER_BATCH_SIZE", 10, 1, 1000)
ACE_WORKER_BATCH_TIMEOUT = env.number("ACE_WORKER_BATCH_TIMEOUT", 5.0, 0.0, 3600.0)
ACE_WORKER_DRAIN_SECONDS = env.number("ACE_WORKER_DRAIN_SECONDS", 20.0, 0.0, 3600.0)
# Of one training job: attempts at a time, and the most seconds that one may take.
ACE_TRAINING_CONCURRENCY = env.integer("ACE_TRAINING_CONCURRENCY", 32, 1, 1000)
ACE_TRAINING_ATTEMPT_SECONDS = env.number("ACE_TRAINING_ATTEMPT_SECONDS", 600.0, 0.01, 86_400.0)
# Where checkpoints of at least so many bytes go; None: all of them stay in the database.
ACE_CHECKPOINT_STORE = env.object_store("ACE_CHECKPOINT_STORE")
ACE_CHECKPOINT_STORE_MIN_BYTES = env.integer("ACE_CHECKPOINT_STORE_MIN_BYTES", 1024 * 1024, 1)

# The language model: none without an address or a key.
ACE_LLM_BASE_URL = env.text("ACE_LLM_BASE_URL")
ACE_LLM_API_KEY = env.text("ACE_LLM_API_KEY")
PORTKEY_API_KEY = env.text("PORTKEY_API_KEY")
ACE_PORTKEY_VIRTUAL_KEY = env.text("ACE_PORTKEY_VIRTUAL_KEY")
ACE_PORTKEY_CONFIG = env.text("ACE_PORTKEY_CONFIG")
ACE_PORTKEY_PROVIDER = env.text("ACE_PORTKEY_PROVIDER")
ACE_LLM_MODEL = env.text("ACE_LLM_MODEL", "gpt-4o-mini")
ACE_LLM_FALLBACK_MODELS = env.names("ACE_LLM_FALLBACK_MODELS")
ACE_LLM_TIMEOUT_SECONDS = env.number("ACE_LLM_TIMEOUT_SECONDS", 60.0, 0.1, 3600.0)
ACE_LLM_MAX_CONCURRENT = env.integer("ACE_LLM_MAX_CONCURRENT", 4, 1, 1000)
ACE_LLM_CALLS_PER_MINUTE = env.integer("ACE_LLM_CALLS_PER_MINUTE", 60, 1)
ACE_LLM_TOKENS_PER_MINUTE = env.integer("ACE_LLM_TOKENS_PER_MINUTE", 1_000_000, 1000)
ACE_MAX_TOKENS_PER_REQUEST = env.integer("ACE_MAX_TOKENS_PER_REQUEST", 4096, 16, 1_000_000)
ACE_CB_FAILURE_THRESHOLD = env.integer("ACE_CB_FAILURE_THRESHOLD", 5, 1)
ACE_CB_RECOVERY_TIMEOUT = env.number("ACE_CB_RECOVERY_TIMEOUT", 60.0, 0.1)

# Money, in US dollars; a model without a price counts at ACE_COST_PER_1M_TOKENS.
ACE_MONTHLY_BUDGET_USD = env.number("ACE_MONTHLY_BUDGET_USD", 100.0, 0.0)
ACE_RUN_BUDGET_USD = env.number("ACE_RUN_BUDGET_USD", 1.0, 0.0)
ACE_COST_PER_1M_TOKENS = env.number("ACE_COST_PER_1M_TOKENS", 0.15, 0.0)
# A JSON file of prices that go before the ones known.
ACE_LLM_PRICES_FILE = env.text("ACE_LLM_PRICES_FILE")

# Agents and tools of a training job are called at addresses that users give: public ones only,
# and what lies in these networks.
ACE_ALLOWED_PRIVATE_NETWORKS = env.networks("ACE_ALLOWED_PRIVATE_NETWORKS")
