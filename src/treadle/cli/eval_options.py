"""The options of `treadle eval`. Imports nothing slow."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from .options import AgentOptions

_WHAT = "What is run"
_OUTPUT = "Output"
_BASELINE = "Baselines"


@dataclass(frozen=True, kw_only=True)
class EvalOptions(AgentOptions):
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="A dataset: .yaml, .json, .jsonl, or path/file.py:name."
        ),
    ]
    repeats: Annotated[
        int,
        typer.Option(
            "--repeats",
            "-n",
            min=1,
            metavar="N",
            help="How often each case runs.",
            rich_help_panel=_WHAT,
        ),
    ] = 1
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            min=1,
            metavar="N",
            help="Trials at a time; default 4, or 1 for the embedded model.",
            rich_help_panel=_WHAT,
        ),
    ] = None
    tag: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TAG", help="Only cases with this tag; may be repeated.", rich_help_panel=_WHAT
        ),
    ] = None
    case: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GLOB",
            help="Only cases whose name matches; may be repeated.",
            rich_help_panel=_WHAT,
        ),
    ] = None
    judge: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="The model of judges; default: the agent's own.",
            rich_help_panel=_WHAT,
        ),
    ] = None
    run: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The run's name; the same name continues it, and pays for nothing twice.",
            rich_help_panel=_WHAT,
        ),
    ] = None
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Estimate tokens and cost without a request.",
            rich_help_panel=_WHAT,
        ),
    ] = False
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the report as one HTML page.", rich_help_panel=_OUTPUT
        ),
    ] = None
    json: Annotated[
        bool,
        typer.Option(
            "--json", help="The report as JSON, instead of the table.", rich_help_panel=_OUTPUT
        ),
    ] = False
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", "-q", help="Don't show trials as they end.", rich_help_panel=_OUTPUT
        ),
    ] = False
    save_baseline: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Save the report, to compare with later.",
            rich_help_panel=_BASELINE,
        ),
    ] = None
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Compare with this report; exit 1 if something got worse.",
            rich_help_panel=_BASELINE,
        ),
    ] = None
    min_pass: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            metavar="RATE",
            help="Exit 1 below this pass rate; a case with a `min_pass` of its own has that one.",
            rich_help_panel=_BASELINE,
        ),
    ] = 1.0
