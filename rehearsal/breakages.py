"""For each scenario a deliberate fault of the box or the program that makes it fail, and the words by which it does.

The texts are those of the files as they are: tests/test_rehearsal.py names every fault that no longer applies.
`rehearsal/mutations.py` makes them, one after the other.
"""

import re
from dataclasses import dataclass

from rehearsal.changes import Change, Edit


@dataclass(frozen=True)
class Breakage:
    """`scenario`: a pattern of the names of those that it breaks. `what`: the change, in words.

    `told`: what such a scenario's failure holds, so that it has failed for this reason and no other.
    """

    scenario: str
    what: str
    told: str
    change: Change

    @property
    def on_box(self) -> bool:
        """Whether the running box can be broken so; else a copy of the repository is."""
        return all(edit.on_box for edit in self.change.edits)


def code(module: str, old: str, new: str) -> Edit:
    """In a module of the box's."""
    return Edit(f"provisioning/box/owbox/{module}.py", old, new)


def unit(name: str, old: str, new: str) -> Edit:
    """In a unit of the box's."""
    return Edit(f"provisioning/box/systemd/owbox-{name}.service", old, new)


def nft(old: str, new: str) -> Edit:
    """In the box's firewall."""
    return Edit("provisioning/box/firewall.nft", old, new)


def broken(scenario: str, what: str, told: str, *edits: Edit, then: str = "true") -> Breakage:
    """A fault."""
    return Breakage(scenario, what, told, Change(edits, then))


# What puts a change in force on a running box.
RESTART = "systemctl restart owbox-{0} && systemctl restart owbox-ready"
RELOAD = "open-webui-box step install-caddy; systemctl reload owbox-caddy"
FIREWALL = "open-webui-box step network"

# Faults of more than one scenario.
NEW_KEY = code("disk", "if not key.exists():", "if True:")
AT_ONCE = {
    "archive": code(
        "download",
        "retry(f\"{name} {artifact['version']}\", lambda: attempt(artifact, part))",
        "attempt(artifact, part)",
    ),
    "image": code(
        "services",
        'retry("docker pull", lambda: docker.pull(name, wanted["digest"]))',
        'docker.pull(name, wanted["digest"])',
    ),
    "packages": code("packages", 'retry("apt", attempt)', "attempt()"),
    "models": code("models", 'retry(f"model {name}", attempt)', "attempt()"),
}
SILENT_IMAGE = code("docker", 'if reason := told.get("error") or told.get("message"):', "if reason := None:")
SILENT_MODELS = (
    code("models", 'if reason := line.get("error"):', "if reason := None:"),
    code("models", 'raise TransientError("the pull ended without success")', "return"),
)
SILENT_PROGRAMS = code("base", "{' | '.join(words)}", "...")
UNVERIFIED = (
    code("ready", "trust = ssl.create_default_context()\n", "trust = ssl._create_unverified_context()\n"),
    code("ready", '{**certificate(box, trust), "public": True}', '{"issuer": "", "notAfter": "", "public": True}'),
)
FORMATS = code("disk", "    if not found:\n", "    if True:\n")


def refusing(name: str, module: str, place: str, before: str, mark: str, after: str = "") -> Edit:
    """In front of `place`: what an interrupted run of `name` left behind is refused by the next."""
    code_ = (
        f'if name == "{name}":\n'
        f"    begun = {mark}\n"
        "    if begun.exists():\n"
        '        raise StepError(f"{name} was cut off")\n'
        '    write(begun, "")\n'
    )
    return code(module, place, "".join(f"{before}{line}\n" for line in code_.splitlines()) + place + after)


def unsealed(name: str) -> Edit:
    """A unit that may write wherever its user may."""
    return unit(name, "ProtectSystem=strict\n", "")


def leaves_traces(name: str) -> Edit:
    """A step that is refused after it was cut off."""
    done = f'        if name == "{name}":\n            begun.unlink()\n'
    return refusing(name, "cli", "        STEPS[name](box)\n", " " * 8, 'box.state / f"begun-{name}"', done)


def cut_off(name: str, *more: Edit) -> Breakage:
    """A step that leaves something behind when it is cut off, and does not take it the next time."""
    what = "the step refuses what it left behind when it was cut off"
    return broken(f"in the middle of {name} ", what, f"{name} was cut off", leaves_traces(name), *more)


