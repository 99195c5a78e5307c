"""A caller of the REST API: a token, and a body as JSON."""

import json
import time
from typing import Any

from django.test import Client

from ace_project.core import tokens


class Caller:
    """Calls `/api/v1/` in this process as one agent, or (agent_id None) as a service."""

    def __init__(self, agent_id: str | None, *scopes: str, prefix: str = "/api/v1/") -> None:
        name = "" if agent_id else "ops"
        wanted = scopes or (() if agent_id else tokens.SCOPES)
        self.token, self.row = tokens.issue(agent_id, scopes=wanted, name=name)
        # Else the first call would write it down, and cost a query more than the others.
        tokens.note_use(str(self.row.jti), time.time())
        self.client = Client(raise_request_exception=False)
        self.prefix = prefix

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Return the answer; `body` is JSON unless it is text or bytes already."""
        options: dict[str, Any] = {}
        if method.lower() not in ("get", "head"):
            raw = body if isinstance(body, str | bytes) else json.dumps(body)
            data = b"" if body is None else raw
            options = {"data": data, "content_type": "application/json"}
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        names.setdefault("authorization", f"Bearer {self.token}")
        call = getattr(self.client, method.lower())
        return call(f"{self.prefix}{path}", headers=names, **options)

    def get(self, path: str, **headers: str) -> Any:
        """Return the answer to a GET."""
        return self.call("get", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        """Return the answer to a POST."""
        return self.call("post", path, {} if body is None else body, **headers)

    def patch(self, path: str, body: Any, **headers: str) -> Any:
        """Return the answer to a PATCH."""
        return self.call("patch", path, body, **headers)

    def delete(self, path: str, **headers: str) -> Any:
        """Return the answer to a DELETE."""
        return self.call("delete", path, **headers)


def is_problem(response: Any, status: int) -> bool:
    """Tell whether an answer is an RFC 9457 document of that status that keeps the contract."""
    if response.status_code != status or response["Content-Type"] != "application/problem+json":
        return False
    body = response.json()
    complete = {"type", "title", "status", "detail"} <= set(body) and body["status"] == status
    told = all({"pointer", "message"} == set(error) for error in body.get("errors", []))
    return complete and told and (status != 400 or bool(body.get("errors")))
