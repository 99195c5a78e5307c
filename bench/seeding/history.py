"""Agents with their playbooks, deltas, reviews and audit: both hash chains hold."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bench.seeding import words
from bench.seeding.copying import Tables, numbers
from bench.seeding.evidence import evidence_of, verdicts_of
from bench.seeding.plans import DeltaPlan
from bench.seeding.shape import BUSIEST, SPAN, Shape
from playbooks import audit
from playbooks.content import Content, bullet_id, bullets, content_hash
from playbooks.models import (
    OPEN,
    Agent,
    AuditEvent,
    Bullet,
    Decision,
    Delta,
    DeltaStatus,
    Mode,
    Playbook,
    PlaybookVersion,
    Review,
    Source,
    VersionKind,
)
from playbooks.operations import apply, describe, expectations

_FIRST_BULLETS = 12
_MODELS = ("gpt-4o-mini", "gpt-4o", "claude-sonnet", "local-llama")
_DECISIONS = {
    DeltaStatus.APPLIED: Decision.APPROVE,
    DeltaStatus.UNDONE: Decision.APPROVE,
    DeltaStatus.REJECTED: Decision.REJECT,
    DeltaStatus.CHANGES_REQUESTED: Decision.REQUEST_CHANGES,
}
# Of every so many decisions one is the machinery's own.
_AUTOMATIC = 0.3


@dataclass(slots=True)
class Book:
    """One agent's playbook while its history is written."""

    agent: Agent
    playbook: Playbook
    content: Content
    known: set[str] = field(default_factory=set)
    hash: str = audit.GENESIS
    events: int = 0
    last_event: str = audit.GENESIS


