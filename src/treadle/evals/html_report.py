"""Renders a report as one self-contained HTML page: no script, no font, no picture, no network.

Every value that the template prints is escaped, and characters that a reader would not see are
shown as escapes. The page's Content-Security-Policy forbids whatever slips through.
"""

import base64
import hashlib
import shlex
import time
from collections.abc import Iterable
from importlib.resources import files
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from ..core.errors import UsageError
from ..core.visible import make_visible
from ..observe.amounts import format_cost, format_count, format_seconds
from . import format as words
from .baseline import Comparison
from .grade import Verdict
from .report import Report, TrialReport, mean_of

if TYPE_CHECKING:
    from jinja2 import Environment

MARKS = {"passed": "ok", "failed": "no", "unjudged": "un"}
"""The class of an outcome in the style sheet."""
MAX_SQUARES = 20
"""A case's trials are drawn as squares; more than this many are drawn as a bar."""


def render_html(report: Report, comparison: Comparison | None = None) -> str:
    """The whole page. Raises UsageError if Jinja is not installed."""
    folder = files("treadle.evals")
    style = folder.joinpath("report.css").read_text("utf8")
    environment = _make_environment({"report.css": style})
    template = environment.from_string(folder.joinpath("report.html").read_text("utf8"))
    page = template.render(
        report=report,
        comparison=comparison,
        cases_run=sum(bool(case.trials) for case in report.cases),
        most_tokens=max((trial.tokens for trial in report.trials), default=0),
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
    )
    return page.lstrip()


def require_jinja() -> None:
    """Raise UsageError if Jinja is not installed: to be called before a run is paid for."""
    _make_environment({})


def _make_environment(parts: dict[str, str]) -> "Environment":
    """What templates are rendered with; they may include these parts, by name."""
    try:
        from jinja2 import DictLoader, Environment, StrictUndefined
    except ImportError:
        raise UsageError("the page needs a library: pip install 'treadle[evals]'") from None
    environment = Environment(
        autoescape=True,
        loader=DictLoader(parts),
        finalize=_finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        coordinate="{:.1f}".format,
        cost=format_cost,
        count=format_count,
        date=_format_date,
        failure=_format_failure,
        mean=_mean,
        number=words.format_number,
        percent=words.format_percent,
        seconds=format_seconds,
        shell_quote=shlex.quote,
    )
    environment.globals.update(vars(words), MARKS=MARKS, MAX_SQUARES=MAX_SQUARES)
    return environment


def _finalize(value: Any) -> Any:
    """Make a value visible before it is escaped.

    Parts that are HTML already have been through it.
    """
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return make_visible(value)
    return value


def _mean(trials: Iterable[TrialReport], field: str) -> float | None:
    return mean_of(list(trials), attrgetter(field))


def _format_date(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))


def _format_failure(verdict: Verdict) -> str:
    return f"{verdict.check}: {' '.join(verdict.why.split())[:240]}"
