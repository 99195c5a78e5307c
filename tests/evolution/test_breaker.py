"""Closed, open, half-open: what all workers know of one endpoint's model."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F

from evolution.llm import breaker
from evolution.llm.breaker import Permit
from evolution.models import CircuitBreaker

pytestmark = pytest.mark.django_db
LLM = ("http://llm", "m")


@pytest.fixture(autouse=True)
def three_failures(settings: Any) -> None:
    settings.ACE_CB_FAILURE_THRESHOLD = 3
    settings.ACE_CB_RECOVERY_TIMEOUT = 60.0


def permit() -> Permit:
    given = breaker.permit(*LLM)
    assert given is not None
    return given


def break_it() -> None:
    for _ in range(3):
        breaker.failed(permit(), "no answer")


def pass_time(seconds: float) -> None:
    """Let the database's clock stand `seconds` later, for what the rows hold."""
    gone = timedelta(seconds=seconds)
    rows = CircuitBreaker.objects.all()
    rows.update(opened_at=F("opened_at") - gone, probe_until=F("probe_until") - gone)


def later(given: Permit, seconds: float) -> Permit:
    """Return a probe's permit as it stands after `pass_time`."""
    assert given.opened_at
    assert given.probe_until
    gone = timedelta(seconds=seconds)
    return Permit(*LLM, given.opened_at - gone, given.probe_until - gone)


def half_open() -> None:
    break_it()
    pass_time(61)


def test_a_model_never_called_is_closed() -> None:
    assert breaker.state(*LLM) == "closed"
    assert permit() == Permit(*LLM)


def test_it_opens_at_the_threshold_and_lets_nobody_through() -> None:
    breaker.failed(permit(), "1")
    breaker.failed(permit(), "2")
    assert breaker.state(*LLM) == "closed"
    breaker.failed(permit(), "3")
    assert breaker.state(*LLM) == "open"
    assert breaker.permit(*LLM) is None
    assert CircuitBreaker.objects.get().last_error == "3"


def test_a_threshold_of_one_opens_at_the_first_failure(settings: Any) -> None:
    settings.ACE_CB_FAILURE_THRESHOLD = 1
    breaker.failed(permit(), "no answer")
    assert breaker.state(*LLM) == "open"


def test_a_success_in_between_starts_the_count_anew() -> None:
    for _ in range(4):
        breaker.failed(permit(), "no answer")
        breaker.failed(permit(), "no answer")
        breaker.succeeded(permit())
    assert breaker.state(*LLM) == "closed"


def test_another_model_of_the_same_endpoint_is_not_touched() -> None:
    break_it()
    assert breaker.permit("http://llm", "other") is not None
    assert breaker.permit("http://other", "m") is not None


def test_it_is_open_until_the_recovery_time_has_passed() -> None:
    break_it()
    pass_time(30)
    assert breaker.state(*LLM) == "open"
    assert breaker.permit(*LLM) is None
    pass_time(31)
    assert breaker.state(*LLM) == "half_open"
    assert permit().probe_until is not None


def test_while_one_probes_no_other_does() -> None:
    half_open()
    permit()
    assert breaker.state(*LLM) == "half_open"
    assert breaker.permit(*LLM) is None


def test_the_probes_success_closes_it() -> None:
    half_open()
    breaker.succeeded(permit())
    assert breaker.state(*LLM) == "closed"
    breaker.failed(permit(), "1")
    breaker.failed(permit(), "2")
    assert breaker.state(*LLM) == "closed"


def test_the_probes_failure_opens_it_for_the_whole_time_again() -> None:
    half_open()
    breaker.failed(permit(), "still no answer")
    assert breaker.state(*LLM) == "open"
    pass_time(30)
    assert breaker.permit(*LLM) is None
    pass_time(31)
    assert breaker.permit(*LLM) is not None


def test_a_prober_that_died_blocks_nobody_for_ever(settings: Any) -> None:
    settings.ACE_LLM_TIMEOUT_SECONDS = 60.0
    half_open()
    dead = permit()
    pass_time(30)
    assert breaker.permit(*LLM) is None
    pass_time(36)
    alive = permit()
    dead = later(dead, 66)
    breaker.succeeded(dead)
    assert breaker.state(*LLM) == "half_open"
    breaker.failed(dead, "late")
    assert breaker.state(*LLM) == "half_open"
    breaker.succeeded(alive)
    assert breaker.state(*LLM) == "closed"


def test_a_probe_handed_back_is_given_to_the_next() -> None:
    half_open()
    breaker.hand_back(permit())
    assert permit().probe_until is not None


def test_an_old_success_from_before_it_opened_does_not_close_it() -> None:
    old = permit()
    break_it()
    breaker.succeeded(old)
    assert breaker.state(*LLM) == "open"
    pass_time(61)
    breaker.succeeded(old)
    assert breaker.state(*LLM) == "half_open"


def test_old_failures_do_not_prolong_it() -> None:
    old = permit()
    half_open()
    breaker.failed(old, "late")
    assert breaker.state(*LLM) == "half_open"
    probe = permit()
    breaker.failed(old, "later")
    breaker.succeeded(probe)
    assert breaker.state(*LLM) == "closed"


def test_an_error_of_any_length_or_bytes_is_kept_short() -> None:
    breaker.failed(permit(), "\x00" + "e" * 100_000)
    assert len(CircuitBreaker.objects.get().last_error) < 5000


def at_once(count: int, work: Any) -> list[Any]:
    def one(_: int) -> Any:
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


@pytest.mark.django_db(transaction=True)
def test_of_fifty_at_the_half_open_breaker_one_gets_the_permit() -> None:
    half_open()
    given = [found for found in at_once(50, lambda: breaker.permit(*LLM)) if found]
    assert len(given) == 1
    breaker.succeeded(given[0])
    assert breaker.state(*LLM) == "closed"


@pytest.mark.django_db(transaction=True)
def test_failures_at_once_are_all_counted(settings: Any) -> None:
    settings.ACE_CB_FAILURE_THRESHOLD = 21
    given = permit()
    at_once(20, lambda: breaker.failed(given, "no answer"))
    assert CircuitBreaker.objects.get().failures == 20
    assert breaker.state(*LLM) == "closed"
    breaker.failed(given, "no answer")
    assert breaker.state(*LLM) == "open"