def not_again(name: str, *more: Edit, told: str = "not ready: owbox-") -> Breakage:
    """The same for a service."""
    edit = refusing(name, "services", "    launch = LAUNCH[name](box)\n", "    ", 'box.data / name / "begun"')
    what = "the service refuses what it left behind when it was cut off"
    return broken(f"in the middle of {name} ", what, told, edit, *more)


def no_restart(scenario: str, name: str, told: str = "an answered chat: not within") -> Breakage:
    """A service that nobody starts again."""
    return broken(
        scenario, f"Restart= taken from owbox-{name}.service", told, unit(name, "Restart=always", "Restart=no")
    )


BOOT = (
    broken("^a reboot when ready", "a new secret key at each boot", "/api/v1/auths/: 401", NEW_KEY),
    broken(
        "^a power loss when ready",
        "Open WebUI's data in memory instead of on the data disk",
        "is gone",
        code("services", '"mount": f"type=bind,source={box.data}/open-webui,target=', '"mount": f"type=tmpfs,target='),
        then=RESTART.format("open-webui"),
    ),
    broken("^the same user-data run twice", "disk.prepare formats whatever it finds", "is gone", FORMATS),
    broken(
        "^the role attached two minutes",
        "a parameter is waited for 30 seconds",
        "the gate spoke before the role was there",
        code("cloud", 'wait_for(f"parameter {name}", seconds,', 'wait_for(f"parameter {name}", min(seconds, 30),'),
    ),
    broken(
        "^a metadata service that is down",
        "the public address is asked for once",
        "owbox-address",
        code(
            "network",
            'wait_for("a public address", 600, lambda: cloud.metadata("eipv4").strip())',
            'cloud.metadata("eipv4").strip()',
        ),
    ),
    cut_off("packages"),
    cut_off("disk"),
    cut_off("secrets", unsealed("secrets")),
    cut_off("network", unsealed("network")),
    cut_off("address", unsealed("address")),
    broken(
        "in the middle of fetch-ollama ",
        "a download bears the archive's name before it is complete",
        "tar",
        code("download", 'archive.with_name(archive.name + ".part")', "archive"),
    ),
    broken(
        "in the middle of install-ollama ",
        "an archive is unpacked in place",
        "owbox-ollama: exit-code",
        code("download", 'target.with_name(f".{target.name}")', "target"),
    ),
    cut_off("install-caddy"),
    cut_off("image", unsealed("image")),
    not_again("ollama", told="owbox-ollama: exit-code"),
    cut_off("models", unsealed("models")),
    not_again("open-webui", unsealed("open-webui")),
    not_again("caddy"),
    broken(
        "in the middle of ready ",
        "the step refuses what it left behind when it was cut off",
        "the gate's word: not within",
        leaves_traces("ready"),
        unsealed("ready"),
    ),
)

