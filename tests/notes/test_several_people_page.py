"""The programs of docs/several-people.md run in order in one namespace."""

import re
from pathlib import Path

from treadle import Agent
from treadle.models.scripted import ScriptedModel, calls, says

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "several-people.md").read_text()
SCRIPT = [
    calls(("remember", {"text": "The user is vegan", "about": "diet"})),
    says("I will."),
    calls(("remember", {"text": "The user takes sugar", "about": "diet"})),
    says("I will."),
    calls(("recall", {"query": "what the user eats"})),
    says("You are vegan."),
]


def test_its_programs_run_in_their_order(capsys):
    model = ScriptedModel(SCRIPT)
    names = {"Agent": lambda *given, **more: Agent(*given, model=model, **more)}
    for program in re.findall(r"```python\n(.*?)```", PAGE, re.S):
        exec(program.replace("import Agent, ", "import ").replace("-> Agent", ""), names)
    assert len(model.seen) == len(SCRIPT)
    found = model.seen[-1].messages[-1].text
    assert "The user is vegan" in found
    assert "sugar" not in found
    assert capsys.readouterr().out.splitlines() == [
        "You are vegan.",
        "added user:ann Ann's size is M",
        "added user:bob Bob's size is L",
    ]


def test_its_links_lead_somewhere():
    for link in re.findall(r"\]\((?!http)([^)#]+)", PAGE):
        assert (DOCS / link).exists(), link
