"""docs/testing.md: its blocks are a file of tests, which pass; what it says of the code is so."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from evals.plugged import run
from treadle import MemoryStore, run_sync, testing
from treadle.evals import trajectory
from treadle.models.scripted import ScriptedModel, calls, says
from treadle.stores.archive import export_threads
from treadle.testing import EmbedderContract, ModelContract, StoreContract, pytest_plugin

pytest_plugins = ["pytester"]

GUIDE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text("utf8")
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE, re.S)


def recording(shop: str) -> bytes:
    """What `treadle db export` writes of a thread of the guide's agent."""
    names: dict[str, Any] = {}
    exec(shop, names)
    store = MemoryStore()
    script = [calls(("stock", {"item": "lamp"})), says("There are 17.")]
    replace(names["agent"], model=ScriptedModel(script), store=store).run_sync("How many lamps?")

    async def lines() -> bytes:
        return b"\n".join([line async for line in export_threads(store)])

    return run_sync(lines())


@pytest.mark.slow
def test_its_blocks_run(pytester: pytest.Pytester) -> None:
    shop, *tests = BLOCKS
    assert shop.startswith("# shop.py\n")
    pytester.makepyfile(shop=shop, test_shop="\n\n".join(tests))
    pytester.path.joinpath("lamps.jsonl").write_bytes(recording(shop))
    pytester.syspathinsert()
    written = len(re.findall(r"^def test_", "\n".join(tests), re.M))
    cases = len(re.findall(r"^        \(calls\(", "\n".join(tests), re.M))
    suites = (StoreContract, ModelContract, EmbedderContract)
    inherited = sum(name.startswith("test_") for suite in suites for name in dir(suite))
    run(pytester).assert_outcomes(passed=written - 1 + cases + inherited)


def test_its_failure_is_what_a_failure_looks_like() -> None:
    [shown] = re.findall(r"```\nAssertionError: (.*?)\n```", GUIDE, re.S)
    found = [
        trajectory.ActualCall(f"c{n}", name, arguments, "returned", False, n)
        for n, (name, arguments) in enumerate(
            [
                ("stock", {"item": "lamp"}),
                ("stock", {"item": "desk"}),
                ("order", {"item": "desk", "count": 3}),
            ]
        )
    ]
    wanted = [
        trajectory.ExpectedCall("stock", {"item": "lamp"}),
        trajectory.ExpectedCall("stock", {"item": "sofa"}),
        trajectory.ExpectedCall("refund"),
    ]
    assert trajectory.compare_calls(found, wanted) == shown


def test_its_tables_are_the_code_s() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", GUIDE, re.M)
    assert [row for row in rows if row in get_args(trajectory.CallOrder)] == list(
        get_args(trajectory.CallOrder)
    )
    suites = [row for row in rows if row in testing.__all__]
    assert set(suites) == {name for name in testing.__all__ if name.endswith("Contract")}
    fixtures = [row for row in rows if row not in (*get_args(trajectory.CallOrder), *suites)]
    assert fixtures == [
        name for name in vars(pytest_plugin) if name in fixtures or name.startswith("treadle_")
    ]


def test_its_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\((?!http)([^)#]+)", GUIDE):
        assert (Path(__file__).parents[2] / "docs" / link).exists(), link
