"""Evaluation: datasets of cases, checks, reports and their comparison."""

from typing import TYPE_CHECKING

from ..on_use import import_on_use

if TYPE_CHECKING:
    from .baseline import Comparison, compare_reports
    from .checks import (
        Asked,
        Contains,
        Custom,
        Equal,
        Json,
        Judge,
        Lacks,
        Matches,
        MaxCost,
        MaxSeconds,
        MaxSteps,
        MaxTokens,
        Never,
        NoErrors,
        Number,
        Status,
        Tools,
    )
    from .dataset import Case, Dataset
    from .dataset_files import load_dataset
    from .html_report import render_html
    from .report import Report, load_report
    from .run_dataset import Run, evaluate
    from .text_report import render_comparison, render_text
else:
    __getattr__ = import_on_use(
        __name__,
        {
            ".baseline": "Comparison compare_reports",
            ".checks": (
                "Asked Contains Custom Equal Json Judge Lacks Matches MaxCost MaxSeconds"
                " MaxSteps MaxTokens Never NoErrors Number Status Tools"
            ),
            ".dataset": "Case Dataset",
            ".dataset_files": "load_dataset",
            ".html_report": "render_html",
            ".report": "Report load_report",
            ".run_dataset": "Run evaluate",
            ".text_report": "render_comparison render_text",
        },
    )

__all__ = [
    "Asked",
    "Case",
    "Comparison",
    "Contains",
    "Custom",
    "Dataset",
    "Equal",
    "Json",
    "Judge",
    "Lacks",
    "Matches",
    "MaxCost",
    "MaxSeconds",
    "MaxSteps",
    "MaxTokens",
    "Never",
    "NoErrors",
    "Number",
    "Report",
    "Run",
    "Status",
    "Tools",
    "compare_reports",
    "evaluate",
    "load_dataset",
    "load_report",
    "render_comparison",
    "render_html",
    "render_text",
]
