"""`python -m ops sandbox …`: the program for real on this machine. What the commands do is in `ops.sandbox_run`."""

from typing import Annotated

import typer

from ops.options import Json

app = typer.Typer(help="`pulumi up` for real, on this machine (docs/sandbox.md). Needs root on Debian or Ubuntu.")

Name = Annotated[str, typer.Option(help="Which sandbox; several can run side by side.", metavar="NAME")]
SandboxStack = Annotated[str, typer.Option(help="The stack file: Pulumi.STACK.yaml.", metavar="STACK")]


@app.command()
def up(name: Name = "sandbox", stack: SandboxStack = "sandbox", as_json: Json = False) -> None:
    """Bring the stack up, or to what the stack file says now. Builds what is missing first (20 minutes, once)."""
    from ops.sandbox_run import up

    raise typer.Exit(up(name, stack, as_json=as_json))


@app.command()
def down(name: Name = "sandbox") -> None:
    """Take everything away: machines, disks, networks, state. What was built stays in the cache."""
    from ops.sandbox_run import down

    raise typer.Exit(down(name))


@app.command()
def status(name: Name = "sandbox", as_json: Json = False) -> None:
    """Show the machine, its address, and what the box says of itself."""
    from ops.sandbox_run import status

    raise typer.Exit(status(name, as_json=as_json))


@app.command()
def shell(name: Name = "sandbox") -> None:
    """Open a shell on the machine, as Cloud Assistant's session would."""
    from ops.sandbox_run import shell

    raise typer.Exit(shell(name))


@app.command()
def snapshot(name: Name = "sandbox") -> None:
    """Take a snapshot of the data disk, as the nightly policy does; prints its id, for dataDisk.snapshotId."""
    from ops.sandbox_run import snapshot

    raise typer.Exit(snapshot(name))


@app.command(name="open")
def open_(name: Name = "sandbox") -> None:
    """Open the address in a browser, and say which certificate to trust."""
    from ops.sandbox_run import open_page

    raise typer.Exit(open_page(name))


@app.command()
def logs(
    name: Name = "sandbox",
    lines: Annotated[int, typer.Option(help="How many lines from the end.", min=1)] = 200,
) -> None:
    """Print the end of the machine's journal, also when it is off."""
    from ops.sandbox_run import logs

    raise typer.Exit(logs(name, lines))
