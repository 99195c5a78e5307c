"""Puts hostile text before every text that others may have written, in the rows themselves."""

from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import models

from evolution.models import ExecutionTrace
from playbooks.content import bullet_id
from playbooks.models import Bullet

# Each element would show itself by its attribute, each script by calling `hostile`. Then markdown
# and template code, text turned round, a letter of no width, and letters that run leftward.
HOSTILE = (
    "\"'><b data-hostile>B</b><script data-hostile>hostile()</script>"
    "<img data-hostile onerror=hostile() src=x> [l](javascript:hostile()) {{7*7}} "
    "\u202eturned\u202c zero\u200bwidth \u05e9\u05dc\u05d5\u05dd "
)
# For columns too narrow for all of it.
SHORT = "<i data-hostile>\u202e\u05e9"
# User names begin so: one that an invitation lets in, and one that only another way in does.
_LEFTWARD = "\u05e9\u05dc\u05d5\u05dd."
_WRITTEN = "\"'><b data-hostile>B</b><script data-hostile>hostile()</script>\u202e\u200b\u05e9 "
_ROOM = 400
_TEXTS = (models.CharField, models.TextField)

# What the product itself writes: names that mean something to it, and addresses.
_OWN_COLUMNS = {
    *("agent_id", "bullet_id", "chain", "content_hash", "hash", "previous", "sha256", "period"),
    *("body_hash", "token", "key", "scope", "event", "policy", "outcome"),
    *("judge", "purpose", "password", "username", "location", "reason_code"),
}
_OWN_DOCUMENTS = {"config", "runtime", "reward", "scopes", "overrides", "metrics", "two_person"}
# Keys of documents whose values are the product's own words.
_OWN_KEYS = {
    *("op", "judge", "outcome", "kind", "status", "source", "name", "started_at", "finished_at"),
    *("sha256", "split", "role", "test", "generator", "trigger", "decision", "mode", "verdict"),
    *("bullet_id", "bullet_ids", "id", "ids", "at", "until", "state", "type", "value_type", "path"),
}


def poison() -> dict[str, str]:
    """Change the rows of every model of ours, and the names of people; return bullets' new ids."""
    for person in get_user_model().objects.all():
        name = hostile_name(person.username)
        names = {"username": name, "first_name": HOSTILE[:150], "last_name": SHORT}
        if name.startswith(_LEFTWARD):
            # Who has no other name is called by this one.
            names |= {"first_name": "", "last_name": ""}
        _write(person, names | {"email": f"{SHORT}@x.io"})
    for model in _ours():
        for row in model._default_manager.all():
            _write(row, _changed(row))
    _index_traces()
    return _rename_bullets()


def hostile_name(name: str) -> str:
    """Return the user name that somebody has after `poison`."""
    return (_LEFTWARD if name in ("ann", "eve") else _WRITTEN) + name


def _ours() -> list[Any]:
    names = ("core", "playbooks", "evolution", "training", "console")
    return [model for name in names for model in apps.get_app_config(name).get_models()]


def _write(row: Any, fields: dict[str, Any]) -> None:
    if fields:
        type(row)._default_manager.filter(pk=row.pk).update(**fields)


def _changed(row: Any) -> dict[str, Any]:
    found = {}
    for field in row._meta.concrete_fields:
        value = getattr(row, field.attname)
        if field.generated or field.choices or field.is_relation or not value:
            continue
        if isinstance(field, models.JSONField) and field.name not in _OWN_DOCUMENTS:
            found[field.attname] = _document(value)
            if field.name == "content":
                sections = found[field.attname].items()
                found[field.attname] = {_text(name, None): held for name, held in sections}
        elif isinstance(field, _TEXTS) and field.name not in _OWN_COLUMNS:
            found[field.attname] = _text(value, field.max_length)
    return found


def _text(value: str, most: int | None) -> str:
    """Return hostile text that still differs where the texts differed, cut to its column."""
    if value.startswith("person:"):
        return "person:" + hostile_name(value.removeprefix("person:"))
    if value.startswith(("agent:", "service:", "run:", "automatic")):
        return value
    before = HOSTILE if (most or _ROOM) >= _ROOM else HOSTILE[: max(0, 250 - len(value))]
    if most and len(before) + len(value) > most:
        before = SHORT
    return (before + value)[:most]


def _document(value: Any, key: str = "") -> Any:
    if isinstance(value, str):
        return value if key in _OWN_KEYS else _text(value, None)
    if isinstance(value, list):
        return [_document(item, key) for item in value]
    if isinstance(value, dict):
        return {name: _document(item, name) for name, item in value.items()}
    return value


def _rename_bullets() -> dict[str, str]:
    """Give bullets the ids that their new texts have."""
    renamed = {}
    for row in Bullet.objects.all():
        renamed[row.bullet_id] = bullet_id(row.section, row.text)
        _write(row, {"bullet_id": renamed[row.bullet_id]})
    return renamed


def _index_traces() -> None:
    """Let traces be found, and counted as facets, by their new texts."""
    for trace in ExecutionTrace.objects.all():
        trace.search = None
        trace.save(update_fields=["search"])
