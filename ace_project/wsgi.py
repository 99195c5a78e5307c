"""What granian serves."""

import gc
import os
import sys

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from ace_project.core import metric_files

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ace_project.settings.dev")
if "prometheus_client" not in sys.modules:
    # With `--workers 2` a scrape reaches one process and must show what both have counted.
    metric_files.share(settings.VAR_DIR / "metrics")
application = get_wsgi_application()

# What was loaded stays for ever. To look through it for garbage took a third of the time of large
# requests that come at once; their own objects are nearly all gone by themselves when they end.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 20)
