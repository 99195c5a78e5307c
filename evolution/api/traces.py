"""Traces over REST. Posting one is the hottest call there is: no DRF, no ORM on its way."""

from abc import abstractmethod
from functools import partial
from typing import Any, ClassVar

from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ace_project.core.api import auth
from ace_project.core.api.idempotency import run_once
from ace_project.core.api.paging import page
from ace_project.core.api.render import dumps
from ace_project.core.api.schema import LIST_PARAMETERS
from ace_project.core.api.views import ApiView, query
from ace_project.core.errors import InvalidInput, NotFound
from ace_project.core.tokens import Principal
from evolution import ingest
from evolution.api import shapes
from evolution.api.senders import make_agent
from evolution.ingest import Refused, TraceRow
from evolution.models import ExecutionTrace, Origin
from evolution.services.traces import new_trace_id, record_rows, record_trace
from playbooks.selectors import agent_by_id

# Who holds this and not `traces:write` passes on what others report: it is trusted less.
RELAY = "traces:relay"


def _origin(caller: Principal) -> Origin:
    return Origin.AGENT if "traces:write" in caller.scopes else Origin.THIRD_PARTY


class _Posted(ApiView):
    """A view whose POST is answered without DRF's request and response."""

    scopes: ClassVar = {"GET": "traces:read", "POST": "traces:write"}

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer; the API's boundary turns what is raised into problems."""
        if request.method != "POST":
            return super().dispatch(request, *args, **kwargs)
        caller = auth.bearer(request)
        if RELAY not in caller.scopes:
            auth.require(caller, "traces:write")
        key = request.META.get("HTTP_IDEMPOTENCY_KEY")
        if key is not None:
            auth.authenticate(request)
            answer = partial(self.record, request.body, caller)
            return run_once(request, caller.jti, key, answer)
        try:
            return self.record(request.body, caller)
        except (NotFound, InvalidInput):
            # What is wrong is told to live tokens alone; only success has asked about that.
            auth.authenticate(request)
            raise

    @abstractmethod
    def record(self, body: bytes, caller: Principal) -> HttpResponse:
        """Carry the POST out, having seen that the caller's token is live."""


def _json(document: dict[str, Any], status: int) -> HttpResponse:
    return HttpResponse(dumps(document), status=status, content_type="application/json")


class Traces(_Posted):
    @extend_schema(
        operation_id="traces_list",
        parameters=[shapes.TraceQuery, *LIST_PARAMETERS],
        responses=shapes.TracePage,
    )
    def get(self, request: Request) -> Response:
        """List traces, the last received first."""
        wanted = query(request, shapes.TraceQuery)
        rows = _visible(self.principal, wanted.get("agent_id")).select_related("agent")
        if wanted["success"] is not None:
            rows = rows.filter(success=wanted["success"])
        if "since" in wanted:
            rows = rows.filter(captured_at__gte=wanted["since"])
        rows = rows.defer("steps", "metadata", "bullets", "error_message", "search")
        return Response(page(request, rows, name="traces", render=shapes.in_lists))

    @extend_schema(request={"application/json": shapes.TRACE}, responses={201: shapes.Recorded})
    def post(self, request: HttpRequest) -> HttpResponseBase:
        """Record one trace; a `trace_id` that was sent before gets the first answer again."""
        return self.dispatch(request)

    def record(self, body: bytes, caller: Principal) -> HttpResponse:
        """Record the trace in `body`."""
        trace = ingest.parse_trace(body, ingest.Trace)
        auth.require_agent(caller, trace.agent_id)
        now, origin = timezone.now(), _origin(caller)
        row = ingest.row_of(trace, now=now, new_id=new_trace_id, origin=origin)
        try:
            kept = record_trace(agent_id=trace.agent_id, row=row, token=caller.jti)
        except NotFound:
            # The token is live: that is looked at first.
            make_agent(caller, trace.agent_id)
            kept = record_trace(agent_id=trace.agent_id, row=row, token=caller.jti)
        return _json({"trace_id": kept.trace_id, "captured_at": kept.captured_at}, 201)


