"""What a change does to each stack, offline: `python -m scripts.ci.preview --base REF --out FOLDER [--pull NUMBER]`.

Writes FOLDER/report.json: {"base", "pull", "stacks": {name: {"status", "text"}}}. A status other than 0 is that of
`ops preview`: 1 a mandatory policy is broken; 2 the stack file is refused, or git does not know the base. The program's
own is 1 then. Nothing is read but the working tree and git: no secret, no account, no network.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def stacks(root: Path = ROOT) -> list[str]:
    """Names of the stack files."""
    return sorted(path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in root.glob("Pulumi.?*.yaml"))


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
    report = {"base": given.base, "pull": given.pull, "stacks": {name: preview(name, given.base) for name in stacks()}}
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "report.json").write_text(json.dumps(report, indent=2), encoding="utf-8")
    for name, part in report["stacks"].items():
        print(f"== {name} (status {part['status']})\n{part['text']}\n")
    return int(any(part["status"] for part in report["stacks"].values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
