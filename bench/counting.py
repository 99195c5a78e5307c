"""What a page asked of the database, told in the headers of its answer."""

import time
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.http import HttpRequest
from django.http.response import HttpResponseBase

QUERIES, MILLISECONDS = "X-Queries", "X-Database-Ms"


class CountingMiddleware:
    """Counts the statements of each request and the time that they took."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, with both figures in the headers."""
        times: list[float] = []

        def timed(execute: Callable[..., Any], *arguments: Any) -> Any:
            began = time.perf_counter()
            try:
                return execute(*arguments)
            finally:
                times.append(time.perf_counter() - began)

        with connection.execute_wrapper(timed):
            response = self.get_response(request)
        response[QUERIES] = str(len(times))
        response[MILLISECONDS] = f"{sum(times) * 1000:.1f}"
        return response
