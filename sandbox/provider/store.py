"""What the region holds: one JSON file, changed under a lock, so that refresh and later processes see the same."""

import fcntl
import json
import os
import secrets
import string
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox.provider.values import Props

# The letters that the cloud puts behind a prefix, by region.
_REGION_CODES = {
    "cn-hangzhou": "bp1",
    "cn-beijing": "2ze",
    "cn-shanghai": "uf6",
    "cn-shenzhen": "wz9",
    "cn-hongkong": "j6c",
    "ap-southeast-1": "t4n",
    "us-east-1": "0xi",
    "us-west-1": "rj9",
    "eu-central-1": "gw8",
}
_ALPHABET = string.ascii_lowercase + string.digits


class Inventory:
    """The region's resources by type token and id. Only valid inside the transaction that handed it out."""

    def __init__(self, resources: dict[str, dict[str, Props]]) -> None:
        self.resources = resources

    def get(self, token: str, id_: str) -> Props | None:
        return self.resources.get(token, {}).get(id_)

    def all(self, token: str) -> dict[str, Props]:
        return self.resources.get(token, {})

    def where(self, token: str, **wanted: Any) -> dict[str, Props]:
        """The resources of a type whose properties have the given values."""
        return {
            id_: props
            for id_, props in self.all(token).items()
            if all(props.get(key) == value for key, value in wanted.items())
        }

    def put(self, token: str, id_: str, props: Props) -> None:
        self.resources.setdefault(token, {})[id_] = props

    def remove(self, token: str, id_: str) -> None:
        of_type = self.resources.get(token, {})
        of_type.pop(id_, None)
        if not of_type:
            self.resources.pop(token, None)


class Store:
    """`cloud.json` in a state directory. Holds secret parameters in clear, hence mode 0600."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = directory / "cloud.json"
        self._lock = directory / "cloud.lock"

    @contextmanager
    def transaction(self) -> Iterator[Inventory]:
        """Read, hand out, write back; nothing is written if the body raises. Not to be nested, and not to be held
        while a machine is waited for.
        """
        with self.locked():
            inventory = Inventory(self._read())
            yield inventory
            self._write(inventory.resources)

    def snapshot(self) -> Inventory:
        """Hand out what is there now, to be read only."""
        with self.locked():
            return Inventory(self._read())

    @contextmanager
    def locked(self) -> Iterator[None]:
        # flock belongs to the open file, so it excludes other threads as well as other processes.
        with self._lock.open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _read(self) -> dict[str, dict[str, Props]]:
        if not self.path.exists():
            return {}
        resources: dict[str, dict[str, Props]] = json.loads(self.path.read_text())
        return resources

    def _write(self, resources: dict[str, dict[str, Props]]) -> None:
        write_whole(self.path, json.dumps(resources, indent=1, sort_keys=True))


def write_whole(path: Path, text: str) -> None:
    """Replace a file at once, readable by its owner only."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w") as stream:
        stream.write(text)
    Path(temporary).replace(path)


def new_id(prefix: str, region_id: str) -> str:
    """An id as the cloud gives them: `i-t4n` and 17 letters or digits."""
    code = _REGION_CODES.get(region_id, "sbx")
    return f"{prefix}-{code}{''.join(secrets.choice(_ALPHABET) for _ in range(17))}"
