"""The three services: how each is started, and whether a running one is what this release wants."""

import hashlib
import json
import os
import resource
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from owbox import base, database, docker
from owbox.base import (
    ADDRESS,
    OLLAMA,
    OPEN_WEBUI,
    Box,
    StepError,
    fetch_json,
    full,
    noted,
    retry,
    run,
    say,
    succeeds,
    wait_for,
    write,
)

MARK = "OWBOX_FINGERPRINT"  # in a service's environment: what it was started from
START_S = 300  # until a service must answer
MIGRATIONS = r"""
import importlib.util, pathlib, re
package = importlib.util.find_spec("open_webui").submodule_search_locations[0]
text = "\n".join(path.read_text() for path in pathlib.Path(package, "migrations/versions").glob("*.py"))
print(*re.findall(r"^revision\b[^'\"\n]*['\"](\w+)", text, re.MULTILINE))
"""


@dataclass(frozen=True)
class Launch:
    """A program to become. `files` are written before; they count for the fingerprint as the rest does."""

    argv: list[str]
    environment: dict[str, str]
    files: Mapping[Path, str] = field(default_factory=dict)


def fingerprint(box: Box, name: str, launch: Launch) -> str:
    path = box.release / f"systemd/owbox-{name}.service"
    unit = path.read_text() if path.exists() else ""
    text = json.dumps([launch.argv, launch.environment, [*launch.files.values()], unit])
    return hashlib.sha256(text.encode()).hexdigest()


def ollama(box: Box) -> Launch:
    spec, home = box.spec["ollama"], box.data / "ollama"
    own = {
        "HOME": str(home),
        "PATH": "/usr/bin:/bin",
        "OLLAMA_HOST": OLLAMA.removeprefix("http://"),
        "OLLAMA_MODELS": str(home / "models"),
        "OLLAMA_CONTEXT_LENGTH": str(spec["context_length"]),
        "OLLAMA_NUM_PARALLEL": str(spec["parallel"]),
        "OLLAMA_KV_CACHE_TYPE": spec["kv_cache_type"],
        "OLLAMA_FLASH_ATTENTION": "1",
        "OLLAMA_KEEP_ALIVE": "-1",
        "OLLAMA_NO_CLOUD": "1",
        "OLLAMA_NOPRUNE": "1",  # a restart must not throw away what an interrupted pull has fetched
    }
    return Launch([str(box.program("ollama") / "bin/ollama"), "serve"], {**spec["environment"], **own})


def flag(value: bool) -> str:
    return "true" if value else "false"  # Open WebUI takes 1 for false


def open_webui_environment(box: Box) -> dict[str, str]:
    """Everything but the secrets. What the user may override comes first, what the box owns last."""
    spec, url = box.spec["open_webui"], f"https://{box.host}"
    sso = any(name.endswith("_CLIENT_ID") for name in (*spec["environment"], *spec["secret_environment"]))
    default = {"JWT_EXPIRES_IN": "7d", "DEFAULT_USER_ROLE": "pending", "ENABLE_COMMUNITY_SHARING": "false"}
    site = "lax" if sso else "strict"  # the way back from a sign-in provider is a cross-site navigation
    own = {
        "ENABLE_PERSISTENT_CONFIG": "false",
        "ENABLE_SIGNUP": "false",
        "WEBUI_ADMIN_EMAIL": spec["admin_email"],
        "WEBUI_ADMIN_NAME": spec["admin_name"],
        "WEBUI_URL": url,
        "CORS_ALLOW_ORIGIN": url,
        "WEBUI_SESSION_COOKIE_SECURE": "true",
        "WEBUI_SESSION_COOKIE_SAME_SITE": site,
        "WEBUI_AUTH_COOKIE_SECURE": "true",
        "WEBUI_AUTH_COOKIE_SAME_SITE": site,
        "FORWARDED_ALLOW_IPS": ADDRESS,
        "UVICORN_WORKERS": "1",
        "STATIC_DIR": "/tmp/static",  # noqa: S108  (the container's own tmpfs)
        "OLLAMA_BASE_URLS": OLLAMA,
        "DEFAULT_MODELS": full(box.spec["ollama"]["models"][0]["name"]),
        "BYPASS_MODEL_ACCESS_CONTROL": "true",
        "RAG_EMBEDDING_ENGINE": "ollama",
        "RAG_EMBEDDING_MODEL": full(box.spec["ollama"]["embedding_model"]["name"]),
        "RAG_OLLAMA_BASE_URL": OLLAMA,
        "OFFLINE_MODE": "true",
        "ENABLE_VERSION_UPDATE_CHECK": "false",
        "ENABLE_OPENAI_API": flag(bool(spec["backends"])),
        "OPENAI_API_BASE_URLS": ";".join(backend["url"] for backend in spec["backends"]),
        "ENABLE_PLUGINS": flag(spec["plugins"]),
        "ENABLE_PIP_INSTALL_FRONTMATTER_REQUIREMENTS": "false",
        "ENABLE_CODE_EXECUTION": flag(spec["code_execution"]),
        "ENABLE_CODE_INTERPRETER": flag(spec["code_execution"]),
    }
    return {**default, **spec["environment"], **own}