ARCHIVE, NOT_OVER = "^(Ollama|Caddy) ", "no longer than"
DOWNLOADS = (
    broken(f"{ARCHIVE}answering 500", "download.fetch gives up at the first error", "HTTP 500", AT_ONCE["archive"]),
    broken(
        f"{ARCHIVE}cut in the middle",
        "a download that was cut begins anew",
        "nothing was resumed",
        code("download", "have = part.stat().st_size if part.exists() else 0\n    with", "have = 0\n    with"),
    ),
    broken(f"{ARCHIVE}that hangs", "download.fetch gives up at the first error", "timed out", AT_ONCE["archive"]),
    broken(
        f"{ARCHIVE}answering 404",
        "the error of an answer loses its status",
        "expected 'HTTP 404'",
        code("base", "{url}: HTTP {status}: {", "{url}: {"),
    ),
    broken(
        f"{ARCHIVE}with other content",
        "an archive is not compared with its SHA-256",
        "expected 'SHA-256 is'",
        code("download", 'if (found := sha256(part)) == artifact["sha256"]:', "if sha256(part):"),
    ),
    broken(
        f"{ARCHIVE}cut for ever",
        "a connection that brings nothing is followed by the next, without an end",
        "expected 'cut after'",
        code("download", "if not part.exists() or part.stat().st_size <= size:", "if not part.exists():"),
    ),
    broken(
        "^the image cut in the",
        "Docker's own new attempt is taken for the end, and the image is asked for once",
        "Retrying",
        code(
            "docker",
            'if reason := told.get("error") or told.get("message"):',
            'if reason := told.get("error") or (said := told.get("status", "")) * said.startswith("Retrying"):',
        ),
        AT_ONCE["image"],
    ),
    broken("^the image answering 500", "the image is asked for once", "500", AT_ONCE["image"]),
    broken("^the image that hangs", "the image is asked for once", "nothing arrived for", AT_ONCE["image"]),
    broken(
        "^the image (answering 404|with other content|cut for ever)",
        "docker.pull does not read the errors inside the answer",
        "image ended well",
        SILENT_IMAGE,
    ),
    broken("^a package (answering 500|cut in the)", "apt is asked once, without its own retries", "apt",
           AT_ONCE["packages"], code("packages", "Acquire::Retries=3", "Acquire::Retries=0")),
    broken("^a package that hangs", "apt waits for an answer for an hour, and is asked once", "no end within",
           AT_ONCE["packages"], code("packages", "run(*argv, timeout=1800", "run(*argv, timeout=60"),
           code("packages", "Acquire::Retries=3", "Acquire::http::Timeout=3600")),
    broken(
        "^a package (answering 404|with other content|cut for ever)",
        "a program's last words are lost (base.run)",
        "expected",
        SILENT_PROGRAMS,
    ),
    broken("^a model answering 500", "the model is asked for once", "500", AT_ONCE["models"]),
    broken("^a model (cut in the|that hangs)", "a pull that says the same twice is taken for dead, and asked for once",
           "nothing arrived for", AT_ONCE["models"], code("models", "elif now - self.since > STALL_S:", "else:")),
    broken(
        "^a model (answering 404|with other content|cut for ever)",
        "models.pull_once does not read `error` lines, and takes the stream's end for success",
        "expected",
        *SILENT_MODELS,
    ),
)  # fmt: skip

OUTSIDE = (
    broken("^a package mirror answering 500", "apt is asked once, without its own retries", "owbox-packages",
           AT_ONCE["packages"], code("packages", "Acquire::Retries=3", "Acquire::Retries=0")),
    broken("^a package mirror gone for good", "a program's last words are lost (base.run)", "expected",
           SILENT_PROGRAMS),
    broken(
        "^a model registry that fails inside",
        "models.pull_once does not read `error` lines, and takes the stream's end for success",
        "/api/copy: HTTP 404",
        *SILENT_MODELS,
    ),
    broken(
        "^a model that no registry has",
        "no error of Ollama's is hopeless",
        "exit 124",
        code("models", 'HOPELESS = ("file does not exist", ', 'HOPELESS = ("what never is said", '),
    ),
    broken(
        "^chat and documents work with no way out",
        "documents are embedded by Open WebUI itself, not by Ollama",
        "the document could not be read",
        code("services", '"RAG_EMBEDDING_ENGINE": "ollama"', '"RAG_EMBEDDING_ENGINE": ""'),
        then=RESTART.format("open-webui"),
    ),
    broken(
        "^a reboot while every download site is down",
        "what is installed is fetched again",
        "not ready: owbox-install-",
        code("download", "    if not box.program(name).exists():\n        retry", "    if True:\n        retry"),
    ),
    broken("^a renewal that fails", "the fallback stays in force beside a certificate", "people get a certificate of",
           code("services", "    if certified(box):\n", "    if False:\n"), then="systemctl reload owbox-caddy"),
    broken(
        "^a first boot without a certificate authority",
        "the fallback comes before the authority",
        "a certificate of the authority: not within",
        code("services", '[acme, {"module": "internal", "lifetime": "1h"}]',
             '[{"module": "internal", "lifetime": "1h"}, acme]'),
    ),
)  # fmt: skip

