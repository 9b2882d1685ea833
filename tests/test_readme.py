"""What the README promises to a newcomer is what is tested."""

import re
from pathlib import Path

from treadle import Agent, MemoryStore
from treadle.models.scripted import ScriptedModel, calls, says

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_ci_runs_the_readme_s_test_command_to_the_letter():
    [command] = [line for line in re.findall(r"```sh\n(.*?)\n```", README, re.S) if "pytest" in line]
    assert command in (ROOT / ".ci" / "run").read_text().splitlines()


def test_the_readme_s_first_program_runs(capsys, monkeypatch):
    [program] = [code for code in re.findall(r"```python\n(.*?)```", README, re.S) if "def stock" in code]
    model = ScriptedModel([calls(("stock", {"item": "lamp"})), says("There are 17."), says("Yes.")])
    settings = {"model": model, "store": MemoryStore()}
    names = {"Agent": lambda *given, **more: Agent(*given, **settings, **more)}
    exec(program.replace("import Agent, Limits", "import Limits"), names)
    assert capsys.readouterr().out.splitlines()[0].startswith("There are 17. answered Summary(")
    assert len(program.splitlines()) <= 14


def test_the_readme_s_links_lead_somewhere():
    for link in re.findall(r"\]\((?!http)([^)#]+)", README):
        assert (ROOT / link).exists(), link
