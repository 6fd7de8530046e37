"""The commands of `python -m ops` and their options. What a command does is in a module of its own.

To add one, write a function here that imports its module when it runs: pulumi, pydantic and rich cost most of a
second, and `--help` must answer at once. A group of commands (`sandbox up`, `sandbox down`) is a Typer of its own,
added with `app.add_typer`.
"""

from pathlib import Path
from typing import Annotated

import typer

from ops import cloud_cli, sandbox_cli
from ops.options import Endpoints, Json, Stack

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(cloud_cli.app)
app.add_typer(sandbox_cli.app, name="sandbox")


@app.callback()
def _for_all(endpoint: Endpoints = None) -> None:
    """What an operator runs around `pulumi up`."""


@app.command()
def preview(
    stack: Stack = "dev",
    against: Annotated[
        str | None, typer.Option(help="Show what changes since this git revision.", metavar="REF")
    ] = None,
    as_json: Json = False,
) -> None:
    """What `pulumi up` would make of a stack, or what a change to it does."""
    from ops.preview import run

    raise typer.Exit(run(stack, against, as_json=as_json))


@app.command()
def rehearse(
    listed: Annotated[bool, typer.Option("--list", help="List the scenarios instead of playing them.")] = False,
    as_json: Json = False,
    only: Annotated[
        list[str] | None, typer.Option(help="Those whose name holds NAME; may be repeated.", metavar="NAME")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the machine for a look.")] = False,
    report: Annotated[Path, typer.Option(help="Where the HTML report goes.", metavar="DIR")] = Path("report/rehearsal"),
    everything: Annotated[bool, typer.Option("--all", help="Everything, not just the quick set.")] = False,
) -> None:
    """Break the running service in every way that has a name, and see that nothing is lost (docs/rehearsal.md)."""
    from ops.rehearse import run

    raise typer.Exit(
        run(listed=listed, as_json=as_json, only=only or (), keep=keep, report=report, everything=everything)
    )
