"""Wall time of a warm `make preview` against its budget: twice the import of the provider's packages, plus 1 s.

    .venv/bin/python benchmarks/preview.py [RUNS]

Prints medians; asserts nothing, since a clock on a shared machine is no test.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = {
    "import pulumi_alicloud": [
        sys.executable,
        "-c",
        "import pulumi_alicloud.ecs, pulumi_alicloud.vpc, pulumi_alicloud.ram",
    ],
    "make preview": ["make", "--silent", "preview"],
    "python -m ops --help": [sys.executable, "-m", "ops", "--help"],
}


def seconds(command: list[str]) -> float:
    """Wall time of one run, its output thrown away."""
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Run the commands in turn, so that a busy moment of the machine hits all of them."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    for command in COMMANDS.values():  # compiles what is not compiled yet
        seconds(command)
    taken = [{name: seconds(command) for name, command in COMMANDS.items()} for _ in range(runs)]
    medians = {name: statistics.median(one[name] for one in taken) for name in COMMANDS}
    for name, median in medians.items():
        print(f"{name:24} {median:6.2f} s   (median of {runs})")
    budget = 2 * medians["import pulumi_alicloud"] + 1
    print(
        f"{'budget of make preview':24} {budget:6.2f} s   {'kept' if medians['make preview'] <= budget else 'EXCEEDED'}"
    )


if __name__ == "__main__":
    main()
