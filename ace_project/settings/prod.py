"""Any number of web and worker processes on PostgreSQL and Redis, behind TLS."""

from django.core.exceptions import ImproperlyConfigured

from ace_project.core import env
from ace_project.settings.base import *  # noqa: F403
from ace_project.settings.base import BASE_DIR, SECRET_KEY

if len(SECRET_KEY) < 32:
    raise ImproperlyConfigured("SECRET_KEY must be set to at least 32 characters in production")
if not env.text("DATABASE_URL"):
    raise ImproperlyConfigured("DATABASE_URL must be set in production")

SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
SECURE_SSL_REDIRECT = env.boolean("SECURE_SSL_REDIRECT", True)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = env.integer("SECURE_HSTS_SECONDS", 3600)
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]

# `manage.py collectstatic` fills it with compressed files under hashed names.
STATIC_ROOT = BASE_DIR / "staticfiles"
WHITENOISE_USE_FINDERS = False
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
