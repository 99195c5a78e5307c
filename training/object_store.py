"""Objects in the operator's S3-compatible store, through the `minio` client where it is set up."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

from django.conf import settings

from ace_project.core.env import ObjectStore
from ace_project.core.errors import Unavailable

if TYPE_CHECKING:
    from minio import Minio

# A client waits so many seconds for a connection, and for the next bytes; and tries again so often.
_CONNECT_SECONDS, _READ_SECONDS, _RETRIES = 5.0, 30.0, 2
# Up to this an object is put in one request, whole or not at all; S3 takes 5 GiB.
_LEAST_PART = 5 * 1024 * 1024


class StoreUnavailable(Unavailable):
    """The object store does not answer, refuses us, or is not set up."""


class ObjectMissing(LookupError):
    """The store answers, and has no such object."""


def put(name: str, data: bytes) -> str:
    """Store `data` under the installation's prefix and `name`; return the whole name.

    What has the name already is written over. Raises StoreUnavailable.
    """
    store = _store()
    whole = f"{store.prefix}{name}"
    part = max(_LEAST_PART, len(data))
    with _told():
        _client(store).put_object(store.bucket, whole, BytesIO(data), len(data), part_size=part)
    return whole


def get(name: str, most: int) -> bytes:
    """Return the object of a whole name, cut off after `most` + 1 bytes.

    Raises ObjectMissing, StoreUnavailable.
    """
    store = _store()
    with _told():
        response = _client(store).get_object(store.bucket, name)
        try:
            return response.read(most + 1)
        finally:
            response.close()
            response.release_conn()


def delete(name: str) -> None:
    """Delete the object of a whole name, which may be gone already; raises StoreUnavailable."""
    store = _store()
    with _told():
        _client(store).remove_object(store.bucket, name)


def _store() -> ObjectStore:
    store: ObjectStore | None = settings.ACE_CHECKPOINT_STORE
    if store is None:
        raise StoreUnavailable("the checkpoint store is not set up: ACE_CHECKPOINT_STORE_URL")
    return store


@lru_cache(maxsize=4)
def _client(store: ObjectStore) -> "Minio":
    """Return the client, whose connections threads share."""
    from minio import Minio
    from urllib3 import PoolManager, Retry, Timeout

    retries = Retry(_RETRIES, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504])
    timeout = Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS)
    return Minio(
        endpoint=store.host,
        access_key=store.key_id,
        secret_key=store.secret,
        secure=store.secure,
        # Named, or the client would ask for it first, which not every key may.
        region=store.region,
        http_client=PoolManager(timeout=timeout, retries=retries, maxsize=10),
    )


@contextmanager
def _told() -> Iterator[None]:
    """Turn what the client raises into our errors; what a server wrote is not passed on."""
    from minio.error import MinioException, S3Error
    from urllib3.exceptions import HTTPError

    try:
        yield
    except S3Error as error:
        if error.code == "NoSuchKey":
            raise ObjectMissing("the checkpoint store has no such object") from error
        raise StoreUnavailable(f"the checkpoint store refuses: {error.code}") from error
    except (MinioException, HTTPError, OSError, ParseError, UnicodeDecodeError) as error:
        words = f"the checkpoint store does not answer: {type(error).__name__}"
        raise StoreUnavailable(words) from error
