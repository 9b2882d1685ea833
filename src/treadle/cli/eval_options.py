"""The options of `treadle eval`. Imports nothing slow."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from .options import AgentOptions
from .parameters import make_argument, make_option

_WHAT = "What is run"
_OUTPUT = "Output"
_BASELINE = "Baselines"


@dataclass(frozen=True, kw_only=True)
class EvalOptions(AgentOptions):
    file: Annotated[
        str,
        make_argument(
            metavar="FILE", help="A dataset: .yaml, .json, .jsonl, or path/file.py:name."
        ),
    ]
    repeats: Annotated[
        int,
        make_option(
            "--repeats",
            "-n",
            min=1,
            metavar="N",
            help="How often each case runs.",
            panel=_WHAT,
        ),
    ] = 1
    jobs: Annotated[
        int | None,
        make_option(
            "--jobs",
            "-j",
            min=1,
            metavar="N",
            help="Trials at a time; default 4, or 1 for the embedded model.",
            panel=_WHAT,
        ),
    ] = None
    tag: Annotated[
        list[str] | None,
        make_option(metavar="TAG", help="Only cases with this tag; may be repeated.", panel=_WHAT),
    ] = None
    case: Annotated[
        list[str] | None,
        make_option(
            metavar="GLOB",
            help="Only cases whose name matches; may be repeated.",
            panel=_WHAT,
        ),
    ] = None
    judge: Annotated[
        str | None,
        make_option(
            metavar="MODEL",
            help="The model of judges; default: the agent's own.",
            panel=_WHAT,
        ),
    ] = None
    run: Annotated[
        str | None,
        make_option(
            metavar="NAME",
            help="The run's name; the same name continues it, and pays for nothing twice.",
            panel=_WHAT,
        ),
    ] = None
    dry_run: Annotated[
        bool,
        make_option(
            "--dry-run",
            help="Estimate tokens and cost without a request.",
            panel=_WHAT,
        ),
    ] = False
    html: Annotated[
        Path | None,
        make_option(metavar="FILE", help="Write the report as one HTML page.", panel=_OUTPUT),
    ] = None
    json: Annotated[
        bool,
        make_option("--json", help="The report as JSON, instead of the table.", panel=_OUTPUT),
    ] = False
    quiet: Annotated[
        bool,
        make_option("--quiet", "-q", help="Don't show trials as they end.", panel=_OUTPUT),
    ] = False
    save_baseline: Annotated[
        Path | None,
        make_option(
            metavar="FILE",
            help="Save the report, to compare with later.",
            panel=_BASELINE,
        ),
    ] = None
    against: Annotated[
        Path | None,
        make_option(
            metavar="FILE",
            help="Compare with this report; exit 1 if something got worse.",
            panel=_BASELINE,
        ),
    ] = None
    min_pass: Annotated[
        float,
        make_option(
            min=0.0,
            max=1.0,
            metavar="RATE",
            help="Exit 1 below this pass rate; a case with a `min_pass` of its own has that one.",
            panel=_BASELINE,
        ),
    ] = 1.0
