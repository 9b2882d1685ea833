"""The programs of docs/notes.md run in order in one namespace; its table matches the code."""

import re
from pathlib import Path

from treadle import Agent, MemoryStore
from treadle.models.scripted import ScriptedModel, calls, says
from treadle.notes.note_store import NoteStore
from treadle.notes.note_tools import note_tools
from treadle.notes.notes import Notes

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "notes.md").read_text()
SCRIPT = [
    calls(("remember", {"text": "Ann is vegan", "about": "diet"})),
    says("I will."),
    calls(("recall", {"query": "vegan"})),
    says("Nothing of animals."),
    says("Red it is."),
    says('{"value": [{"text": "The new loom will be red", "seq": 3}]}'),
]


def test_its_programs_run_in_their_order(capsys):
    model = ScriptedModel(SCRIPT)
    names = {"Agent": lambda *given, **more: Agent(*given, model=model, **more)}
    for program in re.findall(r"```python\n(.*?)```", PAGE, re.S):
        exec(program.replace("import Agent, ", "import "), names)
    assert len(model.seen) == len(SCRIPT)
    out = capsys.readouterr().out
    assert "diet: Ann is vegan\n" in out
    assert "[('Ann is vegan', {'words': 1})]" in out
    assert "[('added', 'The new loom will be red', 'user')] 0" in out


def test_its_table_names_the_tools_and_their_arguments():
    said = dict(re.findall(r"^\| `(\w+)\((.*?)\)` \|", PAGE, re.M))
    tools = note_tools(Notes(NoteStore(":memory:")), MemoryStore())
    assert said == {tool.name: ", ".join(tool.parameters["properties"]) for tool in tools}


def test_its_links_lead_somewhere():
    for link in re.findall(r"\]\((?!http)([^)#]+)", PAGE):
        assert (DOCS / link).exists(), link
