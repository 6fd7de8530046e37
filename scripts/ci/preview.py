"""What a change does to each stack, offline: `python -m scripts.ci.preview --base REF --out FOLDER [--pull NUMBER]`.

Writes FOLDER/report.json: {"base", "pull", "stacks": {name: {"status", "text"}}}. A status other than 0 is that of
`ops preview`: 1 a mandatory policy is broken; 2 the stack file is refused, or git does not know the base. The program's
own is 1 then. 3 is a stack whose file the base has and this change has not: told, and no failure. Nothing is read but
the working tree and git: no secret, no account, no network.
"""

import argparse
import json
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STACK_FILE = "Pulumi.?*.yaml"
REMOVED = 3


def stacks(root: Path = ROOT) -> list[str]:
    """Names of the stack files."""
    return sorted(map(_stack, (path.name for path in root.glob(STACK_FILE))))


def removed(base: str, root: Path = ROOT) -> list[str]:
    """Names of the stack files that the base alone has; none where git does not know it, which each preview tells."""
    command = ["git", "ls-tree", "-z", "--name-only", "--end-of-options", base]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    before = {_stack(name) for name in done.stdout.split("\0") if fnmatchcase(name, STACK_FILE)}
    return sorted(before - set(stacks(root)))


def gone(stack: str, base: str) -> dict[str, object]:
    """The part of the report of a stack whose file is removed or has another name now."""
    text = (
        f"removed: {base} has Pulumi.{stack}.yaml, this change has not\n"
        "    why: the running stack stays and is billed until `pulumi destroy`\n"
        f"    fix: pulumi destroy --stack {stack}, before the file goes: it holds what that needs"
    )
    return {"status": REMOVED, "text": text}


def _stack(file: str) -> str:
    return file.removeprefix("Pulumi.").removesuffix(".yaml")


def preview(stack: str, base: str, root: Path = ROOT) -> dict[str, object]:
    """One stack's part of the report: what people see, standard error first."""
    command = [sys.executable, "-m", "ops", "preview", "--stack", stack, "--against", base]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return {"status": done.returncode, "text": f"{done.stderr}{done.stdout}".strip()}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.ci.preview", description=__doc__)
    parser.add_argument("--base", required=True, help="the git revision to compare with")
    parser.add_argument("--out", required=True, type=Path, help="the folder for report.json")
    parser.add_argument("--pull", type=int, help="the pull request's number")
    given = parser.parse_args(arguments)
    parts = {name: preview(name, given.base) for name in stacks()}
    parts |= {name: gone(name, given.base) for name in removed(given.base)}
    report = {"base": given.base, "pull": given.pull, "stacks": parts}
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "report.json").write_text(json.dumps(report, indent=2), encoding="utf-8")
    for name, part in parts.items():
        print(f"== {name} (status {part['status']})\n{part['text']}\n")
    return int(any(part["status"] not in (0, REMOVED) for part in parts.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
