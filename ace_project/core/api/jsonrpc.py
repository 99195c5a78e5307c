"""JSON-RPC 2.0: a body read as calls, each carried out in order, and what is answered. Pure.

Source: https://www.jsonrpc.org/specification (2010-03-26, updated 2013-01-04). No method is known
here; `jsonrpc_view` finds them and speaks HTTP.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ace_project.core.api.render import dumps, loads
from ace_project.core.errors import InvalidInput

MAX_CALLS = 50
# Bytes of one answer; a method that can fill it looks at the room that is left.
MAX_ANSWER = 20 * 2**20

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
MESSAGES = {
    PARSE_ERROR: "Parse error",
    INVALID_REQUEST: "Invalid Request",
    METHOD_NOT_FOUND: "Method not found",
    INVALID_PARAMS: "Invalid params",
    INTERNAL_ERROR: "Internal error",
}

Params = Mapping[str, Any] | Sequence[Any]


class RpcError(Exception):
    """An error as its caller is told it; `data` is shown, so it holds no internals."""

    def __init__(self, code: int, *, message: str = "", data: Any = None) -> None:
        self.code, self.message, self.data = code, message or MESSAGES[code], data
        super().__init__(self.message)


@dataclass(frozen=True, slots=True)
class Call:
    """One request object that keeps to the specification; a notification wants no answer."""

    method: str
    params: Params
    id: Any = None
    is_notification: bool = False


@dataclass(frozen=True, slots=True)
class Invalid:
    """What is no request object; `id` is null where none could be made out."""

    detail: str
    id: Any = None


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls of one body, in order."""

    items: Sequence[Call | Invalid]
    is_batch: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """The body to send, None where nothing is to be answered; `done` counts calls that worked."""

    body: bytes | None
    done: int


# Carries a call out within so many bytes; returns its result as JSON or raises RpcError.
CarryOut = Callable[[Call, int], bytes]


def read(body: bytes) -> Calls:
    """Return the calls in `body`; raises RpcError where the body as a whole is none."""
    try:
        found = loads(body)
    except InvalidInput as error:
        data = {"detail": error.detail, "errors": error.errors}
        raise RpcError(PARSE_ERROR, data=data) from error
    if not isinstance(found, list):
        return Calls([_call(found)], is_batch=False)
    if not found:
        raise RpcError(INVALID_REQUEST, data={"detail": "a batch has at least one call"})
    if len(found) > MAX_CALLS:
        raise RpcError(INVALID_REQUEST, data={"detail": f"a batch has at most {MAX_CALLS} calls"})
    return Calls([_call(item) for item in found], is_batch=True)


def _call(item: Any) -> Call | Invalid:
    if not isinstance(item, dict):
        return Invalid("a call is a JSON object")
    call_id = item.get("id")
    if not _may_be_id(call_id):
        return Invalid("`id` is a string, a number or null")
    if item.get("jsonrpc") != "2.0":
        return Invalid('`jsonrpc` is "2.0"', call_id)
    method, params = item.get("method"), item.get("params", {})
    if not isinstance(method, str):
        return Invalid("`method` is a string", call_id)
    if not isinstance(params, dict | list):
        return Invalid("`params` is an object or an array", call_id)
    return Call(method, params, call_id, is_notification="id" not in item)


def _may_be_id(value: Any) -> bool:
    return value is None or (isinstance(value, str | int | float) and not isinstance(value, bool))


def answer(calls: Calls, carry_out: CarryOut, room: int = MAX_ANSWER) -> Answer:
    """Carry the calls out one after another and return what is answered, in about `room` bytes.

    A call that fails leaves the others as they are, and a notification is never answered.
    """
    told: list[bytes] = []
    done = 0
    for item in calls.items:
        text, worked = _answered(item, carry_out, max(0, room - sum(map(len, told))))
        done += worked
        if text is not None:
            told.append(text)
    if not told:
        return Answer(None, done)
    return Answer(b"[" + b",".join(told) + b"]" if calls.is_batch else told[0], done)


def _answered(item: Call | Invalid, carry_out: CarryOut, room: int) -> tuple[bytes | None, bool]:
    if isinstance(item, Invalid):
        return refusal(RpcError(INVALID_REQUEST, data={"detail": item.detail}), item.id), False
    try:
        result = carry_out(item, room)
    except RpcError as error:
        return None if item.is_notification else refusal(error, item.id), False
    if item.is_notification:
        return None, True
    # Put together by hand: a result may be long, and is JSON already.
    return b'{"jsonrpc":"2.0","id":' + dumps(item.id) + b',"result":' + result + b"}", True


def refusal(error: RpcError, call_id: Any = None) -> bytes:
    """Return the response object of a call that failed."""
    told: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.data is not None:
        told["data"] = error.data
    return dumps({"jsonrpc": "2.0", "id": call_id, "error": told})
