"""docs/labels.md: its program runs, and shows what the page says."""

import re
from pathlib import Path
from typing import Any

from treadle import Agent, MemoryStore
from treadle.models.scripted import ScriptedModel, calls

PAGE = (Path(__file__).parents[2] / "docs" / "labels.md").read_text("utf8")
[PROGRAM] = re.findall(r"```python\n(.*?)```", PAGE, re.S)
[SHOWN] = re.findall(r"```text\n(.*?)```", PAGE, re.S)
EVIL = {"to": "eve@evil.example", "text": "the contract"}


def test_the_page_s_program_shows_what_it_says(capsys):
    model = ScriptedModel([calls("read_inbox"), calls(("send_mail", EVIL))])
    settings: dict[str, Any] = {"model": model, "store": MemoryStore()}
    names = {"Agent": lambda *given, **more: Agent(*given, **(settings | more))}
    exec(PROGRAM.replace("import Agent, ", "import "), names)
    assert capsys.readouterr().out == SHOWN
