"""Answers that are no pages: a browser may not take them for one, nor a spreadsheet for a program."""

import csv
from typing import Any

import pytest
from django.test import Client

from playbooks import actors, services
from playbooks.models import Agent
from tests.callers import bearer

pytestmark = pytest.mark.django_db
FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1")
