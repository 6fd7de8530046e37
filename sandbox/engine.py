"""The real Pulumi engine: the CLI found or built, and the real program run inline with a state of its own.

The Python language host and the provider's plugin are in no package registry; neither is needed. The Automation
API serves the program from this process, and `PULUMI_DEBUG_PROVIDERS` leads `alicloud` to a port here
(facts/engine.md, last part).
"""

import json
import logging
import os
import re
import runpy
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from pulumi import automation
from pulumi.automation import errors as automation_errors
from pulumi.automation.events import EngineEvent

REPOSITORY = Path(__file__).resolve().parent.parent
PINNED = "3.259.0"  # the newest that the Go registry gives; tools/pulumi/go.mod has the same
_MODULE = REPOSITORY / "tools" / "pulumi"
_PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
# Without it the Automation API cannot tell the version.
_VERSION_FLAG = f"-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{PINNED}"
_COLOUR = re.compile(r"<\{%[^%]*%\}>|\x1b\[[0-9;]*m")
_SAYS_NOTHING = ("", "update failed", "preview failed")
_MASKED = "secure"  # the key of an encrypted value in a stack file

OnEvent = Callable[[EngineEvent], None]


class EngineError(Exception):
    """An operation failed, or could not begin. `problems` are the engine's error messages, each once."""

    def __init__(self, what: str, problems: tuple[str, ...] = ()) -> None:
        self.problems = problems
        super().__init__("\n".join([what, *problems]))


