"""One issue per stack that has drifted: `python -m scripts.ci.drift FOLDER` of files STACK.txt (GitHub).

CI's own open issue of the same title gets a comment instead of a second one. Nothing is closed: whoever mends it does
that.
"""

import re
import sys
from pathlib import Path

from scripts.ci.comment import fence
from scripts.ci.forge import Forge, ForgeError, from_environment

LONGEST = 60_000


def tell(forge: Forge, stack: str, text: str) -> None:
    """Open the stack's issue, or add to it."""
    title = f"Stack {stack} differs from its code"
    shown = text[-LONGEST:]
    quote = fence(shown)
    words = (
        "`pulumi preview --refresh --expect-no-changes` found a difference, or could not look.\n\n"
        f"{quote}text\n{shown}\n{quote}\n\n"
        f"Either bring the change into the code, or put the cloud back: `pulumi up --refresh --stack {stack}` (without "
        "`--refresh` the state still says what the code says, and nothing happens). docs/ci.md has more."
    )
    # A list of issues holds pull requests too; those have the key.
    ours = forge.of_ours(forge.every("issues?state=open"))
    same = [one for one in ours if one["title"] == title and "pull_request" not in one]
    if same:
        forge.call("POST", f"issues/{same[0]['number']}/comments", {"body": words})
    else:
        forge.call("POST", "issues", {"title": title, "body": words})


def main(arguments: list[str]) -> int:
    (folder,) = arguments
    try:
        forge = from_environment()
        for path in sorted(Path(folder).rglob("*.txt")):
            if re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", path.stem):
                tell(forge, path.stem, path.read_text(encoding="utf-8"))
    except ForgeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
