"""The options of `treadle eval`. Imports nothing slow."""

from dataclasses import dataclass
from pathlib import Path

from .options import AgentOptions
from .parameters import make_argument, make_flag, make_option

_WHAT = "What is run"
_OUTPUT = "Output"
_BASELINE = "Baselines"


@dataclass(frozen=True, kw_only=True)
class EvalOptions(AgentOptions):
    file: str = make_argument("FILE", "A dataset: .yaml, .json, .jsonl, or path/file.py:name.")
    repeats: int = make_option("N", "How often each case runs.", 1, short="-n", min=1, panel=_WHAT)
    jobs: int | None = make_option(
        "N",
        "Trials at a time; default 4, or 1 for the embedded model.",
        short="-j",
        min=1,
        panel=_WHAT,
    )
    tag: list[str] | None = make_option(
        "TAG", "Only cases with this tag; may be repeated.", panel=_WHAT
    )
    case: list[str] | None = make_option(
        "GLOB", "Only cases whose name matches; may be repeated.", panel=_WHAT
    )
    judge: str | None = make_option(
        "MODEL", "The model of judges; default: the agent's own.", panel=_WHAT
    )
    run: str | None = make_option(
        "NAME",
        "The run's name; the same name continues it, and pays for nothing twice.",
        panel=_WHAT,
    )
    dry_run: bool = make_flag("Estimate tokens and cost without a request.", panel=_WHAT)
    html: Path | None = make_option("FILE", "Write the report as one HTML page.", panel=_OUTPUT)
    json: bool = make_flag("The report as JSON, instead of the table.", panel=_OUTPUT)
    quiet: bool = make_flag("Don't show trials as they end.", short="-q", panel=_OUTPUT)
    save_baseline: Path | None = make_option(
        "FILE", "Save the report, to compare with later.", panel=_BASELINE
    )
    against: Path | None = make_option(
        "FILE", "Compare with this report; exit 1 if something got worse.", panel=_BASELINE
    )
    min_pass: float = make_option(
        "RATE",
        "Exit 1 below this pass rate; a case with a `min_pass` of its own has that one.",
        1.0,
        min=0.0,
        max=1.0,
        panel=_BASELINE,
    )
