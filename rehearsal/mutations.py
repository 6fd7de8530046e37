"""A deliberately broken box or program for each scenario, and the proof that the scenario sees it.

`python -m rehearsal.mutations [NAME …]` breaks, plays and mends, one after the other; it ends with 1 where a scenario
passed on what was broken for it. A change of the box is made in the release on the machine, one of the program in a
copy of the repository.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from provisioning import bundle
from rehearsal.runner import play_one
from rehearsal.scenario import Scenario
from rehearsal.scenarios import all_scenarios
from rehearsal.stages import Mutation, Stages
from sandbox import session
from sandbox.engine import REPOSITORY

NAME = "rehearsem"
OWBOX = "owbox/{}.py"
RESTART = "systemctl restart owbox-{0} && systemctl restart owbox-ready"
RELOAD = "open-webui-box step install-caddy; systemctl reload owbox-caddy"
FIREWALL = "open-webui-box step network"


@dataclass(frozen=True)
class Broken:
    """`scenario` is a part of its name."""

    scenario: str
    mutation: Mutation


def code(scenario: str, module: str, old: str, new: str, then: str = "true") -> Broken:
    """A change of one text in the box's code."""
    return Broken(scenario, Mutation(((OWBOX.format(module), old, new),), then))


def no_restart(scenario: str, unit: str) -> Broken:
    """A service that nobody starts again."""
    return Broken(scenario, Mutation(((f"systemd/owbox-{unit}.service", "Restart=always", "Restart=no"),)))


NEW_KEY = ("disk", "if not key.exists():", "if True:")
SILENT_PULL = (
    (OWBOX.format("models"), 'if reason := line.get("error"):', "if reason := None:"),
    (OWBOX.format("models"), 'raise TransientError("the pull ended without success")', "return"),
)
WEAK_OLLAMA = (
    (OWBOX.format("services"), '"OLLAMA_HOST": OLLAMA.removeprefix("http://")', '"OLLAMA_HOST": "0.0.0.0:11434"'),
    ("firewall.nft", "priority -5; policy drop", "priority -5; policy accept"),
    ("firewall.nft", "ip daddr 198.18.11.0/24 drop", ""),
)
SHA_UNASKED = ("download", 'if (found := sha256(part)) == artifact["sha256"]:', "if sha256(part):")
NO_RETRY = (
    "download",
    "retry(f\"{name} {artifact['version']}\", lambda: attempt(artifact, part))",
    "attempt(artifact, part)",
)

SLOW_IS_BROKEN = '"flush_interval": -1, "transport": {"protocol": "http", "response_header_timeout": "250ms"},'
UNVERIFIED = "trust = ssl._create_unverified_context(cert_reqs=ssl.CERT_OPTIONAL)\n"

BOX = (
    code("a reboot when ready", *NEW_KEY),
    code("a power loss when ready", *NEW_KEY),
    code(
        "a reboot in the middle of models", "release", 'run("systemctl", "enable", "-q", "owbox-boot.service")', "pass"
    ),
    no_restart("Ollama killed", "ollama"),
    no_restart("Open WebUI killed", "open-webui"),
    no_restart("Caddy killed", "caddy"),
    no_restart("Docker killed", "open-webui"),
    Broken("a neighbour reaches", Mutation(WEAK_OLLAMA, f"{FIREWALL}; {RESTART.format('ollama')}")),
    Broken("container reaches", Mutation((("firewall.nft", "ip daddr 100.100.100.200 reject", ""),), FIREWALL)),
    Broken("only root reads", Mutation((("firewall.nft", "meta skuid != 0 reject", "accept"),), FIREWALL)),
    code(
        "no secret is", "cli", "json.dumps(values), 0o600", "json.dumps(values), 0o644", "open-webui-box step secrets"
    ),
    code("security headers", "services", '["nosniff"]', '["sniff"]', RELOAD),
    code("tricks with hosts", "services", '{"match": [{"host": [host]}], ', "{", RELOAD),
    code("without privileges", "services", '        "cap-drop": "ALL",\n', "", RESTART.format("open-webui")),
    code("Caddy answering 500", *NO_RETRY),
    code("Ollama cut in the middle of its body", "download", "    if have < total:", "    if False:"),
    code("Ollama with other content", *SHA_UNASKED),
    Broken("fails inside a 200", Mutation(SILENT_PULL)),
    code("no registry has", "models", 'HOPELESS = ("file does not exist", ', 'HOPELESS = ("what never is said", '),
    code(
        "no way out of the machine",
        "services",
        '"RAG_EMBEDDING_ENGINE": "ollama"',
        '"RAG_EMBEDDING_ENGINE": ""',
        RESTART.format("open-webui"),
    ),
    code("a file system of somebody else's", "disk", "    if not found:\n", "    if True:\n"),
    code("a blank disk where", "disk", "if not found and used_before:", "if False:"),
    code("a new machine with the old disk", *NEW_KEY),
    Broken("a disk full during", Mutation(SILENT_PULL)),
    code("a disk grown while", "disk", 'run("resize2fs", found)', "pass"),
    code("driver that is too old for Ollama is refused", "packages", 'if int(version.split(".")[0]) < ', "if 999 < "),
    code("only partly on the GPU", "ready", 'if entry["size_vram"] < entry["size"]:', "if False:"),
    code("that no process uses", "ready", "    if not used:", "    if False:"),
    code("ten people chat", "services", '"flush_interval": -1,', SLOW_IS_BROKEN, RELOAD),
    code("somebody else's is noticed", "ready", "trust = ssl.create_default_context()\n", UNVERIFIED),
)

