#!/usr/bin/python3
"""Ollama, but for two things: what it says of GPU memory, and how fast its models speak.

/etc/rehearsal-vram holds the share of a model that is on the GPU, /etc/rehearsal-pace the seconds between two words.
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

REAL = f"{Path(__file__).resolve()}.real"
BEHIND = 11435


class Front(BaseHTTPRequestHandler):
    """Passes everything on, and what comes back as it comes, a line at a time where it is to be slow."""

    protocol_version = "HTTP/1.0"

    def forward(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else None
        url = f"http://{HOST}:{BEHIND}{self.path}"
        kind = {"Content-Type": self.headers.get("Content-Type", "application/json")}
        asked = urllib.request.Request(url, body, kind, method=self.command)
        try:
            answer = urllib.request.urlopen(asked, timeout=600)  # noqa: S310  (our own address)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
            self.end_headers()
            if self.path == "/api/ps":
                self.wfile.write(with_share(answer.read()))
                return
            pace = float(value("pace", "0")) if self.path == "/api/chat" else 0.0
            while chunk := answer.readline() if pace else answer.read1(65536):
                self.wfile.write(chunk)
                self.wfile.flush()
                time.sleep(pace)

    do_GET = do_POST = do_DELETE = do_HEAD = forward  # noqa: N815  (the server's own names)


def value(name: str, default: str) -> str:
    path = Path(f"/etc/rehearsal-{name}")
    return path.read_text() if path.exists() else default


def with_share(text: bytes) -> bytes:
    found, share = json.loads(text), value("vram", "")
    for model in found["models"]:
        model["size_vram"] = int(model["size"] * float(share)) if share else model["size_vram"]
    return json.dumps(found).encode()


if sys.argv[1:] != ["serve"]:
    os.execv(REAL, [REAL, *sys.argv[1:]])  # noqa: S606  (becoming it is the point)
HOST, _, PORT = os.environ["OLLAMA_HOST"].partition(":")
subprocess.Popen([REAL, "serve"], env={**os.environ, "OLLAMA_HOST": f"{HOST}:{BEHIND}"})
ThreadingHTTPServer((HOST, int(PORT)), Front).serve_forever()
