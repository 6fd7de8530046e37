"""Options that every command has."""

from typing import Annotated

import typer

Stack = Annotated[str, typer.Option(help="The stack: reads Pulumi.NAME.yaml.", metavar="NAME")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document, for machines.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
