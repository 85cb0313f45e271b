"""A small S3 server on the loopback interface, in this process, which can be made to fail.

It keeps what is put in memory, also while it is stopped. It does as Amazon's does in what a client
of objects can see: conditional writes, ranges, multipart uploads (invisible until completed), pages
of lists, deletion of many at once. It knows who asks by the name of the key alone.
"""

from __future__ import annotations

import hashlib
import itertools
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

BUCKET = "bucket"
NAME, SECRET = "the-name-of-the-key", "the-secret-of-the-key"


class Call(NamedTuple):
    """A request: `GET`, `PUT`, `DELETE`, `LIST`, `DELETE MANY`, and of uploads `BEGIN`, `PART`,
    `COMPLETE`, `ABORT`."""

    does: str
    key: str


Fault = int | Literal["before", "after"] | None
"""What is answered in place of what was asked for (a status), or when the line breaks: before it is
done or after."""


class S3:
    """The server. `fault` is asked for each call, in the thread that answers it; `calls` notes them;
    objects that are `locked` cannot be deleted."""

    def __init__(self, page: int = 1000) -> None:
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.locked: set[str] = set()
        self.calls: list[Call] = []
        self.fault: Callable[[Call], Fault] = lambda call: None
        self.page = page
        self.lock = threading.Lock()
        self.numbers = itertools.count(1)
        self._port = 0
        self._server: _Server | None = None
        self.start()

    @property
    def endpoint(self) -> str:
        """The address that clients are told."""
        return f"http://127.0.0.1:{self._port}"

    def environ(self) -> dict[str, str]:
        """The variables by which a client finds the server, and may use it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": NAME,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
        }

    def start(self) -> None:
        """Answer again, at the same address."""
        self._server = _Server(("127.0.0.1", self._port), _Handler)
        self._server.s3 = self
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Go away, with all connections. Idempotent."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            server.hang_up()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    s3: S3

    def __init__(self, *arguments: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that went away, or a line that was cut

    def hang_up(self) -> None:
        for request in list(self._open):
            try:
                request.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # closed already


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *_: Any) -> None:
        pass

    def _handle(self) -> None:
        self.s3 = self.server.s3
        parts = urlsplit(self.path)
        self.query = {n: v[0] for n, v in parse_qs(parts.query, keep_blank_values=True).items()}
        bucket, _, self.key = unquote(parts.path).lstrip("/").partition("/")
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        call = Call(self._does(), self.key)
        self.s3.calls.append(call)
        fault = self.s3.fault(call)
        if fault == "before":
            self._cut()
        elif isinstance(fault, int):
            self._refuse(fault, "SlowDown" if fault == 503 else "Other", "as the test wants it")
        elif f"Credential={NAME}/" not in self.headers.get("Authorization", ""):
            who = "<AWSAccessKeyId>who</AWSAccessKeyId>"
            self._refuse(403, "InvalidAccessKeyId", "The key does not exist in our records", who)
        elif bucket != BUCKET:
            self._refuse(404, "NoSuchBucket", "The specified bucket does not exist")
        else:
            with self.s3.lock:
                status, headers, body = getattr(self, f"_{call.does.replace(' ', '_').lower()}")()
            if fault == "after":
                self._cut()
            else:
                self._answer(status, body, **headers)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _handle  # noqa: N815 - as the base class wants it

    def _does(self) -> str:
        if self.command == "POST":
            if "delete" in self.query:
                return "DELETE MANY"
            return "BEGIN" if "uploads" in self.query else "COMPLETE"
        if "uploadId" in self.query:
            return "PART" if self.command == "PUT" else "ABORT"
        return "LIST" if self.command == "GET" and "list-type" in self.query else self.command

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _refuse(self, status: int, code: str, message: str, more: str = "") -> None:
        text = f"<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>"
        self._answer(status, text.encode())

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    # ------------------------------------------------------------------------------ the calls

    def _put(self) -> _Answer:
        if self.headers.get("If-None-Match") == "*" and self.key in self.s3.objects:
            return 412, {}, b"<Error><Code>PreconditionFailed</Code></Error>"
        self.s3.objects[self.key] = self.body
        return 200, {"ETag": _etag(self.body)}, b""

    def _get(self) -> _Answer:
        data = self.s3.objects.get(self.key)
        if data is None:
            return 404, {}, b"<Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>"
        headers = {"ETag": _etag(data), "Last_Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
        asked = self.headers.get("Range")
        if asked is None:
            return 200, headers, data
        first, last = (int(number) for number in asked.removeprefix("bytes=").split("-"))
        if first >= len(data):
            return 416, {}, b"<Error><Code>InvalidRange</Code></Error>"
        last = min(last, len(data) - 1)
        return (
            206,
            {**headers, "Content_Range": f"bytes {first}-{last}/{len(data)}"},
            data[first : last + 1],
        )

    _head = _get

    def _delete(self) -> _Answer:
        self.s3.objects.pop(self.key, None)
        return 204, {}, b""

    def _delete_many(self) -> _Answer:
        keys = [
            found.text or ""
            for found in ElementTree.fromstring(self.body).iter()
            if _tag(found) == "Key"
        ]
        told = ""
        for key in keys:
            if key in self.s3.locked:
                why = "<Code>AccessDenied</Code><Message>It is locked</Message>"
                told += f"<Error><Key>{escape(key)}</Key>{why}</Error>"
                continue
            self.s3.objects.pop(key, None)
            told += f"<Deleted><Key>{escape(key)}</Key></Deleted>"
        return 200, {}, f"<DeleteResult>{told}</DeleteResult>".encode()

    def _list(self) -> _Answer:
        after = self.query.get("continuation-token") or self.query.get("start-after") or ""
        size = min(self.s3.page, int(self.query.get("max-keys") or 1000))
        found = sorted(
            key
            for key in self.s3.objects
            if key.startswith(self.query.get("prefix", "")) and key > after
        )
        told = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(self.s3.objects[key])}</Size>"
            "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            for key in found[:size]
        )
        if len(found) > size:
            told += f"<NextContinuationToken>{escape(found[size - 1])}</NextContinuationToken>"
        return 200, {}, f"<ListBucketResult>{told}</ListBucketResult>".encode()

    def _begin(self) -> _Answer:
        upload = f"upload-{next(self.s3.numbers)}"
        self.s3.uploads[upload] = {}
        text = f"<R><Bucket>{BUCKET}</Bucket><Key>{self.key}</Key><UploadId>{upload}</UploadId></R>"
        return 200, {}, text.replace("R>", "InitiateMultipartUploadResult>").encode()

    def _part(self) -> _Answer:
        self.s3.uploads[self.query["uploadId"]][int(self.query["partNumber"])] = self.body
        return 200, {"ETag": _etag(self.body)}, b""

    def _complete(self) -> _Answer:
        parts = self.s3.uploads.pop(self.query["uploadId"], None)
        if parts is None:
            return 404, {}, b"<Error><Code>NoSuchUpload</Code><Message>gone</Message></Error>"
        asked = ElementTree.fromstring(self.body)
        numbers = [int(found.text or "") for found in asked.iter() if _tag(found) == "PartNumber"]
        self.s3.objects[self.key] = b"".join(parts[number] for number in numbers)
        text = f"<R><Key>{self.key}</Key><ETag>whole</ETag></R>"
        return 200, {}, text.replace("R>", "CompleteMultipartUploadResult>").encode()

    def _abort(self) -> _Answer:
        self.s3.uploads.pop(self.query["uploadId"], None)
        return 204, {}, b""


_Answer = tuple[int, dict[str, str], bytes]


def _etag(data: bytes) -> str:
    return f'"{hashlib.blake2b(data, digest_size=16).hexdigest()}"'


def _tag(found: ElementTree.Element) -> str:
    return found.tag.rpartition("}")[2]
