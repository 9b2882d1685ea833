"""The options of `treadle models check` and `treadle check`. Imports nothing slow."""

from dataclasses import dataclass

from .parameters import make_argument, make_flag, make_option


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    model: list[str] | None = make_option(
        "MODEL",
        "Such as gpt-5.4-mini or local; repeatable. Default: the one that would be used.",
        short="-m",
    )
    option: list[str] | None = make_option(
        "KEY=VALUE", "A setting of the model; repeatable.", short="-o"
    )
    yes: bool = make_flag("Don't ask before it costs.", short="-y")
    json: bool = make_flag("As JSON Lines, one a request.")


@dataclass(frozen=True, kw_only=True)
class CheckLabelsOptions:
    agent: str = make_argument("MODULE:AGENT", "Or a file: path/to/agents.py:support.")
