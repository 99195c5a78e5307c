"""The form that starts a training job: what was typed, read into what the service takes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.files.uploadedfile import UploadedFile

from ace_project.console.job_settings import EVERY
from ace_project.core.errors import AceError, InvalidInput
from evolution.ledger import BudgetExceeded
from training.models import TrainingJob

MOST_BYTES = 20 * 1024 * 1024
# What each runtime is asked for besides its name. An empty field is left out; those that are
# needed come first. `more` holds what else a runtime takes, as a JSON object.
RUNTIME_FIELDS = {
    "workshop": (),
    "http": ("url", "max_cost_usd", "timeout"),
    "openai": ("model", "tools"),
    "gymnasium": ("env",),
}
_NEEDED = frozenset({"url", "env"})
_NUMBERS = frozenset({"max_cost_usd", "timeout"})
_JSON = frozenset({"tools"})
# Where the service's names of fields differ from the form's.
_NAMES = {
    "training_data": "tasks",
    "evaluation_data": "held_out",
    "candidates": "lessons",
    "name": "runtime",
}
_KNOWN = {"name", *(key for keys in RUNTIME_FIELDS.values() for key in keys)}


@dataclass(slots=True)
class Form:
    """What was typed, by field, and what is wrong with it; `general` is about no one field."""

    typed: dict[str, str]
    errors: dict[str, str] = field(default_factory=dict)
    general: str = ""

    @property
    def is_valid(self) -> bool:
        """Whether nothing is known to be wrong."""
        return not self.errors and not self.general

    def refuse(self, error: AceError) -> None:
        """Put a refusal of the service beside the field that it is about."""
        if isinstance(error, BudgetExceeded):
            self.errors.setdefault("max_budget_usd", error.detail)
            return
        told = error.errors if isinstance(error, InvalidInput) else []
        for entry in told:
            parts = [part for part in entry["pointer"].split("/") if part]
            self.errors.setdefault(*_beside(parts, entry["message"]))
        if not told:
            self.general = error.detail


def _beside(parts: list[str], message: str) -> tuple[str, str]:
    """Return the form's field for a place in the request, and the message with the place in it."""
    head, *rest = parts or [""]
    if head == "runtime" and rest and rest[0] not in _KNOWN:
        return "more", f"{'.'.join(rest)} {message}"
    if head in ("config", "runtime") and rest:
        head, *rest = rest
    name = _NAMES.get(head, head)
    if name in ("tasks", "held_out", "lessons") and rest and rest[0].isdigit():
        within = f" {'.'.join(rest[1:])}" if rest[1:] else ""
        return name, f"number {int(rest[0]) + 1}:{within} {message}"
    return name, message


def typed_of(posted: Mapping[str, Any]) -> dict[str, str]:
    """Return every posted text, trimmed, without what PostgreSQL does not take."""
    return {name: str(posted[name]).replace("\x00", "").strip() for name in posted}


def typed_like(job: TrainingJob) -> dict[str, str]:
    """Return what one would type to start a job like `job`; its tasks are not in it."""
    spec: Mapping[str, Any] = job.runtime
    known = RUNTIME_FIELDS.get(str(spec.get("name")), ())
    texts = {name: _text(spec[name]) for name in known if name in spec}
    more = {k: v for k, v in spec.items() if k not in ("name", *known)}
    texts["more"] = _text(more) if more else ""
    settings = {s.name: _text(job.config.get(s.name)) for s in EVERY}
    changed = {s.name: settings[s.name] for s in EVERY if settings[s.name] != s.default}
    name = str(spec.get("name", ""))
    return {**texts, **changed, "runtime": name, "agent": job.agent.agent_id, "title": job.title}


def _text(value: Any) -> str:
    if value is None:
        return ""
    return (
        f"{value:g}"
        if isinstance(value, float)
        else value
        if isinstance(value, str)
        else json.dumps(value)
    )


def read(form: Form, upload: UploadedFile | None) -> dict[str, Any]:
    """Return the service's arguments, all but the agent; what cannot be read is an error."""
    readers = {
        "runtime": _runtime,
        "tasks": lambda typed: _tasks(typed.get("tasks", ""), upload),
        "held_out": lambda typed: _json_lines(typed.get("held_out", "")),
        "reward": lambda typed: _json(typed.get("reward", "")),
        "lessons": lambda typed: [line for line in typed.get("lessons", "").splitlines() if line],
    }
    found: dict[str, Any] = {}
    for name, reader in readers.items():
        try:
            found[name] = reader(form.typed)
        except InvalidInput as error:
            where = error.extra.get("field", name)
            form.errors[str(where)] = error.detail
    return {
        "config": _config(form),
        "runtime": found.get("runtime"),
        "training_data": found.get("tasks"),
        "evaluation_data": found.get("held_out"),
        "reward": found.get("reward"),
        "candidates": found.get("lessons") or None,
    }


def _config(form: Form) -> dict[str, Any]:
    config = {}
    for setting in EVERY:
        raw = form.typed.get(setting.name, "")
        if raw:
            try:
                config[setting.name] = setting.read(raw)
            except InvalidInput as error:
                form.errors[setting.name] = error.detail
    return config


def _runtime(typed: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the runtime's spec; None follows what is stored on the agent."""
    name = typed.get("runtime", "")
    if not name:
        return None
    if name not in RUNTIME_FIELDS:
        raise InvalidInput("choose one of these")
    spec: dict[str, Any] = {"name": name}
    for key in RUNTIME_FIELDS[name]:
        raw = typed.get(key, "")
        if raw:
            spec[key] = _field(key, raw)
        elif key in _NEEDED:
            raise InvalidInput("is needed", field=key)
    more = _field("more", typed.get("more", ""))
    if more is None:
        return spec
    if not isinstance(more, dict):
        raise InvalidInput("must be a JSON object", field="more")
    return {**more, **spec}


def _field(key: str, raw: str) -> Any:
    """Return one setting of a runtime; raises InvalidInput that names it."""
    try:
        if key in _NUMBERS:
            return float(raw)
        return _json(raw) if key in _JSON or key == "more" else raw
    except ValueError:
        raise InvalidInput("must be a number", field=key) from None
    except InvalidInput as error:
        raise InvalidInput(error.detail, field=key) from error


def _tasks(raw: str, upload: UploadedFile | None) -> list[Any] | None:
    """Return the tasks of the file or of the text; None leaves them to the runtime."""
    if upload is None:
        return _json_lines(raw)
    if raw:
        raise InvalidInput("give the tasks as a file or as text, not both")
    if (upload.size or 0) > MOST_BYTES:
        raise InvalidInput(f"a file holds at most {MOST_BYTES // 1024**2} MB")
    try:
        return _json_lines(upload.read().decode())
    except UnicodeDecodeError:
        raise InvalidInput("the file is not text in UTF-8") from None


def _json_lines(text: str) -> list[Any] | None:
    """Return the objects of a JSON list or of one JSON object a line; None for an empty text."""
    if not text.strip():
        return None
    if text.lstrip().startswith("["):
        found = _json(text)
        return found if isinstance(found, list) else [found]
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                rows.append(_json(line))
            except InvalidInput as error:
                raise InvalidInput(f"line {number} {error.detail}") from None
    return rows


def _json(text: str) -> Any:
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except ValueError:
        raise InvalidInput("is not JSON") from None
    except RecursionError:
        raise InvalidInput("is nested too deeply") from None
