"""Bullets left out by chance, so that what each is worth can be learned from ordinary traces.

Whether a bullet is in follows from a keyed hash of agent, version, session and bullet: a session
reads the same each time, nobody without the key knows beforehand what it will read, and the share
that held at the time is signed into the session's name, so that the chance of what happened is
known for ever after. With another SECRET_KEY older sessions are not known any more.
"""

import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from django.conf import settings
from django.utils.crypto import salted_hmac

from playbooks.content import Bullet, Content, bullet_ids, bullet_texts, section_slug

# What an operator wrote as a constraint is never left out.
FIXED_SECTION = "constraints"
MOST_SHARE = 0.2
MOST_NAME = 128
# Between the parts of a signed session, which is at most 255 characters long.
MARK = "~"
_SIGNATURE = 32  # hex digits


def is_fixed(section: str) -> bool:
    """Tell whether the bullets of a section are always told."""
    return section_slug(section) == FIXED_SECTION


@dataclass(frozen=True, slots=True)
class Exploration:
    """Which bullets one session of an agent is told of a version; `share` is left out."""

    agent_id: str
    version: int
    name: str
    share: float

    @property
    def session(self) -> str:
        """The session's name with share and signature, as its trace has to name it."""
        signature = self._hash("session", self.share).hex()[:_SIGNATURE]
        return MARK.join([self.name, repr(self.share), signature])

    def lets_in(self, section: str, bullet_id: str) -> bool:
        """Tell whether a bullet of the version is told: never so with chance `share`."""
        if is_fixed(section):
            return True
        drawn = int.from_bytes(self._hash("bullet", bullet_id)[:8], "big") / 2**64
        return drawn >= self.share

    def told(self, bullets: Iterable[Bullet]) -> list[str]:
        """Return the ids of the bullets that are let in, in their order, each once."""
        found = (b.bullet_id for b in bullets if self.lets_in(b.section, b.bullet_id))
        return list(dict.fromkeys(found))

    def content(self, content: Content) -> Content:
        """Return a version's content without the bullets that are left out."""
        return {
            section: value if texts is None else self._kept(section, texts)  # type: ignore[misc]
            for section, value in content.items()
            for texts in [bullet_texts(content, section)]
        }

    def _kept(self, section: str, texts: list[str]) -> list[str]:
        ids = bullet_ids(section, texts)
        return [t for t, name in zip(texts, ids, strict=True) if self.lets_in(section, name)]

    def _hash(self, purpose: str, value: object) -> bytes:
        message = json.dumps([purpose, self.agent_id, self.version, self.name, value]).encode()
        return hmac.digest(_key(settings.SECRET_KEY), message, sha256)


def read(agent_id: str, version: int, session: str) -> Exploration | None:
    """Return what a signed session was told; None where it is not one of agent and version."""
    parts = session.rsplit(MARK, 2)
    if len(parts) != 3:
        return None
    try:
        found = Exploration(agent_id, version, parts[0], float(parts[1]))
    except ValueError:
        return None
    genuine = hmac.compare_digest(found.session.encode(), session.encode())
    return found if genuine else None


# Every bullet of every retrieval asks for it.
@lru_cache(maxsize=4)
def _key(secret: str) -> bytes:
    return salted_hmac("ace.exploration", "v1", secret=secret, algorithm="sha256").digest()
