"""The program of docs/context-window.md runs, and its table says what the code says."""

import re
from dataclasses import fields
from pathlib import Path

from treadle import Agent, ContextWindow, MemoryStore
from treadle.models.scripted import ScriptedModel, says

PAGE = (Path(__file__).parents[2] / "docs" / "context-window.md").read_text()


def test_its_program_runs():
    settings = {"model": ScriptedModel([says("In francs.")]), "store": MemoryStore()}
    names = {"Agent": lambda *given, **more: Agent(*given, **(settings | more))}
    [program] = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    exec(program.replace("import Agent, ", "import "), names)
    assert len(settings["model"].seen) == 1


def test_its_table_has_the_settings_and_their_defaults():
    said = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", PAGE, re.M))
    assert said == {field.name: str(field.default) for field in fields(ContextWindow)}
