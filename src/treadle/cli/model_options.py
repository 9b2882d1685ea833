"""The options of `treadle models check`. Imports nothing slow."""

from dataclasses import dataclass
from typing import Annotated

import typer


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            metavar="MODEL",
            help="Such as gpt-5.4-mini or local; repeatable. Default: the one that would be used.",
        ),
    ] = None
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option", "-o", metavar="KEY=VALUE", help="A setting of the model; repeatable."
        ),
    ] = None
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask before it costs.")] = False
    json: Annotated[bool, typer.Option("--json", help="As JSON Lines, one a request.")] = False
