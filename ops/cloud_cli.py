"""The commands that talk to the cloud. As in `ops.cli`, each imports its module when it runs."""

from typing import Annotated, Literal

import typer

from ops.options import Json, Stack, Yes

app = typer.Typer()


@app.command()
def quote(
    stack: Stack = "dev",
    compare: Annotated[
        bool, typer.Option("--compare", help="The GPU types that fit the stack's models, side by side.")
    ] = False,
    as_json: Json = False,
) -> None:
    """What the stack costs, before it exists."""
    from ops.quote import run

    raise typer.Exit(run(stack, compare=compare, as_json=as_json))


@app.command()
def doctor(
    stack: Stack = "dev",
    write_zone: Annotated[
        bool, typer.Option("--write-zone", help="Write a zone with better stock of the type into the stack file.")
    ] = False,
    as_json: Json = False,
) -> None:
    """What would make `pulumi up` fail: credentials, balance, quota, stock, network, downloads."""
    from ops.doctor import run

    raise typer.Exit(run(stack, move=write_zone, as_json=as_json))


@app.command()
def status(stack: Stack = "dev", as_json: Json = False) -> None:
    """What runs: machine, steps, GPU, models, versions, certificate, snapshots, cost."""
    from ops.status import run

    raise typer.Exit(run(stack, as_json=as_json))


@app.command()
def logs(
    stack: Stack = "dev",
    unit: Annotated[
        str | None, typer.Option(help="One unit: open-webui, ollama, caddy, models, ready, …", metavar="NAME")
    ] = None,
    lines: Annotated[int, typer.Option(help="How many of the last lines.", min=1, max=5000)] = 200,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """The box's journal."""
    from ops.logs import run

    raise typer.Exit(run(stack, unit, lines, follow=follow, as_json=as_json))


@app.command(name="exec")
def execute(
    command: Annotated[
        list[str], typer.Argument(help="The command, after `--`. One quoted word is a line for the shell.")
    ],
    stack: Stack = "dev",
    timeout: Annotated[int, typer.Option(help="Seconds until it is stopped.", min=10, max=86400)] = 300,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Run a command on the box, as root: exec -- nvidia-smi"""
    from ops.execute import run

    raise typer.Exit(run(stack, command, timeout, yes=yes, as_json=as_json))


@app.command()
def start(stack: Stack = "dev", yes: Yes = False, as_json: Json = False) -> None:
    """Start the instance, and wait until it runs."""
    from ops.power import run

    raise typer.Exit(run("start", stack, keep=False, yes=yes, as_json=as_json))


@app.command()
def stop(
    stack: Stack = "dev",
    keep: Annotated[bool, typer.Option("--keep", help="Keep vCPUs and GPU reserved, and pay for them.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Stop the instance: no longer billed but for its disks and address."""
    from ops.power import run

    raise typer.Exit(run("stop", stack, keep=keep, yes=yes, as_json=as_json))


@app.command()
def restart(stack: Stack = "dev", yes: Yes = False, as_json: Json = False) -> None:
    """Restart the instance, and wait until it runs."""
    from ops.power import run

    raise typer.Exit(run("restart", stack, keep=False, yes=yes, as_json=as_json))


@app.command(name="open")
def open_page(stack: Stack = "dev", as_json: Json = False) -> None:
    """Open the service in a browser; with --json, print its address only."""
    from ops.address import run_open

    raise typer.Exit(run_open(stack, as_json=as_json))


@app.command()
def password(stack: Stack = "dev", yes: Yes = False, as_json: Json = False) -> None:
    """Show the administrator's password, after asking."""
    from ops.address import run_password

    raise typer.Exit(run_password(stack, yes=yes, as_json=as_json))


@app.command()
def models(
    words: Annotated[list[str] | None, typer.Argument(help="Parts of the names, as in: qwen 8b")] = None,
    stack: Stack = "dev",
    every: Annotated[bool, typer.Option("--all", help="Also those that do not fit.")] = False,
    as_json: Json = False,
) -> None:
    """Which models fit the stack's GPU."""
    from ops.models import run

    raise typer.Exit(run(stack, words or [], every=every, as_json=as_json))


@app.command()
def mirror(
    bucket: Annotated[str, typer.Argument(help="An OSS bucket in the stack's region.")],
    stack: Stack = "dev",
    source: Annotated[
        Literal["international", "mainland"], typer.Option(help="The hubs that this machine downloads from.")
    ] = "international",
    public: Annotated[
        bool, typer.Option("--public-read", help="Let everybody read the objects; else the bucket's policy decides.")
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Bring all that the box downloads into a bucket of its region, and point the stack at it."""
    from ops.mirror import run

    raise typer.Exit(run(stack, bucket, source, public=public, yes=yes, as_json=as_json))