# file, old, new: in a copy of the repository
PROGRAM = {
    "a machine stopped by hand": ("infra/gpu_instance.py", '            status="Running",', ""),
    "a type change that finds no stock": ("infra/gpu_instance.py", '            status="Running",', ""),
    "deletion refused": ("infra/gpu_instance.py", "protect=args.protect,", "protect=False,"),
    "the lost answer to a new machine": ("sandbox/provider/cloud.py", '"RunInstances", "CreateDisk"', '"CreateDisk"'),
    "throttled calls": ("sandbox/provider/cloud.py", "_MOST_RETRIES = 20", "_MOST_RETRIES = 2"),
    "throttling that lasts": (
        "sandbox/provider/cloud.py",
        "        raise ThrottledError(action)",
        "        return False",
    ),
    "a sold-out instance type": ("sandbox/engine.py", "found = found or (readable(str(error)),)", "found = ()"),
    "an exhausted quota": ("sandbox/engine.py", "found = found or (readable(str(error)),)", "found = ()"),
}


def main(only: Sequence[str]) -> int:
    """Each broken thing in turn; 1 where one was not seen."""
    unseen = 0
    for part, change in PROGRAM.items():
        if _wanted(part, only):
            unseen += _tell(part, seen=_seen_in_copy(part, *change))
    chosen = [broken for broken in BOX if _wanted(broken.scenario, only)]
    stages = Stages(print, NAME)
    try:
        with stages.opened():
            for broken in chosen:
                unseen += _tell(broken.scenario, seen=_seen_on_box(stages, broken))
    finally:
        session.down(NAME)
    return 1 if unseen else 0


def find(part: str) -> Scenario:
    """The one scenario whose name holds `part`."""
    (found,) = [known for known in all_scenarios() if part in known.name]
    return found


def _seen_on_box(stages: Stages, broken: Broken) -> bool:
    known = find(broken.scenario)
    stages.mutation = broken.mutation
    stages.spoil()
    with TemporaryDirectory() as folder:
        files = bundle.BOX
        bundle.BOX = Path(folder) / "box"  # what a scenario releases is broken in the same way
        shutil.copytree(files, bundle.BOX)
        exec(broken.mutation.script(str(bundle.BOX)))  # noqa: S102  (our own text)
        try:
            result = play_one(known, stages)
        finally:
            bundle.BOX = files
            stages.mutation = None
            stages.spoil()
    print(f"    {result.error.strip().splitlines()[-1][:200] if result.error else 'passed'}")
    return not result.passed and result.played


def _seen_in_copy(part: str, file: str, old: str, new: str) -> bool:
    find(part)
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "repository"
        files = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, check=True, capture_output=True, text=True)
        for name in files.stdout.splitlines():
            if (REPOSITORY / name).is_file():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(REPOSITORY / name, copy / name)
        text = (copy / file).read_text()
        if old not in text:
            raise ValueError(f"{file}: nothing to break: {old}")
        (copy / file).write_text(text.replace(old, new))
        command = [sys.executable, "-m", "ops", "rehearse", "--only", part, "--report", f"{folder}/report"]
        done = subprocess.run(command, cwd=copy, check=False, capture_output=True, text=True)
    print(f"    {done.stdout.strip().splitlines()[-3:]}")
    return done.returncode == 1 and "1 failed" in done.stdout


def _wanted(part: str, only: Sequence[str]) -> bool:
    return not only or any(word in part for word in only)


def _tell(part: str, *, seen: bool) -> int:
    print(f"{'red  ' if seen else 'NOT SEEN'}  {time.strftime('%H:%M:%S')}  {part}", flush=True)
    return 0 if seen else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