class History:
    """Writes the agents and, delta by delta, all that follows from each."""

    def __init__(self, shape: Shape, tables: Tables, run_keys: list[int]) -> None:
        self._shape, self._tables, self._run_keys = shape, tables, run_keys
        self._rng = shape.rng("history")
        self._traces = shape.traces_of()
        self._keys = {m: numbers(m) for m in (Agent, Playbook, PlaybookVersion, Delta)}
        self._lesson = 0
        self.books: list[Book] = []

    def begin(self) -> None:
        """Write the agents, each with the first version of its playbook."""
        for number in range(self._shape.agents):
            book = self._book(number)
            self.books.append(book)
            agent = book.agent
            first = {"mode": agent.mode}
            self._event(
                book, "agent_created", agent.created_at, agent.agent_id, first, "service:seed"
            )
            self._publish(
                book, book.content, agent.created_at, VersionKind.CREATED, "first version"
            )

    def go_on(self, plan: DeltaPlan) -> None:
        """Write one delta, its decision and the version that it made."""
        book = self.books[plan.owner]
        operations, seen, conflicts = self._change(plan, book)
        delta = self._delta(plan, book, operations, seen, conflicts)
        self._event_of(book, delta, "delta_proposed", delta.author, plan.at)
        if delta.decided_at:
            if delta.status in (DeltaStatus.APPLIED, DeltaStatus.UNDONE):
                self._apply(book, delta, delta.decided_by, delta.decided_at)
            event = f"delta_{delta.status}"
            self._event_of(book, delta, event, delta.decided_by, delta.decided_at)
        self._add_delta(delta)
        self._review(delta, delta.decided_by or words.person(self._rng))

    def end(self) -> None:
        """Write the playbooks as they stand in the end."""
        for book in self.books:
            playbook = book.playbook
            self._tables.add(
                Playbook,
                id=playbook.pk,
                agent_id=book.agent.pk,
                public_id=playbook.public_id,
                version=playbook.version,
                content_hash=playbook.content_hash,
                created_at=playbook.created_at,
                updated_at=playbook.updated_at,
            )

    def _book(self, number: int) -> Book:
        shape, rng = self._shape, self._rng
        at = shape.now - SPAN - timedelta(minutes=shape.agents - number)
        agent = Agent(
            pk=next(self._keys[Agent]),
            agent_id=shape.agent_id(number),
            name=f"Seeded agent {shape.first + number}, made up",
            mode=rng.choice((Mode.STRICT, Mode.STRICT, Mode.AUTO, Mode.DRY_RUN)),
            simulated=shape.simulated,
            created_at=at,
        )
        self._tables.add(
            Agent,
            id=agent.pk,
            agent_id=agent.agent_id,
            name=agent.name,
            metadata={"seeded": True},
            mode=agent.mode,
            simulated=agent.simulated,
            created_at=at,
        )
        playbook = Playbook(
            pk=next(self._keys[Playbook]), agent=agent, version=0, created_at=at, updated_at=at
        )
        count = (
            shape.busiest_bullets + 1 - shape.busiest_versions
            if number == BUSIEST
            else _FIRST_BULLETS
        )
        content: Content = {section: [] for section in words.SECTIONS}
        for place in range(count):
            self._texts(content, words.SECTIONS[place % len(words.SECTIONS)]).append(
                self._new_text()
            )
        return Book(agent, playbook, content)

    @staticmethod
    def _texts(content: Content, section: str) -> list[Any]:
        texts = content[section]
        assert isinstance(texts, list)
        return texts

    def _new_text(self) -> str:
        self._lesson += 1
        return words.lesson(self._rng, self._shape.first * 1_000_000 + self._lesson)

    def _change(self, plan: DeltaPlan, book: Book) -> tuple[list[Any], list[Any], list[Any]]:
        """Return a delta's operations, what each saw, and its conflicts."""
        rng = self._rng
        if plan.status == DeltaStatus.CONFLICT:
            return self._conflict(book)
        chance = rng.random()
        section = rng.choice(words.SECTIONS)
        texts = self._texts(book.content, section)
        if plan.owner == BUSIEST or chance < 0.7 or len(texts) < 2:
            operations = [{"op": "add", "section": section, "text": self._new_text()}]
            if plan.owner != BUSIEST and chance < 0.1:
                other = rng.choice(words.SECTIONS)
                operations.append({"op": "add", "section": other, "text": self._new_text()})
        elif chance < 0.9:
            name = bullet_id(section, rng.choice(texts))
            operations = [{"op": "update", "bullet_id": name, "text": self._new_text()}]
        else:
            operations = [{"op": "remove", "bullet_id": bullet_id(section, rng.choice(texts))}]
        return operations, list(expectations(book.content, operations)), []

    def _conflict(self, book: Book) -> tuple[list[Any], list[Any], list[Any]]:
        """Return a change of a bullet that is not there any more."""
        section, saw = self._rng.choice(words.SECTIONS), self._new_text()
        name = bullet_id(section, saw)
        operation = {"op": "update", "bullet_id": name, "text": self._new_text()}
        seen = {"bullets": {name: {"section": section, "text": saw}}}
        reason = "the bullet is not in the live version"
        conflict = {"index": 0, "operation": operation, "reason": reason, "saw": saw, "now": None}
        return [operation], [seen], [conflict]

    def _delta(
        self,
        plan: DeltaPlan,
        book: Book,
        operations: list[Any],
        seen: list[Any],
        conflicts: list[Any],
    ) -> Delta:
        rng, source = self._rng, plan.source
        run = None if plan.run is None else self._run_keys[plan.run]
        raw = round(rng.uniform(0.4, 0.98), 3)
        delta = Delta(
            pk=next(self._keys[Delta]),
            delta_id=uuid.UUID(int=rng.getrandbits(128), version=4),
            base_version=book.playbook.version,
            operations=operations,
            expectations=seen,
            conflicts=conflicts,
            status=plan.status,
            raw_confidence=raw,
            confidence=round(raw * rng.uniform(0.7, 1.0), 3),
            reasoning=f"{words.task(rng)} Runs that did so succeeded more often.",
            evidence=self._evidence(plan),
            verdicts=verdicts_of(rng, plan.status),
            source=source,
            model=rng.choice(_MODELS) if source == Source.LLM else "",
            author=f"run:{run}" if run else self._author(plan, book),
            run_id=run,
            created_at=plan.at,
        )
        delta.playbook = book.playbook
        if plan.status not in OPEN:
            self._decide(delta)
        return delta

    def _author(self, plan: DeltaPlan, book: Book) -> str:
        if plan.source == Source.OPERATOR:
            return words.person(self._rng)
        return f"agent:{book.agent.agent_id}" if plan.source == Source.AGENT else "service:seed"

    def _evidence(self, plan: DeltaPlan) -> dict[str, Any]:
        traces = self._traces[plan.owner]
        names = [
            self._shape.trace_id(plan.owner, self._rng.randrange(traces))
            for _ in range(14 if traces else 0)
        ]
        return evidence_of(self._rng, plan.source, names)

    def _decide(self, delta: Delta) -> None:
        rng = self._rng
        machine = delta.status in (DeltaStatus.FAILED, DeltaStatus.RECORDED)
        machine = machine or rng.random() < _AUTOMATIC
        delta.decided_by = "automatic" if machine else words.person(rng)
        # Between this delta and the next, so that versions stay in the order of time.
        delta.decided_at = delta.created_at + timedelta(seconds=1)
        delta.decision_reason = "no judge blocked it" if machine else words.task(rng)

    def _apply(self, book: Book, delta: Delta, by: str, at: datetime) -> None:
        before = book.content
        result = apply(before, delta.operations)
        delta.inverse = result.inverse
        said = describe(delta.operations, delta.expectations)
        author = delta.author if by == "automatic" else by
        parents = {str(entry["bullet_id"]): entry["from"] for entry in result.lineage}
        self._publish(book, result.content, at, VersionKind.DELTA, said, author, delta, parents)
        delta.applied_version = book.playbook.version
        if delta.status == DeltaStatus.UNDONE:
            why = f"undo of delta {delta.pk}"
            self._publish(book, before, at, VersionKind.UNDO, why, by, delta)

    def _publish(
        self,
        book: Book,
        content: Content,
        at: datetime,
        kind: VersionKind,
        reason: str,
        author: str = "service:seed",
        delta: Delta | None = None,
        parents: dict[str, Any] | None = None,
    ) -> None:
        """Append a version as audit.append_version does, in memory."""
        playbook = book.playbook
        version = PlaybookVersion(
            pk=next(self._keys[PlaybookVersion]),
            playbook=playbook,
            number=playbook.version + 1,
            content=content,
            parent=playbook.version or None,
            kind=kind,
            delta=delta,
            author=author,
            reason=reason,
            created_at=at,
            content_hash=content_hash(content),
        )
        version.hash = audit.version_hash(version, book.agent.agent_id, book.hash)
        book.hash, book.content = version.hash, content
        playbook.version, playbook.updated_at = version.number, at
        playbook.content_hash = version.content_hash
        self._add_version(version)
        self._keep_bullets(book, version, parents or {})
        data = {
            "kind": str(kind),
            "hash": version.hash,
            "reason": reason,
            "delta_id": str(delta.delta_id) if delta else None,
            "restored": None,
        }
        self._event(book, "version_published", at, f"version {version.number}", data, author)

    def _keep_bullets(self, book: Book, version: PlaybookVersion, parents: dict[str, Any]) -> None:
        delta = version.delta
        changed = (
            bullets(version.content)
            if delta is None
            else [
                bullet
                for operation in delta.operations
                if "text" in operation
                for bullet in _written_by(operation, version.content)
            ]
        )
        for bullet in changed:
            if bullet.bullet_id in book.known:
                continue
            book.known.add(bullet.bullet_id)
            used = self._rng.randrange(200)
            helped = round(used * self._rng.uniform(0.4, 0.9))
            self._tables.add(
                Bullet,
                playbook_id=book.playbook.pk,
                bullet_id=bullet.bullet_id,
                section=bullet.section,
                text=bullet.text,
                introduced_version=version.number,
                introduced_by=version.author,
                delta_id=delta.pk if delta else None,
                lineage=parents.get(bullet.bullet_id, []),
                used=used,
                helped=helped,
                harmed=used - helped,
                created_at=version.created_at,
            )

    def _add_version(self, version: PlaybookVersion) -> None:
        self._tables.add(
            PlaybookVersion,
            id=version.pk,
            playbook_id=version.playbook_id,
            number=version.number,
            content=version.content,
            parent=version.parent,
            kind=version.kind,
            delta_id=version.delta_id,
            author=version.author,
            reason=version.reason,
            created_at=version.created_at,
            content_hash=version.content_hash,
            hash=version.hash,
        )

    def _add_delta(self, delta: Delta) -> None:
        names = (
            *("id", "delta_id", "playbook_id", "base_version", "operations", "expectations"),
            *("inverse", "conflicts", "status", "confidence", "raw_confidence", "reasoning"),
            *("evidence", "verdicts", "source", "model", "author", "run_id", "created_at"),
            *("decided_at", "decided_by", "decision_reason", "applied_version"),
        )
        self._tables.add(Delta, **{name: getattr(delta, name) for name in names})

    def _review(self, delta: Delta, by: str) -> None:
        decision = _DECISIONS.get(DeltaStatus(delta.status))
        if decision is not None and by != "automatic":
            self._tables.add(
                Review,
                delta_id=delta.pk,
                decision=decision,
                reviewer=by,
                reason=delta.decision_reason or "Say which fare class.",
                created_at=delta.created_at + timedelta(seconds=1),
            )

    def _event_of(self, book: Book, delta: Delta, event: str, actor: str, at: datetime) -> None:
        data = {"delta_id": str(delta.delta_id), "base_version": delta.base_version}
        self._event(book, event, at, f"delta {delta.pk}", data, actor)

    def _event(
        self, book: Book, event: str, at: datetime, subject: str, data: dict[str, Any], actor: str
    ) -> None:
        """Append to the agent's chain as audit.record does, in memory."""
        book.events += 1
        row = AuditEvent(
            chain=book.agent.agent_id,
            number=book.events,
            event=event,
            actor=actor,
            subject=subject,
            data=data,
            created_at=at,
            previous=book.last_event,
        )
        row.hash = book.last_event = audit.event_hash(row)
        names = ("chain", "number", "event", "actor", "subject", "data", "created_at", "previous")
        self._tables.add(AuditEvent, hash=row.hash, **{name: getattr(row, name) for name in names})


def _written_by(operation: dict[str, Any], content: Content) -> list[Any]:
    """Return the bullets of the content whose text an operation wrote."""
    return [bullet for bullet in bullets(content) if bullet.text == operation["text"]]
