"""JSON-RPC over HTTP: tokens, scopes and domain errors as REST has them, told as JSON-RPC does."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from django.db import connection, transaction
from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request

from ace_project.core.api import auth, jsonrpc, problems
from ace_project.core.api.idempotency import run_alone, run_once
from ace_project.core.api.jsonrpc import Answer, Call, Calls, RpcError
from ace_project.core.api.problems import Problem
from ace_project.core.api.render import dumps
from ace_project.core.api.views import ApiView
from ace_project.core.tokens import Principal

# Bytes of an answer that is kept under an Idempotency-Key.
MAX_KEPT = 2**20
NOT_FOUND = -31001
FORBIDDEN = -31002
BUDGET_EXCEEDED = -31003
WRONG_STATE = -31004
EVALUATION_FAILED = -31005
# What a domain error is in HTTP -> what it is here; every other is an internal error.
_CODES = {
    400: jsonrpc.INVALID_PARAMS,
    402: BUDGET_EXCEEDED,
    403: FORBIDDEN,
    404: NOT_FOUND,
    409: WRONG_STATE,
    424: EVALUATION_FAILED,
}
# Members of a problem that JSON-RPC says in its own way.
_SAID = {"type", "title", "status"}


@dataclass(frozen=True, slots=True)
class Asker:
    """Who calls a method, and how many bytes its result may have."""

    principal: Principal
    room: int


@dataclass(frozen=True, slots=True)
class Method:
    """A method: who may call it, its parameters (their order is that of positions), what it does.

    One that commits on its own, such as one that spends money on the way, is not `atomic`.
    """

    scope: str
    params: type[serializers.Serializer[Any]]
    run: Callable[[Asker, dict[str, Any]], Any]
    atomic: bool = True


class JsonRpcView(ApiView):
    """Answers the calls of a POST by the `methods` that a subclass names."""

    methods: ClassVar[Mapping[str, Method]] = {}

    def answer(self, request: Request) -> HttpResponse:
        """Return 200 with the responses, or 204 where none is due; never fails for one call."""
        try:
            calls = jsonrpc.read(request._request.body)
            self._check_slow(calls)
        except RpcError as error:
            return _json(jsonrpc.refusal(error))
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return _response(jsonrpc.answer(calls, self._carry_out))
        keep = run_once if self._is_atomic(calls) else run_alone
        try:
            return keep(
                request._request, self.principal.jti, key, partial(self._kept_if_any, calls)
            )
        except _NothingDone as told:
            return told.response

    def _is_atomic(self, calls: Calls) -> bool:
        return not self._slow(calls)

    def _slow(self, calls: Calls) -> list[str]:
        """Return the methods called that commit on their own, one by one."""
        named = [call.method for call in calls.items if isinstance(call, Call)]
        return [n for n in named if n in self.methods and not self.methods[n].atomic]

    def _check_slow(self, calls: Calls) -> None:
        """Raise RpcError for a batch that would hold a thread of the server for very long."""
        slow = self._slow(calls)
        if len(slow) > 1:
            detail = {"detail": f"a batch has at most one call of {slow[0]}"}
            raise RpcError(jsonrpc.INVALID_REQUEST, data=detail)

    def _kept_if_any(self, calls: Calls) -> HttpResponse:
        """Return the answer to keep under a key; raises where no call did anything."""
        found = jsonrpc.answer(calls, self._carry_out, MAX_KEPT)
        if not found.done:
            raise _NothingDone(_response(found))
        return _response(found)

    def _carry_out(self, call: Call, room: int) -> bytes:
        """Return the result of one call as JSON; raises RpcError for whatever went wrong."""
        method = self.methods.get(call.method)
        if method is None:
            detail = {"detail": f"there is no method {call.method[:100]!r}"}
            raise RpcError(jsonrpc.METHOD_NOT_FOUND, data=detail)
        try:
            auth.require(self.principal, method.scope)
            params = _params(method, call.params)
            with _apart():
                return dumps(method.run(Asker(self.principal, room), params))
        except Exception as error:  # noqa: BLE001  the edge of a call: `of` logs what is unexpected
            raise _told(problems.of(error)) from error


class _NothingDone(Exception):
    """No call of a request worked: nothing is kept, and the same key may be tried again."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__()
        self.response = response


def _apart() -> AbstractContextManager[Any]:
    """Keep a call that fails from spoiling a transaction that the others are in."""
    return transaction.atomic() if connection.in_atomic_block else nullcontext()


def _params(method: Method, params: jsonrpc.Params) -> dict[str, Any]:
    """Return the validated parameters, given by name or by position."""
    names = list(method.params().fields)
    if not isinstance(params, Mapping):
        if len(params) > len(names):
            raise _invalid("", f"at most {len(names)} parameters: {', '.join(names)}")
        params = dict(zip(names, params, strict=False))
    for name in params:
        if name not in names:
            raise _invalid(name, f"is not a parameter; known: {', '.join(names)}")
    shape = method.params(data=params)
    shape.is_valid(raise_exception=True)
    return dict(shape.validated_data)


def _invalid(name: str, message: str) -> serializers.ValidationError:
    return serializers.ValidationError({name or "non_field_errors": [message]})


def _told(problem: Problem) -> RpcError:
    """Return a problem as JSON-RPC tells it; of what is unexpected nothing is told."""
    code = _CODES.get(problem.status, jsonrpc.INTERNAL_ERROR)
    if problem.status == 500:
        return RpcError(code)
    data = {name: value for name, value in problem.body.items() if name not in _SAID}
    if "Retry-After" in problem.headers:
        data["retry_after"] = int(problem.headers["Retry-After"])
    if code == jsonrpc.INVALID_PARAMS:
        data["field"] = _field(problem.body["errors"][0]["pointer"])
    return RpcError(code, message=_MESSAGES.get(code, ""), data=data)


_MESSAGES = {
    NOT_FOUND: "Not found",
    FORBIDDEN: "Forbidden",
    BUDGET_EXCEEDED: "Budget exceeded",
    WRONG_STATE: "Wrong state",
    EVALUATION_FAILED: "Evaluation failed",
}


def _field(pointer: str) -> str:
    """Return a JSON Pointer as the name of a parameter: `/config/seed` as `config.seed`."""
    tokens = pointer.removeprefix("/").split("/")
    return ".".join(token.replace("~1", "/").replace("~0", "~") for token in tokens)


def _response(answer: Answer) -> HttpResponse:
    return HttpResponse(status=204) if answer.body is None else _json(answer.body)


def _json(body: bytes) -> HttpResponse:
    return HttpResponse(body, content_type="application/json")
