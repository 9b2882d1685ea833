"""docs/process.md: its programs run in their order, and show what it says."""

import asyncio
import re
from pathlib import Path
from typing import Any

from treadle import Agent, MemoryStore
from treadle.models.scripted import ScriptedModel, calls, says

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "process.md").read_text("utf8")
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.S)
SCRIPT = [
    *(calls(("stock", {"item": "lamp"})), says("There are 17.")),
    *(calls(("stock", {"item": "lamp"})), says("There are 17.")),
    *(calls(("stock", {"item": "lamp"})), says("There are still 17.")),
]


def test_the_page_s_programs_run_in_their_order(capsys):
    settings: dict[str, Any] = {"model": ScriptedModel(SCRIPT), "store": MemoryStore()}
    names = {"Agent": lambda *given, **more: Agent(*given, **(settings | more))}
    for program in PROGRAMS:
        exec(program.replace("import Agent, ", "import "), names)
    out = capsys.readouterr().out
    assert "[1 ThreadStarted]\n" in out
    assert "There are 17.[10 ModelReplied]" in out
    assert "the end: There are 17.\n" in out
    assert "told to stop, so nothing new begins" in out
    assert "tuesday answered" in out
    assert len(settings["model"].seen) == len(SCRIPT)


def test_the_lifespan_goes_on_with_what_is_due_and_lets_go(capsys):
    model = ScriptedModel(SCRIPT[:2])
    store = MemoryStore()
    names: dict[str, Any] = {
        "Agent": lambda *given, **more: Agent(*given, **({"model": model, "store": store} | more))
    }
    exec(PROGRAMS[0].replace("import Agent, ", "import ").partition("async def ask")[0], names)
    for program in PROGRAMS:
        if "import stop" in program or "import Stopped" in program:
            exec(program.partition("async def")[0], names)
        if "lifespan" in program:
            exec(program, names)

    async def left() -> None:
        await names["agent"].start("How many lamps?", thread="t")
        await names["stop"](0)

    async def served() -> None:
        async with names["lifespan"](None):
            result = await names["agent"].resume("t")
            assert result.answer == "There are 17."

    asyncio.run(left())
    asyncio.run(served())


def test_the_page_s_links_lead_somewhere():
    for link in re.findall(r"\]\((?!http)([^)#]+)", PAGE):
        assert (ROOT / "docs" / link).exists(), link
