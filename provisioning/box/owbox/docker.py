"""Docker's own API where its client does not do: `docker pull` waits for ever on a download that has died."""

import json
import socket
from http.client import HTTPConnection
from urllib.parse import urlencode

from owbox.base import StepError, TransientError, run

SOCKET = "/run/docker.sock"
UNKNOWN = "manifest unknown"  # Docker 29 with containerd's image store says NAME@DIGEST: not found
STALL_S = 90  # without a word: a layer that is fetched or unpacked tells its progress several times a second


def pull(name: str, digest: str) -> None:
    """One pull. Errors arrive inside an answer that began with 200; leaving ends the pull, what it has is kept."""
    daemon = HTTPConnection("docker")
    daemon.sock = socket.socket(socket.AF_UNIX)
    daemon.sock.settimeout(STALL_S)
    try:
        daemon.sock.connect(SOCKET)
        daemon.request("POST", f"/images/create?{urlencode({'fromImage': name, 'tag': digest})}")
        for line in daemon.getresponse():
            told = json.loads(line)
            if reason := told.get("error") or told.get("message"):
                if any(words in reason for words in (UNKNOWN, f"@{digest}: not found")):  # it will not appear
                    raise StepError(f"{reason}: the registry does not know {name}@{digest}")
                raise TransientError(reason)
    except TimeoutError as error:
        if not run("docker", "ps", "-q"):  # the daemon keeps the dead download, and the next pull would wait for it
            run("systemctl", "restart", "docker")
        raise TransientError(f"{name}: nothing arrived for {STALL_S} s") from error
    finally:
        daemon.close()
