"""Playbooks, versions and deltas."""

from django.apps import AppConfig


class PlaybooksConfig(AppConfig):
    name = "playbooks"
