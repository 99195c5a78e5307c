"""The back-office: a real SQLite database and the tools that work on it."""

import ast
import operator
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from threading import Lock
from typing import Any

from training.workshop.rules import ACTIONS, CHECKS, CLOSERS, OPEN, PARAMETER, Rules
from training.workshop.tasks import Task, cents_text

Arguments = dict[str, Any]
Result = dict[str, Any]
MAX_FAILURES = 3

_SCHEMA = """
CREATE TABLE orders (
    id INTEGER PRIMARY KEY, item TEXT NOT NULL,
    total_cents INTEGER NOT NULL CHECK (total_cents > 0), rate INTEGER NOT NULL,
    fee TEXT NOT NULL, account TEXT NOT NULL, method TEXT NOT NULL,
    warehouse TEXT NOT NULL, choice TEXT NOT NULL, amount TEXT NOT NULL,
    opened INTEGER NOT NULL DEFAULT 0, disputed INTEGER NOT NULL,
    failures INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'active'
);
CREATE TABLE tickets (
    id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL REFERENCES orders (id),
    revision INTEGER NOT NULL DEFAULT 1, replica INTEGER NOT NULL DEFAULT 1,
    pending_edit INTEGER NOT NULL
);
CREATE TABLE operations (
    order_id INTEGER NOT NULL REFERENCES orders (id), kind TEXT NOT NULL,
    fee TEXT, account TEXT, method TEXT, warehouse TEXT, choice TEXT, amount TEXT,
    UNIQUE (order_id, kind)
);
CREATE TABLE entries (
    ticket_id INTEGER NOT NULL REFERENCES tickets (id), kind TEXT NOT NULL,
    complete INTEGER NOT NULL
);
"""


class ToolError(Exception):
    """A tool refused; the text is what the agent sees."""


