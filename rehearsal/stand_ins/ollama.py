#!/usr/bin/python3
"""Ollama, but for what it says of GPU memory: /etc/rehearsal-vram holds the share of a model that is on the GPU."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

REAL = f"{Path(__file__).resolve()}.real"
BEHIND = 11435


class Front(BaseHTTPRequestHandler):
    """Passes everything on, and what comes back as it comes."""

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
            while chunk := answer.read1(65536):
                self.wfile.write(chunk)
                self.wfile.flush()

    do_GET = do_POST = do_DELETE = do_HEAD = forward  # noqa: N815  (the server's own names)


def with_share(text: bytes) -> bytes:
    share, found = float(Path("/etc/rehearsal-vram").read_text()), json.loads(text)
    for model in found["models"]:
        model["size_vram"] = int(model["size"] * share)
    return json.dumps(found).encode()


if sys.argv[1:] != ["serve"]:
    os.execv(REAL, [REAL, *sys.argv[1:]])  # noqa: S606  (becoming it is the point)
HOST, _, PORT = os.environ["OLLAMA_HOST"].partition(":")
subprocess.Popen([REAL, "serve"], env={**os.environ, "OLLAMA_HOST": f"{HOST}:{BEHIND}"})
ThreadingHTTPServer((HOST, int(PORT)), Front).serve_forever()
