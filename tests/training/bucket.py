"""An S3-like bucket on loopback: objects in a dictionary, wrongly signed requests refused."""

import hashlib
import hmac
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ace_project.core.env import ObjectStore

KEY_ID, SECRET, REGION = "ace-key", "a secret of the bucket", "eu-test-1"


class Bucket(ThreadingHTTPServer):
    """Serves until it is told to refuse; `objects` are its bodies by path, `calls` what it met."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.calls: list[tuple[str, str]] = []
        # Answered with it instead, where it is set.
        self.refusing: tuple[int, str] | None = None
        # Called with the method before each answer.
        self.watch: Callable[[str], None] = lambda method: None

    @property
    def address(self) -> ObjectStore:
        """What the settings say of it."""
        host = f"127.0.0.1:{self.server_address[1]}"
        return ObjectStore(host, False, "policies", "ace/", REGION, KEY_ID, SECRET)

    def count(self, method: str) -> int:
        return sum(met == method for met, _ in self.calls)


class _Handler(BaseHTTPRequestHandler):
    server: Bucket
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""

    def _meet(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        bucket = self.server
        bucket.calls.append((self.command, self.path))
        bucket.watch(self.command)
        if bucket.refusing is not None:
            self._fail(*bucket.refusing)
        elif not self._is_signed(body):
            self._fail(403, "SignatureDoesNotMatch")
        elif self.command == "PUT":
            bucket.objects[self.path] = body
            self._answer(200, b"", ETag='"etag"')
        elif self.command == "DELETE":
            bucket.objects.pop(self.path, None)
            self._answer(204, b"")
        elif self.path in bucket.objects:
            self._answer(200, bucket.objects[self.path])
        else:
            self._fail(404, "NoSuchKey")

    do_GET = do_PUT = do_DELETE = do_HEAD = do_POST = _meet

    def _is_signed(self, body: bytes) -> bool:
        """Sign the request as it came (AWS Signature Version 4) and compare."""
        found = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=([^,]*), SignedHeaders=([^,]*), Signature=(\w+)",
            self.headers.get("authorization", ""),
        )
        digest = hashlib.sha256(body).hexdigest()
        if found is None or self.headers["x-amz-content-sha256"] != digest:
            return False
        credential, names, signature = found.groups()
        date = self.headers["x-amz-date"]
        scope = f"{date[:8]}/{REGION}/s3/aws4_request"
        signed = "".join(f"{name}:{self.headers[name]}\n" for name in names.split(";"))
        canonical = "\n".join([self.command, self.path, "", signed, names, digest])
        total = hashlib.sha256(canonical.encode()).hexdigest()
        key = f"AWS4{SECRET}".encode()
        for part in [*scope.split("/"), f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{total}"]:
            key = hmac.digest(key, part.encode(), "sha256")
        return credential == f"{KEY_ID}/{scope}" and signature == key.hex()

    def _fail(self, status: int, code: str) -> None:
        text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>told</Message></Error>"
        self._answer(status, text.encode(), **{"Content-Type": "application/xml"})

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving() -> Iterator[Bucket]:
    """Run a bucket for a while."""
    with Bucket() as bucket:
        thread = threading.Thread(target=bucket.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield bucket
        finally:
            bucket.shutdown()
            thread.join(10)
