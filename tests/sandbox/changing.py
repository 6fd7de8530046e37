"""A stack that is changed while people use it: what each `up` restarted and fetched, and how long nobody could chat."""

import json
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import yaml

from rehearsal.box import Box
from sandbox.engine import Engine, EngineError, Outcome
from sandbox.session import NAMESPACE, Session, directory

ADMIN_PASSWORD = f"{NAMESPACE}:adminPassword"
SERVICES = ("ollama", "open-webui", "caddy")
# Not downloads: certificates, the cloud itself, and the backend whose models are listed.
NO_ORIGINS = ("acme-", "aliyuncs.com", "api.openai.example")


@dataclass(frozen=True)
class Seen:
    """The box at one moment. `pids`: main process of each service; `boot`: changes with each boot; `image`: the
    digest of what runs.
    """

    pids: Mapping[str, int]
    boot: str
    image: str
    release: str

    def restarted_since(self, before: "Seen") -> set[str]:
        """The services that run in another process than before."""
        return {name for name in SERVICES if self.pids[name] != before.pids[name]}


@dataclass
class Cut:
    """How long the service did not answer, in seconds; `down` is the longest stretch."""

    down: float = 0.0
    reasons: list[str] = field(default_factory=list)


class Changing:
    """One stack through its changes. `engine` has the configuration of the last `up`, also of one that failed."""

    def __init__(self, session: Session) -> None:
        self.session, self.engine = session, session.engine
        self.outputs = dict(self.engine.up().outputs)
        assert session.instance_id is not None
        self.box = Box(session, session.instance_id, self.outputs)

    def configured(self, **sections: Any) -> Engine:
        """The engine with these values beside those that each section has."""
        return replace(self.engine, config={**self.engine.config, **self._changed(sections)})

    def beside(self, name: str, **sections: Any) -> Engine:
        """A stack of its own in the same region: this one's configuration and admin, with these values changed."""
        return replace(
            self.engine,
            stack=name,
            state_dir=directory(self.session.name) / f"engine-{name}",
            config={**self._committed(), **self.engine.config, **self._changed(sections)},
            secret_config={**self.engine.secret_config, ADMIN_PASSWORD: self.outputs["adminPassword"]},
        )

    def _changed(self, sections: Mapping[str, Any]) -> dict[str, object]:
        committed, changed = self._committed(), dict[str, object]()
        for name, values in sections.items():
            key = f"{NAMESPACE}:{name}"
            now = self.engine.config.get(key, committed.get(key))
            changed[key] = {**now, **values} if isinstance(now, dict) else values
        return changed

    def _committed(self) -> dict[str, object]:
        file = self.engine.project_dir / f"Pulumi.{self.engine.stack}.yaml"
        config: dict[str, object] = yaml.safe_load(file.read_text())["config"]
        return config

    def up(self, **sections: Any) -> Cut:
        """Change these sections. Raises `EngineError` as `up` does; then the configuration is as it was."""
        engine = self.configured(**sections)
        self.box.mark()
        with self.probed() as cut:
            try:
                outcome = engine.up()
            except EngineError as error:
                error.add_note(self.release_log())
                raise
        self.engine, self.outputs = engine, self._checked(outcome)
        self.box.outputs = self.outputs
        return cut

    def begin(self, **sections: Any) -> "Future[Outcome]":
        """The same in the background, and without a look at its end."""
        pool = ThreadPoolExecutor(1)
        future = pool.submit(self.configured(**sections).up)
        pool.shutdown(wait=False)
        return future

    def _checked(self, outcome: Outcome) -> dict[str, Any]:
        """No change replaces what people would notice: machine, disk, address."""
        for name in ("instanceId", "dataDiskId", "publicIp"):
            assert outcome.outputs[name] == self.outputs[name], f"{name} was replaced"
        return dict(outcome.outputs)

    def seen(self) -> Seen:
        script = "cat /proc/sys/kernel/random/boot_id; basename $(readlink /opt/open-webui-box/current)\n"
        script += "image=$(docker ps --no-trunc --format '{{.Image}}' --filter name=open-webui)\n"
        script += "docker image inspect --format '{{index .RepoDigests 0}}' $image | sed 's/.*@//'\n"
        script += "".join(f"systemctl show -P MainPID owbox-{name}\n" for name in SERVICES)
        boot, release, image, *pids = self.box.run(script).split()
        assert "0" not in pids, pids
        return Seen(dict(zip(SERVICES, map(int, pids), strict=True)), boot, image, release)

    def fetched(self) -> set[str]:
        """Hosts that content was asked of since the last `up` began."""
        return {entry["host"] for entry in self.box.recent() if not any(part in entry["host"] for part in NO_ORIGINS)}

    def release_log(self) -> str:
        """What the last release command printed, as Cloud Assistant keeps it."""
        logs = (directory(self.session.name) / "cloud/invocations").glob("*.log")
        return max(logs, key=lambda path: path.stat().st_mtime).read_text()

    @contextmanager
    def probed(self) -> Iterator[Cut]:
        """Ask the service ten times a second, as a browser would; certificates are looked at elsewhere."""
        cut, over = Cut(), threading.Event()
        trust = ssl.create_default_context()
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE

        def probe() -> None:
            good = time.monotonic()
            while not over.wait(0.1):
                try:
                    answer = httpx.get(f"{self.box.address}/api/config", verify=trust, timeout=5)
                    answer.raise_for_status()
                    good = time.monotonic()
                except httpx.HTTPError as error:
                    cut.down = max(cut.down, time.monotonic() - good)
                    cut.reasons.append(str(error))

        thread = threading.Thread(target=probe)
        thread.start()
        try:
            yield cut
        finally:
            over.set()
            thread.join()


class Times:
    """Measured seconds, for the runbooks."""

    def __init__(self, path: Path) -> None:
        self.path, self.seconds = path, dict[str, dict[str, float]]()

    def keep(self, what: str, cut: Cut, began: float) -> None:
        self.seconds[what] = {"cutOff": round(cut.down, 1), "up": round(time.monotonic() - began, 1)}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(self.seconds, indent=1) + "\n")
