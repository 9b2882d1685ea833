"""docs/mcp.md: its programs run in their order, and show what it says."""

import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp_types", reason="needs the extra: pip install 'treadle[mcp]'")

from treadle import Agent, MemoryStore
from treadle.mcp import background, mcp
from treadle.models.scripted import ScriptedModel, calls, says

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "mcp.md").read_text("utf8")
SERVER, *PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.S)
SCRIPT = [
    *(
        calls(("stock__lamps", {"colour": "red"})),
        lambda request: says(f"{request.messages[-1].text} lamps."),
    ),
    *(calls(("order", {"lamp": "desk"})), lambda request: says(request.messages[-1].text)),
    says("Hello."),
]


@pytest.mark.slow
def test_the_page_s_programs_run_in_their_order(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TREADLE_MCP_CONSENTS", str(tmp_path / "consents.json"))
    Path("stock_server.py").write_text(SERVER, "utf8")
    settings: dict[str, Any] = {"model": ScriptedModel(SCRIPT), "store": MemoryStore()}
    names = {"Agent": lambda *given, **more: Agent(*given, **(settings | more))}
    try:
        for program in PROGRAMS:
            exec(program.replace("import Agent, ", "import "), names)
    finally:
        background.close_all()
    assert capsys.readouterr().out.splitlines() == [
        "17 lamps.",
        "Which colour?",
        "ordered: desk, red",
        "answered",
    ]


def test_the_settings_in_the_table_are_the_code_s():
    assert {*re.findall(r"^\| `(\w+)` \| ", PAGE, re.M)} == {*(mcp.__kwdefaults__ or {})}


def test_the_page_s_links_lead_somewhere():
    for link in re.findall(r"\]\((?!http)([^)#]+)", PAGE):
        assert (ROOT / "docs" / link).exists(), link