DISK = (
    broken("^a disk with .* is refused", "disk.prepare formats whatever it finds", "the gate says ready", FORMATS),
    broken(
        "^a data disk attached late",
        "the disk is waited for 10 seconds",
        "not ready: owbox-disk",
        code("disk", "ATTACHED_S = 600", "ATTACHED_S = 10"),
    ),
    broken(
        "^a data disk that is never attached",
        "a wait has no end (base.wait_for)",
        "the gate's word: not within",
        code("base", "if time.monotonic() > deadline:", "if False:"),
    ),
    broken(
        "^a blank disk where this box's data was",
        "disk.prepare does not remember that the disk was used",
        "the gate says ready",
        code("disk", "if not found and used_before:", "if False:"),
    ),
    broken("^a new machine with the old disk", "a new secret key at each boot", "/api/v1/auths/: 401", NEW_KEY),
    broken(
        "^a disk full during a model pull",
        "resize2fs taken from disk.disk",
        "no space left on device",
        code("disk", 'run("resize2fs", found)', "pass"),
    ),
    broken("^a disk grown while people chat", "resize2fs taken from disk.disk", "blocks before",
           code("disk", 'run("resize2fs", found)', "pass")),
)  # fmt: skip

PROCESSES = (
    no_restart("^Ollama killed", "ollama"),
    broken(
        "^the model's own process killed",
        "a tidy-up takes away what the running Ollama was installed from",
        "an answered chat: not within",
        then="rm -r /opt/open-webui-box/programs/ollama-*/lib",
    ),
    no_restart("^Open WebUI killed", "open-webui"),
    no_restart("^Caddy killed", "caddy"),
    no_restart("^Docker killed", "open-webui"),
)

GPU = (
    broken("^pulumi up on a machine whose driver", "any driver will do", "pulumi up went well",
           code("packages", 'if int(version.split(".")[0]) < wanted["minimum_driver"]:', "if False:")),
    broken("^pulumi up on a machine whose GPU does not answer", "GPUs are not counted", "expected",
           code("packages", 'if len(found) < wanted["count"]:', "if False:")),
    broken("^pulumi up with a model that is only partly", "part of a model on the GPU will do", "pulumi up went well",
           code("ready", 'if entry["size_vram"] < entry["size"]:', "if False:")),
    broken("^pulumi up with a GPU that no process uses", "Ollama is believed", "pulumi up went well",
           code("ready", "    if not used:", "    if False:")),
    broken("^pulumi up with a GPU that is as it should be", "only the newest driver will do", "is older than",
           code("packages", '< wanted["minimum_driver"]:', "< 999:")),
)  # fmt: skip

AT_EACH_RUN = "{__import__('time').time_ns()}"
MACHINE = "machine = _machine(settings, first_boot, network, firewall, storage, identity)\n"
CLOUD = (
    broken("^a sold-out instance type", "a name of the network that is different at each run", "made again",
           Edit("infra/network.py", 'f"{name}-vpc"', f'f"{{name}}-vpc-{AT_EACH_RUN}"')),
    broken("^an exhausted quota of addresses", "an address that is asked for when the machine is there",
           "there are machines",
           Edit("infra/stack.py", "    address = PublicAddress(\n", f"    {MACHINE}    address = PublicAddress(\n"),
           Edit("infra/stack.py", f"    )\n    {MACHINE}    association", "    )\n    association"),
           Edit("infra/stack.py", "address.charge,\n            physical_name=name",
                "address.charge,\n            physical_name=machine.instance_id.apply(lambda _: name)")),
    broken("^throttling that lasts", "a name of the machine that is different at each run", "machines before",
           Edit("infra/gpu_instance.py", 'f"{name}-instance"', f'f"{{name}}-instance-{AT_EACH_RUN}"')),
    broken("^the lost answer to a command", "the first command has no hook that tries again", "ServerUnreachable",
           Edit("infra/release.py", "CARRY_S, [], late", "CARRY_S, [], why")),
    broken("^deletion refused by protection", "protected in the cloud only, not by Pulumi",
           "deleted before it was refused",
           Edit("infra/gpu_instance.py", "protect=args.protect,\n                ignore",
                "protect=False,\n                ignore")),
    broken("^a machine stopped by hand", 'status="Running" taken from the instance', "calls:",
           Edit("infra/gpu_instance.py", '            status="Running",', "")),
    broken("^a type change that finds no stock", 'status="Running" taken from the instance', "Stopped",
           Edit("infra/gpu_instance.py", '            status="Running",', "")),
)  # fmt: skip