def cache_dir() -> Path:
    """Where built tools are kept between runs; `XDG_CACHE_HOME` moves it."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "open-webui-alicloud"


def find_cli() -> Path | None:
    """Find a `pulumi` of at least the pinned version: on PATH, else as built into the cache."""
    on_path = shutil.which("pulumi")
    for candidate in (Path(on_path) if on_path else None, _built_cli()):
        if candidate is not None and (version := _version(candidate)) and version >= _numbers(PINNED):
            return candidate.resolve()
    return None


def build_cli(say: Callable[[str], None]) -> Path:
    """Build the pinned CLI into the cache: about 4 minutes on two cores. Raises `EngineError`."""
    target = _built_cli()
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_suffix(f".{os.getpid()}")
    say(f"building the Pulumi CLI {PINNED} from source (once; about 4 minutes on two cores)")
    command = ["go", "build", "-mod=readonly", "-ldflags", _VERSION_FLAG, "-o", str(half), _PACKAGE]
    try:
        subprocess.run(["nice", "-n", "10", *command], cwd=_MODULE, check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise EngineError("no `go` on PATH: install Go 1.26 or later, or the Pulumi CLI itself") from error
    except subprocess.CalledProcessError as error:
        raise EngineError(f"`{' '.join(command)}` failed in {_MODULE}:\n{error.stderr[-4000:]}") from error
    half.replace(target)
    return target


def _built_cli() -> Path:
    return cache_dir() / f"pulumi-{PINNED}" / "bin" / "pulumi"


def _version(cli: Path) -> tuple[int, ...] | None:
    if not cli.exists():
        return None
    env = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    run = subprocess.run([cli, "version"], check=False, capture_output=True, text=True, env=env)
    return _numbers(run.stdout) if run.returncode == 0 else None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an operation did: resources by kind of step (`create`, `same`, …), and the stack's outputs in clear."""

    changes: Mapping[str, int]
    outputs: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Engine:
    """One stack of the program in `project_dir`, its state in `state_dir`, its cloud behind `provider_port`.

    `config` replaces or adds whole keys (`open-webui:models`) of the committed stack file, None removes one;
    `secret_config` holds values that are stored encrypted. The committed file is never written: a copy is.
    """

    cli: Path
    stack: str
    state_dir: Path
    provider_port: int
    project_dir: Path = REPOSITORY
    config: Mapping[str, object] = field(default_factory=dict)
    secret_config: Mapping[str, str] = field(default_factory=dict, repr=False)
    program: Callable[[], None] | None = None  # None: the project's __main__.py

    def preview(self, on_event: OnEvent | None = None, *, refresh: bool = False) -> Outcome:
        """Say what `up` would do. Raises `EngineError`, as all of these."""
        with self._reporting("preview", on_event) as tell:
            result = self._opened.preview(on_event=tell, on_output=self._log, refresh=refresh)
        return Outcome(changes=_counts(result.change_summary))

    def up(self, on_event: OnEvent | None = None, *, refresh: bool = False) -> Outcome:
        """Make the cloud what the program says."""
        with self._reporting("up", on_event) as tell:
            result = self._opened.up(on_event=tell, on_output=self._log, refresh=refresh)
        outputs = {name: output.value for name, output in result.outputs.items()}
        return Outcome(changes=_counts(result.summary.resource_changes), outputs=outputs)

    def refresh(self, on_event: OnEvent | None = None) -> Outcome:
        """Read the cloud into the state."""
        with self._reporting("refresh", on_event) as tell:
            result = self._opened.refresh(on_event=tell, on_output=self._log)
        return Outcome(changes=_counts(result.summary.resource_changes if result.summary else None))

    def destroy(self, on_event: OnEvent | None = None) -> Outcome:
        """Delete everything in the state, after a preview as the CLI makes one: it is what refuses protected
        resources before anything is gone.
        """
        with self._reporting("destroy", None) as tell:
            self._opened.preview_destroy(on_event=tell, on_output=self._log)
        with self._reporting("destroy", on_event) as tell:
            result = self._opened.destroy(on_event=tell, on_output=self._log)
        return Outcome(changes=_counts(result.summary.resource_changes))

    def outputs(self) -> dict[str, Any]:
        """Read the stack's outputs, secrets in clear."""
        return {name: output.value for name, output in self._opened.outputs().items()}

    def resources(self) -> list[dict[str, Any]]:
        """Read the resources in the state, as the engine exports them; secrets stay encrypted."""
        deployment = self._opened.export_stack().deployment or {}
        resources: list[dict[str, Any]] = deployment.get("resources", [])
        return resources

    @property
    def log_file(self) -> Path:
        """What the CLI printed, all operations."""
        return self.state_dir / "engine.log"

    @cached_property
    def _opened(self) -> automation.Stack:
        self.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        work_dir = self.state_dir / "project"
        work_dir.mkdir(exist_ok=True)
        shutil.copy(self.project_dir / "Pulumi.yaml", work_dir)
        stack_file = work_dir / f"Pulumi.{self.stack}.yaml"
        stack_file.write_text(yaml.safe_dump(self._stack_settings(), sort_keys=False))
        options = automation.LocalWorkspaceOptions(
            work_dir=str(work_dir),
            pulumi_home=str(self.state_dir / "home"),
            program=self.program or self._run_main,
            env_vars=self._environment,
            pulumi_command=automation.PulumiCommand(root=str(self.cli.parent.parent), skip_version_check=True),
        )
        # The constructor serves what `LocalWorkspace` has no factory for: an inline program over existing settings.
        workspace = automation.LocalWorkspace(**vars(options))
        stack = automation.Stack.create_or_select(self.stack, workspace)
        for key, value in self.secret_config.items():
            self._set_secret(work_dir, key, value)
        return stack

    @cached_property
    def _environment(self) -> dict[str, str]:
        passphrase = self.state_dir / "passphrase"
        if not passphrase.exists():
            passphrase.touch(mode=0o600)
            passphrase.write_text(secrets.token_urlsafe(32))
        return {
            "PULUMI_BACKEND_URL": self.state_dir.resolve().as_uri(),
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(passphrase),
            "PULUMI_DEBUG_PROVIDERS": f"alicloud:{self.provider_port}",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }

    def _stack_settings(self) -> dict[str, Any]:
        """The committed file with the caller's values, without its salt: that is the other state's."""
        committed = self.project_dir / f"Pulumi.{self.stack}.yaml"
        settings = yaml.safe_load(committed.read_text()) if committed.exists() else {}
        config = {**settings.get("config", {}), **self.config}
        masked = [key for key, value in config.items() if _is_masked(value) and key not in self.secret_config]
        if masked:
            raise EngineError(
                f"{committed}: {', '.join(masked)} is encrypted for another state; give a value for this one"
            )
        kept = {key: value for key, value in config.items() if value is not None and key not in self.secret_config}
        return {"config": kept}

    def _set_secret(self, work_dir: Path, key: str, value: str) -> None:
        # By standard input: an argument would be seen in the list of processes.
        command = [str(self.cli), "config", "set", key, "--secret", "--stack", self.stack, "--non-interactive"]
        env = {**os.environ, **self._environment, "PULUMI_HOME": str(self.state_dir / "home")}
        run = subprocess.run(command, cwd=work_dir, env=env, input=value, check=False, capture_output=True, text=True)
        if run.returncode != 0:
            raise EngineError(f"setting the secret {key} failed:\n{run.stderr}")

    def _run_main(self) -> None:
        """Run the project's `__main__.py` as the language host would."""
        if str(self.project_dir) not in sys.path:
            sys.path.insert(0, str(self.project_dir))
        runpy.run_path(str(self.project_dir / "__main__.py"), run_name="__main__")

    def _drop_locks_of_the_dead(self) -> None:
        """A CLI that was killed leaves its lock behind, which names its process."""
        for lock in (self.state_dir / ".pulumi" / "locks").glob("**/*.json"):
            try:
                os.kill(json.loads(lock.read_text())["pid"], 0)
            except ProcessLookupError:
                lock.unlink()

    def _log(self, line: str) -> None:
        with self.log_file.open("a") as stream:
            stream.write(f"{line}\n")

    @contextmanager
    def _reporting(self, operation: str, on_event: OnEvent | None) -> Iterator[OnEvent]:
        """Hand events to the caller, and turn the CLI's failure into the errors that were among them."""
        problems: dict[str, None] = {}

        def tell(event: EngineEvent) -> None:
            diagnostic = event.diagnostic_event
            if diagnostic is not None and diagnostic.severity == "error":
                problems[readable(diagnostic.message)] = None
            if on_event is not None:
                on_event(event)

        self._drop_locks_of_the_dead()
        # When an operation fails, the engine goes before the program has ended; its complaints tell nothing.
        logging.getLogger("grpc._server").setLevel(logging.CRITICAL)
        try:
            yield tell
        except automation_errors.CommandError as error:
            self._log(str(error))
            found = tuple(problem for problem in problems if problem not in _SAYS_NOTHING)
            found = found or (readable(str(error)),)
            raise EngineError(f"`pulumi {operation}` failed for stack {self.stack!r}:", found) from None


def readable(message: str) -> str:
    """Take colour codes, and the traceback that follows every failure, out of a message of the engine's."""
    text = _COLOUR.sub("", message).strip()
    return text.split("\nTraceback (most recent call last)", 1)[0].strip()


def _is_masked(value: object) -> bool:
    if isinstance(value, dict):
        return set(value) == {_MASKED} or any(map(_is_masked, value.values()))
    return isinstance(value, list) and any(map(_is_masked, value))


def _counts(changes: Mapping[Any, int] | None) -> dict[str, int]:
    return {getattr(kind, "value", kind): number for kind, number in (changes or {}).items()}
