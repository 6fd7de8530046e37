"""What user-data and commands bring onto the instance."""

import base64
import re
from collections.abc import Iterable, Iterator
from itertools import permutations
from typing import Final

from policy.model import Demands, Level, Resource, ResourceRule, Stack, StackRule
from policy.rules.installs import FETCH, SHELL, START, unpinned
from provisioning.contents import parts

COMMAND: Final = "alicloud:ecs/command:Command"
CARRIERS: Final = frozenset({"alicloud:ecs/instance:Instance", COMMAND})
# A release travels in two commands (provisioning/release_command.py), each with half of one base-85 text.
DIGEST: Final = re.compile(r"\brelease ([0-9a-f]{8,64})\b")
HALF: Final = re.compile(r"[0-9A-Za-z!#$%&()*+;<=>?@^_`{|}~-]{100,}")
_IMAGE = r"[\w.-]+(?:[:/][\w.-]+)+"  # NAME:TAG, or a path; no digest
FLOATING: Final = {
    re.compile(r"(?<![\w./-])[\w.-]+(?:/[\w.-]+)*:latest\b"): "a tag that moves",
    re.compile(rf"\b{FETCH}[^\n]*\|\s*(?:sudo\s+(?:-\S+\s+)*)?{SHELL}"): "a script run as it comes",
    re.compile(rf"(?:\b{SHELL}|\bsource|(?:^|\s)\.)\s+<\(\s*{FETCH}", re.MULTILINE): "a script run as it comes",
    re.compile(rf"(?:\b{SHELL}[^\n]*\s-\w*c|\beval)\s+[\"']?(?:\$\(|`)\s*{FETCH}"): "a script run as it comes",
    re.compile(r"/releases/latest/\S*"): "whatever is newest",
    # What a variable names is not known here; a digest anywhere in the command is the image's.
    re.compile(
        rf"{START}(?:docker|podman|nerdctl)\s+(?:(?:image|container)\s+)?(?:pull|run|create)\s"
        r"(?![^\n]*(?:@sha256:|\$))[^\n]*",
        re.MULTILINE,
    ): "no digest",
    re.compile(
        rf"^[ \t-]*[\"']?image[\"']?[ \t]*:[ \t]*[\"']?{_IMAGE}[\"']?[ \t,]*(?:#.*)?$", re.MULTILINE
    ): "no digest",
}
_NAMES = r"(?:password|passwd|secret|secret_?key|api_?key|access_?key)"
SECRET: Final = {
    re.compile(r"\bLTAI[A-Za-z0-9]{12,}"): "an AccessKey id",
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"): "a private key",
    # STACK/KEY is the name of a secret parameter.
    re.compile(rf"(?i){_NAMES}[\"']?\s*[=:]\s*[\"'](?![a-z0-9-]+/[a-z0-9-]+[\"'])[^\"'\s{{$]{{8,}}[\"']"): "a secret",
    # Without quotes: an assignment in a shell or a file of variables, and a value in YAML that is no word.
    re.compile(rf"\b[A-Z0-9_]*{_NAMES.upper()}=[^\s\"'(){{}}<>$]{{8,}}"): "a secret",
    re.compile(rf"(?im)^[ \t-]*\w*{_NAMES}:[ \t]+(?=\S*\d)[^\s\"'(){{}}<>$]{{8,}}[ \t]*$"): "a secret",
}


def _pinned(resource: Resource, _: Demands) -> Iterator[str]:
    for path, text in resource.texts.items():
        yield from _floating(path, text)


def _no_secret(resource: Resource, _: Demands) -> Iterator[str]:
    for path, text in resource.texts.items():
        yield from _secrets(path, text)


def _released(resources: Iterable[Resource]) -> Iterator[tuple[str, str, str]]:
    """(URN, path, text) of each file in a bundle whose halves are two commands'."""
    halves: dict[str, list[tuple[str, str]]] = {}
    for resource in resources:
        for text in resource.texts.values() if resource.type == COMMAND else ():
            digest, half = DIGEST.search(text), HALF.search(text)
            if digest and half:
                halves.setdefault(digest[1], []).append((resource.urn, half[0]))
    for those in halves.values():
        for (urn, first), (_, second) in permutations(those, 2):
            try:
                bundle = base64.b85decode(first + second)
            except ValueError:  # the other way round
                continue
            for path, text in parts(base64.b64encode(bundle).decode()).items():
                yield urn, path, text


def _release(stack: Stack) -> Iterator[tuple[str | None, str]]:
    for urn, path, text in _released(stack.resources):
        for message in (*_floating(path, text), *_secrets(path, text)):
            yield urn, f"carries a release that {message}"


def _floating(path: str, text: str) -> Iterator[str]:
    lines = re.sub(r"\\\n\s*", " ", text)  # a command may go on in the next line
    matches = [(found[0], what) for pattern, what in FLOATING.items() if (found := pattern.search(lines))]
    for command, what in (*matches, *unpinned(lines)):
        shown = " ".join(command.split()).lstrip("-;&|({[`\"'")[:60].strip()
        yield f"has `{shown}` in {path or 'its content'} ({what}); name a version and its digest"


def _secrets(path: str, text: str) -> Iterator[str]:
    for pattern, what in SECRET.items():
        if pattern.search(text):
            yield f"holds {what} in {path or 'its content'}, which everybody on the instance can read; use a parameter"


RULES: Final = (
    ResourceRule(
        id="software-pinned",
        level=Level.MANDATORY,
        title="What is installed has a version and a digest",
        why="Two machines made from one stack file must be the same, and a mirror must not be able to change them.",
        beyond="no list looks into user-data or commands. Recognised, as lines of a shell: images without a digest, "
        "`:latest`, scripts fetched and run unchecked, pip and npm without a version, git clone without a commit",
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
    StackRule(
        id="release-like-user-data",
        level=Level.MANDATORY,
        title="What the release's commands carry together is pinned, and holds no secret",
        why="Each holds half of the bundle. After the first `up` they bring what is installed, not user-data.",
        beyond="no list looks into commands",
        check=_release,
    ),
)
