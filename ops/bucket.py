"""An OSS bucket through Alibaba Cloud's official SDK: what is there, and uploads of any size."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from ops.cloud.client import Cloud, endpoint, load
from ops.cloud.errors import NETWORK, CloudError, NotPossibleError, innermost

SHA256: Final = "sha256"  # user metadata: what the object's bytes hash to, seen before they were sent
PART_BYTES = 64 * 1024 * 1024  # 10,000 parts at most: up to 640 GB


class Bucket:
    """One bucket in the cloud's region."""

    def __init__(self, cloud: Cloud, name: str) -> None:
        """`ALIBABA_CLOUD_ENDPOINT_OSS` leads to another address. Raises NotPossibleError: bad name, no credentials."""
        if re.fullmatch(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", name) is None:
            raise NotPossibleError(
                f"{name!r} is no bucket's name\n    fix: 3 to 63 lower-case letters, digits and hyphens, as in OSS"
            )
        oss, credential, address = load("alibabacloud_oss_v2"), cloud.credential, endpoint("oss")
        self.name, self.region, self._oss, self._stack = name, cloud.region, oss, cloud.stack

        def credentials() -> Any:
            found = credential.get_credential()
            return oss.credentials.Credentials(found.access_key_id, found.access_key_secret, found.security_token)

        self._client = oss.Client(
            oss.Config(
                region=cloud.region,
                endpoint=address,
                use_cname=address is not None and not _is_aliyun(address),
                credentials_provider=oss.credentials.CredentialsProviderFunc(credentials),
            )
        )

    @property
    def internal_host(self) -> str:
        """The bucket inside the region's network: no traffic charge, no way through the internet."""
        return f"{self.name}.oss-{self.region}-internal.aliyuncs.com"

    def require(self) -> None:
        """Raises CloudError where the bucket does not exist or may not be used."""
        self._ask("GetBucketInfo")

    def sha256(self, key: str) -> str | None:
        """What an object's metadata says it hashes to; None where there is no such object."""
        with self._errors("GetObjectMeta"):
            if not self._client.is_object_exist(self.name, key):
                return None
        return str((self._ask("HeadObject", key=key).metadata or {}).get(SHA256, ""))

    def put(
        self,
        key: str,
        file: Path,
        media_type: str,
        sha256: str,
        *,
        public: bool,
        tell: Callable[[int, int], object] = lambda *_: None,
    ) -> None:
        """Upload a file, in parts where it is large; `tell` hears the bytes that are there, and all.

        The SDK tries again what fails, and compares checksums.
        """
        about = {"content_type": media_type, "metadata": {SHA256: sha256}}
        access = {"acl": "public-read"} if public else {}
        size = file.stat().st_size
        with file.open("rb") as source:
            if size > PART_BYTES:
                parts = (source.read(PART_BYTES) for _ in range(0, size, PART_BYTES))
                self._put_parts(key, parts, about, access, lambda done: tell(done, size))
            else:
                self._ask("PutObject", key=key, body=source, **about, **access)

    def _put_parts(
        self,
        key: str,
        parts: Iterator[bytes],
        about: dict[str, Any],
        access: dict[str, Any],
        tell: Callable[[int], object],
    ) -> None:
        """One by one. Whatever ends it, Ctrl-C too, takes back the parts: they would be billed, and seen by nobody."""
        upload = self._ask("InitiateMultipartUpload", key=key, **about).upload_id
        try:
            sent, done = [], 0
            for number, part in enumerate(parts, 1):
                answer = self._ask("UploadPart", key=key, upload_id=upload, part_number=number, body=part)
                sent.append(self._oss.UploadPart(part_number=number, etag=answer.etag))
                done += len(part)
                tell(done)
            whole = self._oss.CompleteMultipartUpload(parts=sent)
            self._ask("CompleteMultipartUpload", key=key, upload_id=upload, complete_multipart_upload=whole, **access)
        except BaseException:
            self._take_back(key, upload)
            raise

    def _take_back(self, key: str, upload: str) -> None:
        try:
            self._ask("AbortMultipartUpload", key=key, upload_id=upload)
        except CloudError as error:
            print(f"parts of {key} (upload {upload}) stay in the bucket and are billed: {error.line}", file=sys.stderr)

    def _ask(self, action: str, **fields: Any) -> Any:
        """An action of the bucket. A field that the SDK's request model does not know is an error: it would be lost."""
        model = getattr(self._oss, f"{action}Request")
        if lost := sorted(fields.keys() - model._attribute_map.keys()):  # noqa: SLF001 - the SDK has no other word
            raise TypeError(f"{action} takes no {', '.join(lost)}")
        method = getattr(self._client, re.sub(r"\B([A-Z])", r"_\1", action).lower())
        with self._errors(action):
            return method(model(bucket=self.name, **fields))

    @contextmanager
    def _errors(self, action: str) -> Iterator[None]:
        try:
            yield
        except self._oss.exceptions.BaseError as error:
            inner = error.unwrap() if hasattr(error, "unwrap") else error
            if isinstance(inner, self._oss.exceptions.ServiceError):
                text = f"{inner.message} (bucket {self.name})"
                request_id = str(inner.request_id or "")
                raise CloudError(f"oss:{action}", str(inner.code), text, request_id, self._stack) from error
            raise CloudError(f"oss:{action}", NETWORK, innermost(error), stack=self._stack) from error


def _is_aliyun(address: str) -> bool:
    """Whether a bucket's name goes in front of the host; another domain is one that was bound to the bucket."""
    host = urlsplit(address if "://" in address else f"https://{address}").hostname or ""
    return host.endswith(".aliyuncs.com")
