"""The programs of docs/flows.md run in order in one namespace; its table matches the code."""

import re
from pathlib import Path

from treadle import Agent
from treadle.core.tool import Tool
from treadle.flows.steps import Settings
from treadle.models.scripted import ScriptedModel, says

GUIDE = (Path(__file__).parents[2] / "docs" / "flows.md").read_text("utf8")
SHOWN = (
    "['receipt for ann: 20', 'receipt for bob: 20']",
    """waiting [('approve', '{"what":"the refund","customer":"ann","euros":50}')]""",
    "receipt for DE7 of ann: -50",
    "nobody answered",
    "About lamps!\nAbout desks!",
    "4 Write about lamps: [",
    '"again: 2 is too low (once)"',
)


def test_its_programs_run_in_their_order(capsys):
    model = ScriptedModel([lambda request: says(request.messages[-1].text + "!")] * 4)
    names = {"Agent": lambda *given, **more: Agent(*given, **({"model": model} | more))}
    for program in re.findall(r"```python\n(.*?)```", GUIDE, re.S):
        exec(program.replace("import Agent, ", "import "), names)
    out = capsys.readouterr().out
    for text in SHOWN:
        assert text in out


def test_the_settings_of_a_step_are_the_code_s():
    said = dict(re.findall(r"^\| `(\w+)` \| ([^|]*?) \|", GUIDE, re.M))
    of_code = {name: Tool.__dataclass_fields__[name].default for name in Settings.__annotations__}
    of_code["id"] = None
    assert said.keys() == of_code.keys()
    for name in said.keys() - {"id"}:
        assert said[name] == f"{of_code[name]:g}" or said[name] == str(of_code[name])


def test_its_links_lead_somewhere():
    for link in re.findall(r"\]\((?!http)([^)#]+)", GUIDE):
        assert (Path(__file__).parents[2] / "docs" / link).exists(), link
