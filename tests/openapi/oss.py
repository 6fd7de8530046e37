"""An OSS endpoint: objects, multipart uploads, and signature version 4, written from its documentation."""

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from tests.openapi.server import ACCESS_KEY, SECRET, Server
from tests.serving import running

ALGORITHM = "OSS4-HMAC-SHA256"


@dataclass
class Stored:
    """An object with the headers that it is served with."""

    content: bytes
    headers: Mapping[str, str]


@dataclass
class Oss:
    """One account's buckets in one region."""

    region: str
    buckets: tuple[str, ...]
    objects: dict[str, Stored] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    parts: dict[str, dict[int, bytes]] = field(default_factory=dict)
    started: dict[str, Mapping[str, str]] = field(default_factory=dict)
    aborted: list[str] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)  # methods that answer with AccessDenied
    sent: list[tuple[str, Mapping[str, str], Mapping[str, str]]] = field(default_factory=list)  # method, query, headers
    domain: str = ""  # one that is bound to the first bucket
    port: int = 0

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Any, bytes]:
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        path = self._path(headers["host"].rpartition(":")[0], parts.path)
        if path is None:
            return error(403, "SecondLevelDomainForbidden", "Please use OSS third level domain to access.")
        if not self._signed(method, path, query, headers):
            return error(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")
        self.sent.append((method, query, headers))
        bucket, _, key = unquote(path).lstrip("/").partition("/")
        if method in self.refused:
            return error(403, "AccessDenied", "You have no right to access this object.")
        if bucket not in self.buckets:
            return error(404, "NoSuchBucket", "The specified bucket does not exist.")
        return self._answer(method, key, query, headers, body)

    def _path(self, host: str, path: str) -> str | None:
        """With the bucket in front, as it is signed; None for a host of the cloud that names no bucket."""
        if host == self.domain:
            return f"/{self.buckets[0]}{path}"
        if not host.endswith("aliyuncs.com"):
            return path
        bucket, _, endpoint = host.partition(".")
        return f"/{bucket}{path}" if endpoint.startswith("oss-") else None

    def _answer(
        self, method: str, key: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Any, bytes]:
        if "uploads" in query or "uploadId" in query:
            return self._multipart(method, key, query, headers, body)
        if method == "PUT":
            return self._keep(key, headers, body)
        if "bucketInfo" in query:
            return 200, {}, b"<BucketInfo><Bucket><Name>%s</Name></Bucket></BucketInfo>" % self.buckets[0].encode()
        found = self.objects.get(key)
        return (200, found.headers, b"") if found else error(404, "NoSuchKey", "The specified key does not exist.")

    def _multipart(
        self, method: str, key: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Any, bytes]:
        if "uploads" in query:
            upload = f"upload-{len(self.started)}"
            self.started[upload], self.parts[upload] = headers, {}
            answer = f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
            return 200, {}, answer.encode()
        upload = query["uploadId"]
        if method == "DELETE":
            self.aborted.append(upload)
            return 204, {}, b""
        if method == "PUT":
            self.parts[upload][int(query["partNumber"])] = body
            return 200, {"ETag": f'"{hashlib.md5(body).hexdigest()}"'}, b""  # noqa: S324 - what an ETag is
        content = b"".join(self.parts[upload][number] for number in sorted(self.parts[upload]))
        access = {name: value for name, value in headers.items() if name == "x-oss-object-acl"}  # taken at the end only
        begun = {name: value for name, value in self.started[upload].items() if name != "x-oss-object-acl"}
        self._keep(key, {**begun, **access}, content)
        return 200, {}, b"<CompleteMultipartUploadResult></CompleteMultipartUploadResult>"

    def _keep(self, key: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Any, bytes]:
        kept = {name: value for name, value in headers.items() if name.startswith(("x-oss-meta-", "x-oss-object-acl"))}
        self.objects[key] = Stored(body, {**kept, "Content-Type": headers["content-type"]})
        self.order.append(key)
        return 200, {}, b""

    def _signed(self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> bool:
        found = re.fullmatch(
            rf"{ALGORITHM} Credential=(?P<id>[^/]+)/(?P<scope>(?P<day>\d{{8}})/(?P<region>[^/]+)/oss/aliyun_v4_request),"
            r"(AdditionalHeaders=(?P<more>[^,]+),)?Signature=(?P<signature>[0-9a-f]{64})",
            headers.get("authorization", ""),
        )
        if found is None or found["id"] != ACCESS_KEY or found["region"] != self.region:
            return False
        signed = {
            name: value
            for name, value in headers.items()
            if name in ("content-type", "content-md5") or name.startswith("x-oss-")
        }
        pairs = "&".join(
            quote(name, safe="-_.~") + (f"={quote(value, safe='-_.~')}" if value else "")
            for name, value in sorted(query.items())
        )
        lines = "".join(f"{name}:{signed[name].strip()}\n" for name in sorted(signed))
        canonical = "\n".join(
            [
                method,
                quote(unquote(path), safe="/-_.~"),
                pairs,
                lines,
                found["more"] or "",
                headers["x-oss-content-sha256"],
            ]
        )
        text = "\n".join(
            [ALGORITHM, headers["x-oss-date"], found["scope"], hashlib.sha256(canonical.encode()).hexdigest()]
        )
        secret = f"aliyun_v4{SECRET}".encode()
        for part in (found["day"], found["region"], "oss", "aliyun_v4_request"):
            secret = hmac.new(secret, part.encode(), hashlib.sha256).digest()
        return hmac.compare_digest(hmac.new(secret, text.encode(), hashlib.sha256).hexdigest(), found["signature"])


def error(status: int, code: str, message: str) -> tuple[int, Any, bytes]:
    """As OSS words it."""
    request_id = {"x-oss-request-id": "5C3D9175B6FC201293AD4890"}
    body = (
        f"<Error><Code>{code}</Code><Message>{message}</Message><RequestId>5C3D9175B6FC201293AD4890</RequestId></Error>"
    )
    return status, request_id, body.encode()


@contextmanager
def serving(handle: Any) -> Iterator[int]:
    """Serve `handle(method, target, headers, body) -> (status, headers, body)` on a loopback port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, more, content = handle(self.command, self.path, headers, body)
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            if "Content-Length" not in more:
                self.send_header("Content-Length", str(len(content)))
            self.close_connection = int(more.get("Content-Length", len(content))) != len(content)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_PUT = do_POST = do_HEAD = do_DELETE = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    with running(server):
        yield server.server_address[1]