class TraceBatch(_Posted):
    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        """Return the trace that is named batch."""
        return Response(shapes.in_full(_one(request, self.principal, "batch")))

    @extend_schema(request={"application/json": shapes.BATCH}, responses={200: shapes.BATCH_ANSWER})
    def post(self, request: HttpRequest) -> HttpResponseBase:
        """Record up to 1,000 traces; one that is not valid is rejected alone."""
        return self.dispatch(request)

    def record(self, body: bytes, caller: Principal) -> HttpResponse:
        """Record the traces in `body` by one COPY; agents are made for those that have none."""
        items = ingest.parse_batch(body)
        named = any(isinstance(item, ingest.Trace) and item.trace_id for item in items)
        rows, rejected = _sorted_out(items, caller)
        by_agent = {agent_id: list(own.values()) for agent_id, own in rows.items()}
        kept = record_rows(rows=by_agent, token=caller.jti, named=named)
        for agent_id in kept.missing:
            try:
                make_agent(caller, agent_id)
                record_rows(rows={agent_id: by_agent[agent_id]}, token=caller.jti)
            except (NotFound, InvalidInput) as error:
                problem = {"pointer": "/agent_id", "message": error.detail}
                rejected |= dict.fromkeys(rows[agent_id], [problem])
        found = [{"index": index, "errors": rejected[index]} for index in sorted(rejected)]
        return _json({"accepted": len(items) - len(found), "rejected": found}, 200)


def _sorted_out(
    items: list[ingest.Trace | Refused], caller: Principal
) -> tuple[dict[str, dict[int, TraceRow]], dict[int, list[ingest.Problem]]]:
    """Return the rows of each agent with their place in the batch, and what is refused by place."""
    now = timezone.now()
    rows: dict[str, dict[int, TraceRow]] = {}
    rejected: dict[int, list[ingest.Problem]] = {}
    for index, item in enumerate(items):
        if isinstance(item, Refused):
            rejected[index] = item.errors
            continue
        try:
            auth.require_agent(caller, item.agent_id)
            row = ingest.row_of(item, now=now, new_id=new_trace_id, origin=_origin(caller))
        except NotFound as error:
            rejected[index] = [{"pointer": "/agent_id", "message": error.detail}]
        except InvalidInput as error:
            rejected[index] = error.errors
        else:
            rows.setdefault(item.agent_id, {})[index] = row
    return rows, rejected


class TraceDetail(ApiView):
    scopes: ClassVar = {"GET": "traces:read"}

    @extend_schema(parameters=[shapes.AgentQuery], responses=shapes.TraceInFull)
    def get(self, request: Request, trace_id: str) -> Response:
        """Return one trace with its steps."""
        return Response(shapes.in_full(_one(request, self.principal, trace_id)))


# By the index that starts with the agent: a scan of all traces would cost seconds. OFFSET 0 keeps
# the planner from turning the two around.
_NAMED = """
SELECT t.id FROM agents a CROSS JOIN LATERAL (
  SELECT id FROM execution_traces WHERE agent_id = a.id AND trace_id = %s OFFSET 0) t LIMIT 2
"""


def _one(request: Request, caller: Principal, trace_id: str) -> ExecutionTrace:
    if "\x00" in trace_id:
        raise NotFound("there is no such trace")
    agent_id = query(request, shapes.AgentQuery).get("agent_id")
    rows = _visible(caller, agent_id).select_related("agent")
    if agent_id is None and caller.agent_id is None:
        found = list(rows.filter(pk__in=_named_by_any_agent(trace_id)))
    else:
        found = list(rows.filter(trace_id=trace_id))
    if not found:
        raise NotFound(f"there is no trace {trace_id!r}")
    if len(found) > 1:
        message = "several agents have a trace of this name: say which"
        raise InvalidInput(message, [{"pointer": "?agent_id", "message": message}])
    return found[0]


def _named_by_any_agent(trace_id: str) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(_NAMED, [trace_id])
        return [key for (key,) in cursor.fetchall()]


def _visible(caller: Principal, agent_id: str | None) -> QuerySet[ExecutionTrace]:
    """Return the traces of `agent_id`, or of all agents that the caller may know of."""
    named = agent_id if agent_id is not None else caller.agent_id
    if named is None:
        return ExecutionTrace.objects.all()
    auth.require_agent(caller, named)
    return ExecutionTrace.objects.filter(agent=agent_by_id(named))
