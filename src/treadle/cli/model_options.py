"""The options of `treadle models check` and `treadle check`. Imports nothing slow."""

from dataclasses import dataclass
from typing import Annotated

from .parameters import make_argument, make_option


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    model: Annotated[
        list[str] | None,
        make_option(
            "--model",
            "-m",
            metavar="MODEL",
            help="Such as gpt-5.4-mini or local; repeatable. Default: the one that would be used.",
        ),
    ] = None
    option: Annotated[
        list[str] | None,
        make_option(
            "--option", "-o", metavar="KEY=VALUE", help="A setting of the model; repeatable."
        ),
    ] = None
    yes: Annotated[bool, make_option("--yes", "-y", help="Don't ask before it costs.")] = False
    json: Annotated[bool, make_option("--json", help="As JSON Lines, one a request.")] = False


@dataclass(frozen=True, kw_only=True)
class CheckLabelsOptions:
    agent: Annotated[
        str, make_argument(metavar="MODULE:AGENT", help="Or a file: path/to/agents.py:support.")
    ]