class BackOffice:
    """Tools over one database in memory; a case lives inside a savepoint and leaves no trace."""

    def __init__(self, rules: Rules) -> None:
        """Make the tables; which constraints hold depends on the world's rules."""
        self._rules = rules
        self._db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._db.executescript(_SCHEMA)
        self._db.execute(
            "CREATE UNIQUE INDEX one_entry ON entries (ticket_id, kind) "
            f"WHERE kind != '{rules.once}'"
        )
        self._execute = self._db.execute
        self._one_at_a_time = Lock()
        self.tools = self._tools()

    @contextmanager
    def case(self, task: Task) -> Iterator[None]:
        """Hold the database for one run, in which the case's order and ticket arrive.

        Everything the run writes is taken back at its end. Runs in other threads wait.
        """
        with self._one_at_a_time:
            self._execute("SAVEPOINT run")
            try:
                self._arrive(task)
                yield
            finally:
                self._execute("ROLLBACK TO run")
                self._execute("RELEASE run")

    def _arrive(self, task: Task) -> None:
        truth = task.truth
        self._execute(
            "INSERT INTO orders (id, item, total_cents, rate, fee, account, method, warehouse, "
            "choice, amount, disputed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                task.order_id,
                task.item,
                task.total_cents,
                task.rate,
                truth["fee"],
                truth["account"],
                truth["method"],
                truth["warehouse"],
                truth["choice"],
                truth["amount"],
                task.disputed,
            ),
        )
        self._execute(
            "INSERT INTO tickets (id, order_id, pending_edit) VALUES (?, ?, ?)",
            (task.ticket_id, task.order_id, task.contested),
        )

    def call(self, tool: str, arguments: Arguments) -> Result:
        """Run one tool; raise ToolError with the text that the agent sees."""
        if tool not in self.tools:
            raise ToolError(f"There is no tool {tool}")
        try:
            return self.tools[tool](arguments)
        except sqlite3.IntegrityError as error:
            raise ToolError(str(error)) from error

    def row_counts(self) -> dict[str, int]:
        """Rows per table; all zero between runs."""
        tables = ("orders", "tickets", "operations", "entries")
        return {
            name: int(self._execute(f"SELECT count(*) FROM {name}").fetchone()[0])
            for name in tables
        }

    def shortfall(self, task: Task) -> str | None:
        """Compare the database with what the case asked for; None means all of it is there."""
        return (
            self._order_shortfall(task)
            or self._operation_shortfall(task)
            or self._entry_shortfall(task)
        )

    def _order_shortfall(self, task: Task) -> str | None:
        state = self._execute("SELECT state FROM orders WHERE id = ?", (task.order_id,)).fetchone()
        return None if state[0] == "active" else f"Order {task.order_id} was left {state[0]}"

    def _operation_shortfall(self, task: Task) -> str | None:
        wanted = ACTIONS[task.task_type]
        rows = self._execute(
            "SELECT kind, fee, account, method, warehouse, choice, amount FROM operations "
            "WHERE order_id = ?",
            (task.order_id,),
        ).fetchall()
        if not any(row[0] == wanted for row in rows):
            return f"No {wanted} on record for order {task.order_id}"
        if len(rows) > 1:
            other = next(row[0] for row in rows if row[0] != wanted)
            return f"Nobody asked for {other} on order {task.order_id}"
        found = dict(zip(_OPERATION_COLUMNS, rows[0], strict=True))
        for check in self._rules.required[task.task_type]:
            name = PARAMETER[check]
            if found[name] != task.truth[name]:
                return f"{wanted} has {name} {found[name]}, the records say {task.truth[name]}"
        return None

    def _entry_shortfall(self, task: Task) -> str | None:
        rules = self._rules
        rows = self._execute(
            "SELECT kind, complete FROM entries WHERE ticket_id = ?", (task.ticket_id,)
        ).fetchall()
        count = {kind: sum(row[0] == kind for row in rows) for kind in CLOSERS}
        duty = rules.special_duty[task.task_type]
        for kind in (rules.prior, rules.seal):
            if count[kind] != 1:
                return (
                    f"{kind} stands {count[kind]} times on ticket {task.ticket_id} instead of once"
                )
        if not all(row[1] for row in rows if row[0] == rules.seal):
            return f"{rules.seal} came before {rules.prior} on ticket {task.ticket_id}"
        if duty == "required" and count[rules.special] == 0:
            return f"{rules.special} is missing on ticket {task.ticket_id}"
        if duty == "forbidden" and count[rules.special] > 0:
            return f"{rules.special} was not wanted on ticket {task.ticket_id}"
        return None

    def _tools(self) -> Mapping[str, Callable[[Arguments], Result]]:
        rules = self._rules
        tools: dict[str, Callable[[Arguments], Result]] = {OPEN: self._open_order}
        tools |= {check: self._check(check) for check in CHECKS}
        tools["calculate"] = self._calculate
        tools |= {action: self._action(kind) for kind, action in ACTIONS.items()}
        tools |= {closer: self._closer(closer) for closer in CLOSERS}
        tools |= {rules.harmful: self._damage, rules.idle: self._nothing, rules.spare: self._sync}
        return tools

    def _open_order(self, arguments: Arguments) -> Result:
        order = arguments["order"]
        self._execute("UPDATE orders SET opened = 1 WHERE id = ?", (order,))
        row = self._execute(
            "SELECT item, total_cents, rate FROM orders WHERE id = ?", (order,)
        ).fetchone()
        column = "revision" if self._rules.refresh == OPEN else "replica"
        seen = {"item": row[0], "total": cents_text(row[1])}
        if self._rules.basis_of[1] != "calculate":
            seen["rate"] = row[2]
        return seen | {"revision": self._revision(order, column)}

    def _sync(self, arguments: Arguments) -> Result:
        if self._rules.refresh == OPEN:
            return {"synced": 0}
        return {"synced": 1, "revision": self._revision(arguments["order"], "revision")}

    def _revision(self, order: int, column: str) -> int:
        row = self._execute(f"SELECT {column} FROM tickets WHERE order_id = ?", (order,)).fetchone()
        return int(row[0])

    def _nothing(self, arguments: Arguments) -> Result:
        self._execute("SELECT item FROM orders WHERE id = ?", (arguments["order"],)).fetchone()
        return {"done": True}

    def _damage(self, arguments: Arguments) -> Result:
        state = {"sync_records": "overwritten", "escalate_case": "handed over"}
        state["merge_history"] = "merged away"
        self._execute(
            "UPDATE orders SET state = ? WHERE id = ?",
            (state[self._rules.harmful], arguments["order"]),
        )
        return {"done": True}

    def _check(self, check: str) -> Callable[[Arguments], Result]:
        basis, derived = self._rules.basis_of
        name, basis_name = PARAMETER[check], PARAMETER[basis]
        with_rate = check == basis and derived == "calculate"
        needs_basis = check == derived

        def run(arguments: Arguments) -> Result:
            value, true_basis, rate = self._execute(
                f"SELECT {name}, {basis_name}, rate FROM orders WHERE id = ?",
                (arguments["order"],),
            ).fetchone()
            if needs_basis and arguments["basis"] != true_basis:
                if self._rules.basis_strict:
                    raise ToolError(f"{basis_name} '{arguments['basis']}' does not match the order")
                return {name: "standard" if check == "ask_confirmation" else "Berlin"}
            return {name: value, "rate": rate} if with_rate else {name: value}

        return run

    def _calculate(self, arguments: Arguments) -> Result:
        return {"amount": f"{evaluate(arguments['expression']):.2f}"}

    def _action(self, kind: str) -> Callable[[Arguments], Result]:
        names = [PARAMETER[check] for check in self._rules.required[kind]]
        columns = ", ".join(names)
        insert = (
            f"INSERT INTO operations (order_id, kind, {columns}) "
            f"VALUES (?, '{ACTIONS[kind]}', {', '.join('?' * len(names))})"
        )
        select = f"SELECT opened, disputed, failures, {columns} FROM orders WHERE id = ?"
        strict = self._rules.strict[kind]

        def run(arguments: Arguments) -> Result:
            order = arguments["order"]
            opened, disputed, failures, *truth = self._execute(select, (order,)).fetchone()
            values = [arguments[name] for name in names]
            if not opened:
                raise ToolError(f"Order {order} is not open in this session")
            if disputed:
                raise ToolError(f"Order {order} is under dispute")
            if failures >= MAX_FAILURES:
                raise ToolError(f"Order {order} is locked after {failures} failed attempts")
            if strict and values != truth:
                self._execute("UPDATE orders SET failures = failures + 1 WHERE id = ?", (order,))
                wrong = next(n for n, v, t in zip(names, values, truth, strict=True) if v != t)
                raise ToolError(f"{wrong} '{arguments[wrong]}' is not valid for order {order}")
            self._execute(insert, (order, *values))
            return {"reference": f"{kind}-{order}"}

        return run

    def _closer(self, kind: str) -> Callable[[Arguments], Result]:
        rules = self._rules

        def run(arguments: Arguments) -> Result:
            ticket = arguments["ticket"]
            if kind == rules.contested:
                self._compare_revision(ticket, arguments["revision"])
            kinds = {
                row[0]
                for row in self._execute("SELECT kind FROM entries WHERE ticket_id = ?", (ticket,))
            }
            if kind == rules.prior and rules.seal in kinds:
                raise ToolError(f"Ticket {ticket} is sealed by {rules.seal}")
            self._execute(
                "INSERT INTO entries (ticket_id, kind, complete) VALUES (?, ?, ?)",
                (ticket, kind, rules.prior in kinds),
            )
            return {"entry": f"{ticket}-{len(kinds) + 1}"}

        return run

    def _compare_revision(self, ticket: int, revision: int) -> None:
        self._execute(
            "UPDATE tickets SET revision = revision + 1, pending_edit = 0 "
            "WHERE id = ? AND pending_edit",
            (ticket,),
        )
        row = self._execute("SELECT revision FROM tickets WHERE id = ?", (ticket,)).fetchone()
        if row[0] != revision:
            wording = self._rules.stale_wording
            raise ToolError(wording.format(revision=revision, ticket=ticket))


_OPERATION_COLUMNS = ("kind", "fee", "account", "method", "warehouse", "choice", "amount")
_OPERATORS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


@lru_cache(maxsize=4096)
def evaluate(expression: str) -> float:
    """Return the value of an arithmetic expression of numbers, + - * / and brackets."""
    try:
        return _value(ast.parse(expression, mode="eval").body)
    except (SyntaxError, ZeroDivisionError) as error:
        raise ToolError(f"Cannot calculate {expression}: {error}") from error


def _value(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(left), _value(right))
    raise ToolError("The calculator takes numbers and + - * / only")
