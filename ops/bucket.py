"""An OSS bucket through Alibaba Cloud's official SDK: what is there, and uploads of any size."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ops.cloud.client import Cloud, endpoint, load
from ops.cloud.errors import NETWORK, CloudError

SHA256: Final = "sha256"  # user metadata: what the object's bytes hash to, seen before they were sent
PART_BYTES = 64 * 1024 * 1024  # 10,000 parts at most: up to 640 GB


class Bucket:
    """One bucket in the cloud's region."""

    def __init__(self, cloud: Cloud, name: str) -> None:
        """`ALIBABA_CLOUD_ENDPOINT_OSS` leads to another address, and asks it by path instead of by host name."""
        oss = load("alibabacloud_oss_v2")
        self.name, self.region, self._oss = name, cloud.region, oss
        address = endpoint("oss")

        def credentials() -> Any:
            found = cloud.credential.get_credential()
            return oss.credentials.Credentials(found.access_key_id, found.access_key_secret, found.security_token)

        self._client = oss.Client(
            oss.Config(
                region=cloud.region,
                endpoint=address,
                use_path_style=address is not None,
                credentials_provider=oss.credentials.CredentialsProviderFunc(credentials),
            )
        )

    @property
    def internal_host(self) -> str:
        """The bucket inside the region's network: no traffic charge, no way through the internet."""
        return f"{self.name}.oss-{self.region}-internal.aliyuncs.com"

    def require(self) -> None:
        """Raises CloudError where the bucket does not exist or may not be used."""
        with self._errors("GetBucketInfo"):
            self._client.get_bucket_info(self._oss.GetBucketInfoRequest(bucket=self.name))

    def sha256(self, key: str) -> str | None:
        """What an object's metadata says it hashes to; None where there is no such object."""
        with self._errors("HeadObject"):
            if not self._client.is_object_exist(self.name, key):
                return None
            found = self._client.head_object(self._oss.HeadObjectRequest(bucket=self.name, key=key))
        return str((found.metadata or {}).get(SHA256, ""))

    def put(self, key: str, file: Path, media_type: str, sha256: str, *, public: bool) -> None:
        """Upload a file, in parts where it is large. The SDK tries again what fails, and compares checksums."""
        request = self._oss.PutObjectRequest(
            bucket=self.name,
            key=key,
            content_type=media_type,
            metadata={SHA256: sha256},
            acl="public-read" if public else None,
        )
        with self._errors("PutObject"):
            self._client.uploader(part_size=PART_BYTES).upload_file(request, str(file))

    @contextmanager
    def _errors(self, action: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            inner = error.unwrap() if hasattr(error, "unwrap") else error
            if isinstance(inner, self._oss.exceptions.ServiceError):
                text = f"{inner.message} (bucket {self.name})"
                raise CloudError(f"oss:{action}", str(inner.code), text, str(inner.request_id or "")) from error
            if isinstance(error, self._oss.exceptions.BaseError):
                raise CloudError(f"oss:{action}", NETWORK, str(inner)) from error
            raise