def secret_environment(box: Box) -> dict[str, str]:
    secrets, spec = json.loads((box.run / "secrets.json").read_text()), box.spec["open_webui"]
    keys = [secrets["backend_keys"][backend["key"]] if backend["key"] else "" for backend in spec["backends"]]
    return {
        **secrets["environment"],
        "WEBUI_ADMIN_PASSWORD": secrets["admin_password"],
        "OPENAI_API_KEYS": ";".join(keys),
        "WEBUI_SECRET_KEY": (box.data / "secret-key").read_text(),
    }


def open_webui(box: Box) -> Launch:
    """The container. Values reach it through a file in tmpfs: byte for byte, in no argv and no stored config."""
    image = local_image(box)
    found = json.loads(run("docker", "image", "inspect", image))[0]["Config"]  # Docker 28 leaves out what is empty
    inside, outside = "/run/open-webui-box", box.run / "open-webui"
    memory = box.spec["limits"]["open_webui_memory_mib"]
    # Chroma keeps an index of each document in memory, 3 MiB or more, as long as there are five of these for each
    # (chromadb 1.5.9, api/rust.py); Docker's million would let them fill it. So they take a third or so.
    files = max(1024, memory // 2)
    options = {
        "name": "open-webui",
        "network": "owbox",
        "publish": "127.0.0.1:8080:8080",
        "mount": f"type=bind,source={box.data}/open-webui,target=/app/backend/data",
        "volume": f"{outside}:{inside}:ro",
        "memory": f"{memory}m",
        "ulimit": f"nofile={files}:{files + 4096}",
        "pids-limit": "2048",
        "cap-drop": "ALL",
        "security-opt": "no-new-privileges",
        "log-driver": "none",  # the journal has it already
        "stop-timeout": "60",
        "pull": "never",
        "entrypoint": "python3",
    }
    argv = ["docker", "run", "--rm", "--read-only", "--tmpfs=/tmp:exec", "--tmpfs=/root/.cache"]
    argv += [f"--{name}={value}" for name, value in options.items()]
    argv += [image, f"{inside}/entry.py", *(found.get("Entrypoint") or []), *(found.get("Cmd") or [])]
    values = {**open_webui_environment(box), **secret_environment(box)}
    entry = (box.release / "entry.py").read_text()
    files = {outside / "environment.json": json.dumps(values), outside / "entry.py": entry}
    return Launch(argv, {"HOME": "/run", "PATH": "/usr/bin:/bin"}, files)


def aside(*arguments: str) -> str:
    """What a container of the image prints that can do little beside."""
    return run("docker", "run", "--rm", "--network=none", "--cap-drop=ALL", "--pull=never", *arguments)


def met(box: Box, revisions: list[str]) -> list[Any]:
    """What `schema.json` says where this version has met a database as it is."""
    return [box.spec["open_webui"]["image"]["digest"], revisions]


def readable(box: Box) -> list[str]:
    """The revisions of a database that this version has not met as it is; none where it has, or there is none.

    Refuses one that a newer version has brought further: this one would start on it, and break it.
    """
    found = database.revisions(box)
    if not found or noted(box.data / "schema.json") == met(box, found):
        return []
    known = aside("--entrypoint=python3", local_image(box), "-c", MIGRATIONS).split()
    if known and not set(found) <= set(known):
        raise StepError(
            f"the database is of a newer Open WebUI: {box.spec['open_webui']['image']['tag']} does not know its schema "
            f"{' '.join(found)}. Release that version, or put back a copy of the database from before it",
            "owbox-open-webui",
        )
    return found


def meet(box: Box) -> None:
    """Look at a database that this version has not met as it is: it may be too new, or have much to change.

    So a machine that begins anew with the release that it was born with waits for the one that is to serve.
    """
    migrates(box).unlink(missing_ok=True)
    if found := readable(box):
        write(box.data / "schema.json", json.dumps(met(box, found)), 0o600)
        write(migrates(box), "")


def migrates(box: Box) -> Path:
    """There while Open WebUI starts on a database that it has not met as it is: it may have much to change."""
    return box.run / "open-webui-migrates"


def seed(box: Box) -> None:
    """What the image brings in its data folder (the models of speech recognition) lies under our mount: copied once."""
    folder = box.data / "open-webui"
    if not (folder / "cache").exists():
        copy = (
            "if [ -d /app/backend/data/cache ]; then cp -a /app/backend/data/cache /seed/new; else mkdir /seed/new; fi"
        )
        mount = f"--mount=type=bind,source={folder},target=/seed"
        script = f"rm -rf /seed/new; {copy}; mv /seed/new /seed/cache"
        aside("--entrypoint=sh", mount, local_image(box), "-c", script)


def issuers(box: Box) -> list[dict[str, Any]]:
    """Where certificates come from, in Caddy's JSON."""
    spec = box.spec["tls"]
    acme = {
        "module": "acme",
        "ca": spec["acme_directory"],
        "challenges": {"tls-alpn": {"disabled": True}},  # 443 is open to the allowed networks only, 80 to all
        **({"email": spec["email"]} if spec["email"] else {}),
        **({"profile": "shortlived"} if spec["mode"] == "ip" else {}),  # what bare addresses are given
    }
    return [{"module": "internal"}] if spec["mode"] == "internal" else [acme, {"module": "internal", "lifetime": "1h"}]


def caddy(box: Box) -> Launch:
    state = {"HOME": str(box.data / "caddy"), "XDG_DATA_HOME": str(box.data), "XDG_CONFIG_HOME": str(box.data)}
    # A reload drops the certificate of an issuer that changed and gets none from the next: other ones need a restart.
    state["OWBOX_ISSUERS"] = json.dumps(issuers(box))
    return Launch([str(box.program("caddy") / "caddy"), "run", "--config", str(in_force(box))], state)


def in_force(box: Box) -> Path:
    return box.root / "run/owbox-caddy/caddy.json"


def caddy_now(box: Box) -> dict[str, Any]:
    """The configuration, without the fallback while a certificate of the authority's is kept that is valid yet.

    Caddy takes the first issuer that delivers: a renewal that fails would replace the good certificate days before its
    end.
    """
    config: dict[str, Any] = json.loads((box.run / "caddy.json").read_text())
    if certified(box):
        [policy] = config["apps"]["tls"]["automation"]["policies"]
        del policy["issuers"][1:]
    return config


def certified(box: Box, seconds: int = 0) -> bool:
    """Whether a certificate of the authority's is there, and not over in so many seconds."""
    place = f"{urlsplit(box.spec['tls']['acme_directory']).hostname}*/{box.host}/{box.host}.crt"
    found = (box.data / "caddy/certificates").glob(place)
    return any(succeeds("openssl", "x509", "-noout", "-checkend", str(seconds), "-in", path) for path in found)


def caddy_reload(box: Box) -> Launch:
    started = caddy(box)
    config = started.argv[-2:]
    return Launch(
        [started.argv[0], "reload", *config, "--address", "unix//run/owbox-caddy/admin.sock"], started.environment
    )


LAUNCH = {"ollama": ollama, "open-webui": open_webui, "caddy": caddy, "caddy-reload": caddy_reload}


def become(box: Box, name: str) -> None:
    """Start the service in place of this process."""
    launch = LAUNCH[name](box)
    for path, content in launch.files.items():
        write(path, content, 0o400)
    if name == "open-webui":
        subprocess.run(["docker", "rm", "-f", "open-webui"], capture_output=True, check=False)  # left by a hard stop
        record = box.run / "steps/open-webui.json"  # where the gate looks for a reason
        record.unlink(missing_ok=True)
        try:
            meet(box)
        except StepError as error:
            write(record, json.dumps({"digest": box.digest, "ok": False, "error": str(error)}))
            raise
        seed(box)
    if name == "caddy" and box.spec["tls"]["mode"] != "internal":
        # Of the certificates that it has kept, Caddy takes the newest: the authority's would wait for its own to age.
        shutil.rmtree(box.data / "caddy/certificates/local", ignore_errors=True)
    if name.startswith("caddy"):
        write(in_force(box), json.dumps(caddy_now(box)), 0o600)
    program = shutil.which(launch.argv[0]) or launch.argv[0]
    systemd = {name: value for name, value in os.environ.items() if name == "NOTIFY_SOCKET"}
    environment = {**launch.environment, **systemd, MARK: fingerprint(box, name, launch)}
    os.execve(program, launch.argv, environment)  # noqa: S606  (becoming it is the point)


def outdated(box: Box, name: str) -> bool:
    """Whether the service runs, from something else than this release."""
    pid = run("systemctl", "show", "-P", "MainPID", f"owbox-{name}").strip()
    if pid == "0":
        return False
    values = (box.root / "proc" / pid / "environ").read_bytes().split(b"\0")
    return f"{MARK}={fingerprint(box, name, LAUNCH[name](box))}".encode() not in values


def answers(name: str) -> bool:
    if name == "ollama":
        return bool(fetch_json(f"{OLLAMA}/api/version"))
    # Nothing answers before the start-up is over; a page of HTML is not an answer.
    return bool(fetch_json(f"{OPEN_WEBUI}/ready").get("status"))


def wait(box: Box, name: str) -> None:
    """Until the service answers, or its process is gone: systemd calls it started only then."""
    pid, seconds = os.environ["MAINPID"], START_S
    if name == "open-webui" and migrates(box).exists():
        seconds = max(START_S, box.spec["limits"]["ready_s"])

    def check() -> bool:
        if not Path(f"/proc/{pid}").exists():
            raise StepError(f"{name} ended while starting")
        return answers(name)

    wait_for(f"{name} to answer", seconds, check)
    if name == "open-webui":
        unlock_files()


def unlock_files() -> None:
    """Chroma has counted its files by now, and will hold most of them open: what people need comes beside."""
    limit = resource.RLIMIT_NOFILE
    for pid in map(int, run("docker", "top", "open-webui", "-eo", "pid").split()[1:]):
        with suppress(ProcessLookupError):  # it has ended meanwhile
            resource.prlimit(pid, limit, resource.prlimit(pid, limit)[1:] * 2)


def local_image(box: Box) -> str:
    """The image's id on this machine, whichever registry it came from; empty where it is not here."""
    # --all: an image that was pulled by digest has no tag, and Docker 29 leaves such out on its older image store.
    shown = ["--all", "--digests", "--no-trunc", "--format", "{{.Digest}} {{.ID}}"]
    rows = run("docker", "image", "ls", *shown).splitlines()
    return dict(map(str.split, rows)).get(box.spec["open_webui"]["image"]["digest"], "")


def image(box: Box) -> None:
    """The image by digest, and the network that its container shares with Ollama."""
    wanted = box.spec["open_webui"]["image"]
    if not local_image(box):
        name = f"{wanted['registry']}/{wanted['repository']}"
        say(f"pulling {name}@{wanted['digest']}")
        retry("docker pull", lambda: docker.pull(name, wanted["digest"]))
    retry("docker network", attach)


def attach() -> None:
    """Docker's network on our bridge."""
    if not succeeds("docker", "network", "inspect", "owbox"):
        bridge = ["-o", "com.docker.network.bridge.name=owbox0", "--subnet", base.SUBNET, "--gateway", ADDRESS]
        run("docker", "network", "create", *bridge, "owbox")


def caddy_configuration(box: Box) -> dict[str, Any]:
    """Caddy's JSON. A fallback certificate lives an hour, so that ACME is tried again within that hour."""
    host = box.host
    headers = {
        "Strict-Transport-Security": ["max-age=31536000"],
        "X-Content-Type-Options": ["nosniff"],
        "X-Frame-Options": ["SAMEORIGIN"],
        "Referrer-Policy": ["strict-origin-when-cross-origin"],
        "Permissions-Policy": ["camera=(self), microphone=(self), geolocation=(self)"],
    }
    handle = [
        {"handler": "headers", "response": {"set": headers, "delete": ["Server"], "deferred": True}},
        {"handler": "request_body", "max_size": box.spec["limits"]["upload_mib"] << 20},
        {
            "handler": "reverse_proxy",
            "flush_interval": -1,  # words appear as the model finds them
            # Open WebUI closes what was idle for 5 s (uvicorn's default): a question sent just then would be a 502.
            "transport": {"protocol": "http", "keep_alive": {"idle_timeout": "2s"}},
            "upstreams": [{"dial": OPEN_WEBUI.removeprefix("http://")}],
        },
    ]
    server = {
        "listen": [":443"],
        "protocols": ["h1", "h2"],
        "routes": [
            {"match": [{"host": [host]}], "handle": handle, "terminal": True},
            {"handle": [{"handler": "error", "status_code": 421}]},
        ],
        "tls_connection_policies": [{"default_sni": host}],  # clients name no bare address
    }
    told = {"Content-Type": ["text/plain; version=0.0.4"]}
    metrics = {
        "listen": [base.METRICS],
        "automatic_https": {"disable": True},
        "routes": [
            {
                "match": [{"path": ["/metrics"]}],
                "handle": [
                    {"handler": "headers", "response": {"set": told}},
                    {"handler": "file_server", "root": str(box.run / "metrics")},
                ],
            }
        ],
    }
    return {
        "admin": {"listen": "unix//run/owbox-caddy/admin.sock", "config": {"persist": False}},
        "apps": {
            "http": {"servers": {"public": server, "metrics": metrics}},
            "tls": {"automation": {"policies": [{"subjects": [host], "issuers": issuers(box)}]}},
            "pki": {"certificate_authorities": {"local": {"install_trust": False}}},
        },
    }
