"""Options that every command has."""

import os
import re
from typing import Annotated

import typer

Stack = Annotated[str, typer.Option(help="The stack: reads Pulumi.NAME.yaml.", metavar="NAME")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document, for machines.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def _lead(endpoints: list[str] | None) -> list[str]:
    """Into the environment, where `ops.cloud.client` and the bucket's client look; this process only."""
    for given in endpoints or []:
        found = re.fullmatch(r"(?P<service>ecs|vpc|bss|oos|sts|oss)=(?P<address>(https?://)?[\w.:-]+/?)", given)
        if found is None:
            raise typer.BadParameter(
                f"{given!r} is not SERVICE=ADDRESS with ecs, vpc, bss, oos, sts or oss: "
                "write ecs=https://ecs-vpc.cn-hangzhou.aliyuncs.com"
            )
        os.environ[f"ALIBABA_CLOUD_ENDPOINT_{found['service'].upper()}"] = found["address"]
    return endpoints or []


Endpoints = Annotated[
    list[str] | None,
    typer.Option(
        "--endpoint",
        callback=_lead,
        metavar="SERVICE=ADDRESS",
        help="Another address of a service (ecs, vpc, bss, oos, sts, oss); may be repeated.",
    ),
]
