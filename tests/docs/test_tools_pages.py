"""docs/skills.md and docs/many-tools.md: their programs run in their order, and show what they say."""

import re
from pathlib import Path
from typing import Any

import pytest

from treadle import Agent, MemoryStore
from treadle.models.scripted import ScriptedModel, calls, says

ROOT = Path(__file__).parents[2]
SKILLS = [
    calls(("read_skill", {"name": "returns"})),
    calls(("read_skill", {"name": "returns", "path": "late.md"})),
    lambda request: says(request.messages[-1].text),
]
ISSUE = {"repository": "lamps", "title": "It flickers"}
MANY_TOOLS = [
    calls(("search_tools", {"query": "open a bug report"})),
    calls(("call_tool", {"name": "github__create_issue", "arguments": ISSUE})),
    lambda request: says(request.messages[-1].text),
]


@pytest.mark.parametrize(
    ("page", "script", "printed"),
    [
        ("skills.md", SKILLS, ["Offer half of the price as a voucher."]),
        (
            "many-tools.md",
            MANY_TOOLS,
            ["issue 7: It flickers", "search_tools ", "github__create_issue call_tool"],
        ),
    ],
)
def test_the_page_s_programs_run_in_their_order(
    page: str,
    script: list[Any],
    printed: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / page).read_text("utf8")
    settings: dict[str, Any] = {"model": ScriptedModel(script), "store": MemoryStore()}
    names = {"Agent": lambda *given, **more: Agent(*given, **(settings | more))}
    for program in re.findall(r"```python\n(.*?)```", text, re.S):
        exec(
            program.replace("import Agent\n", "import MemoryStore\n").replace(
                "import Agent, ", "import "
            ),
            names,
        )
    assert capsys.readouterr().out.splitlines() == printed
    for link in re.findall(r"\]\((?!http)([^)#]+)", text):
        assert (ROOT / "docs" / link).exists(), link
