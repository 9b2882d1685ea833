"""Runs pytest on files of a test, with Treadle's plugin, even if it is not installed."""

from importlib.metadata import entry_points

import pytest

PLUGIN = "treadle.testing.pytest_plugin"
_INSTALLED = any(entry.value == PLUGIN for entry in entry_points(group="pytest11"))


def run(pytester: pytest.Pytester, *words: str) -> pytest.RunResult:
    loaded = () if _INSTALLED else ("-p", PLUGIN)
    return pytester.runpytest_inprocess(
        *loaded, "-p", "no:cacheprovider", "--strict-markers", *words
    )
