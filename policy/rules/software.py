"""What user-data and commands bring onto the instance."""

import re
from collections.abc import Iterator
from typing import Final

from policy.model import Demands, Level, Resource, ResourceRule

CARRIERS: Final = frozenset({"alicloud:ecs/instance:Instance", "alicloud:ecs/command:Command"})
FLOATING: Final = {
    re.compile(r"(?<![\w./-])[\w.-]+(?:/[\w.-]+)*:latest\b"): "a tag that moves",
    re.compile(r"\b(?:curl|wget)\b[^\n|]*\|\s*(?:sudo\s+)?(?:ba|z|da)?sh\b"): "a script run as it comes",
    re.compile(r"/releases/latest/\S*"): "whatever is newest",
    re.compile(r"\bdocker (?:pull|run)\b[^\n]*\s[\w.-]+(?:/[\w.-]+)+(?::[\w.-]+)?(?=[\s\"']|$)"): "no digest",
}
SECRET: Final = {
    re.compile(r"\bLTAI[A-Za-z0-9]{12,}"): "an AccessKey id",
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"): "a private key",
    re.compile(r"(?i)\b(?:password|passwd|secret_?key|api_?key)[\"']?\s*[=:]\s*[\"'][^\"'\s{$]{8,}[\"']"): "a secret",
}


def _pinned(resource: Resource, _: Demands) -> Iterator[str]:
    for path, text in resource.texts.items():
        for pattern, what in FLOATING.items():
            if found := pattern.search(text):
                where = path or "its content"
                yield f"{where} has `{found[0][:60]}` ({what}); name a version and its digest"


def _no_secret(resource: Resource, _: Demands) -> Iterator[str]:
    for path, text in resource.texts.items():
        for pattern, what in SECRET.items():
            if pattern.search(text):
                yield f"{path or 'its content'} holds {what}, which everybody on the instance can read"


RULES: Final = (
    ResourceRule(
        id="software-pinned",
        level=Level.MANDATORY,
        title="What is installed has a version and a digest",
        why="Two machines made from one stack file must be the same, and a mirror must not be able to change them.",
        beyond="no list looks into user-data or commands",
        types=CARRIERS,
        check=_pinned,
    ),
    ResourceRule(
        id="no-secret-in-user-data",
        level=Level.MANDATORY,
        title="Neither user-data nor a command holds a secret",
        why="Both can be read in the console, in the state, and on the instance.",
        beyond="packed files too",
        types=CARRIERS,
        check=_no_secret,
    ),
)
