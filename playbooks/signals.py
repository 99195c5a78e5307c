"""News for the apps above, sent after the fact and inside its transaction."""

from django.dispatch import Signal

version_published = Signal()
delta_proposed = Signal()
delta_renewed = Signal()