KEPT_ALIVE = '"keep_alive": {"idle_timeout": "2s"}'
LOAD = (
    broken("^(ten|fifty) people chat at once", "Caddy waits a quarter of a second for an answer", ": 504",
           code("services", KEPT_ALIVE, '"response_header_timeout": "250ms"'), then=RELOAD),
    broken("^a connection that nobody uses", "Caddy keeps it for two minutes", "Open WebUI closed",
           code("services", KEPT_ALIVE, '"keep_alive": {}'), then=RELOAD),
    broken("documents are uploaded and found",
           "the container may open 8,000 files, and Chroma keeps as many indices as that allows", "MiB in memory",
           code("services", "files = max(1024, memory // 2)", "files = 8000"),
           then="systemctl restart owbox-open-webui"),
)  # fmt: skip

OPEN_22 = nft("tcp dport { 80, 443 } accept", "tcp dport { 22, 80, 443 } accept")
SECURITY = (
    broken("^from outside, ports 80 and 443", "a rule for SSH in both firewalls", "open: [22, 80, 443]", OPEN_22,
           Edit("infra/firewall.py", '(source, 443, "HTTPS") for source in allowed_networks}',
                '(source, 443, "HTTPS") for source in allowed_networks} | {"ssh": (ANYWHERE, 22, "SSH")}')),
    broken("^a stranger outside the allowed networks", "443 is open to all", "[80, 443]",
           Edit("infra/firewall.py", '(source, 443, "HTTPS")', '(ANYWHERE, 443, "HTTPS")')),
    broken("^inside the VPC, a neighbour", "Ollama listens everywhere, behind a firewall that lets all in", "11434",
           code("services", '"OLLAMA_HOST": OLLAMA.removeprefix("http://")', '"OLLAMA_HOST": "0.0.0.0:11434"'),
           nft("priority -5; policy drop", "priority -5; policy accept"), nft("ip daddr 198.18.11.0/24 drop", ""),
           then=f"{FIREWALL}; {RESTART.format('ollama')}"),
    broken("^Open WebUI's container reaches", "the firewall does not stop containers on their way to the metadata",
           "100.100.100.200", nft("ip daddr 100.100.100.200 reject", ""), then=FIREWALL),
    broken("^only root reads", "the firewall does not ask who reads the metadata", "gets a token",
           nft("meta skuid != 0 reject", "accept"), then=FIREWALL),
    broken("^no secret is", "secrets.json is readable for all", "secrets.json",
           code("cli", "json.dumps(values), 0o600", "json.dumps(values), 0o644"), then="open-webui-box step secrets"),
    broken("^the page carries its security headers", "a header with another value", "x-content-type-options",
           code("services", '["nosniff"]', '["sniff"]'), then=RELOAD),
    broken("^guessing a password", "people sign in by a header, for which Open WebUI has no limit", "no limit",
           code("services", '"UVICORN_WORKERS": "1"', '"WEBUI_AUTH_TRUSTED_EMAIL_HEADER": "X-Email"'),
           then="systemctl restart owbox-open-webui"),
    broken("^tricks with hosts and paths", "whatever the host, it is Open WebUI", "'Host': '127.0.0.1'",
           code("services", '{"handle": [{"handler": "error", "status_code": 421}]}', '{"handle": handle}'),
           then=RELOAD),
    broken("^the container runs without privileges", "--cap-drop taken from the container", "None",
           code("services", '        "cap-drop": "ALL",\n', ""), then=RESTART.format("open-webui")),
    broken("certificate (of somebody else's )?is noticed by the gate", "ready.trusted does not verify",
           "the gate is content", *UNVERIFIED),
)  # fmt: skip

BENCHMARK = (
    broken("^a first boot at .* Mbit/s", "the image is asked for a minute late", "times the longest chain",
           unit("image", "[Service]\n", "[Service]\nExecStartPre=/bin/sleep 60\n")),
)  # fmt: skip

BREAKAGES = (*BOOT, *DOWNLOADS, *OUTSIDE, *DISK, *PROCESSES, *GPU, *CLOUD, *LOAD, *SECURITY, *BENCHMARK)


def breakage_of(name: str) -> Breakage:
    """The fault of the scenario with this name. LookupError where there is none, or more than one."""
    found = [known for known in BREAKAGES if re.search(known.scenario, name)]
    if len(found) != 1:
        raise LookupError(f"{len(found)} faults for the scenario {name!r}; rehearsal/breakages.py must have one")
    return found[0]
