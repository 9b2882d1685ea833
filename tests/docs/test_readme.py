"""What the README promises to a newcomer is what is tested."""

import asyncio
import re
from pathlib import Path

from fakes import killed_while_it_paid
from treadle import Agent, MemoryStore
from treadle.models.resolve import DEFAULT_CLAUDE, DEFAULT_MODEL
from treadle.models.scripted import ScriptedModel, calls, says

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PROGRAMS = re.findall(r"```python\n(.*?)```", README, re.S)


def run(program: str, *script, store: MemoryStore) -> None:
    """The program as it stands, but that its agents have this model and this store."""
    settings = {"model": ScriptedModel(script), "store": store}
    names = {"Agent": lambda *given, **more: Agent(*given, **(settings | more))}
    exec(program.replace("from treadle import Agent, ", "from treadle import "), names)
    assert len(settings["model"].seen) == len(script)


def test_ci_runs_the_readme_s_test_command_to_the_letter():
    [command] = [
        line for line in re.findall(r"```sh\n(.*?)\n```", README, re.S) if "pytest" in line
    ]
    assert command in (ROOT / ".ci" / "run").read_text().splitlines()


def test_it_has_two_programs_and_each_is_tested_here():
    assert len(PROGRAMS) == 2


def test_the_first_program_runs(capsys):
    program = PROGRAMS[0]
    run(
        program,
        calls(("stock", {"item": "lamp"})),
        says("There are 17."),
        says("Yes."),
        store=MemoryStore(),
    )
    assert capsys.readouterr().out.splitlines()[0].startswith("There are 17. answered Summary(")
    assert len(program.splitlines()) <= 14


def test_the_program_after_a_crash_goes_on_and_pays_nothing_twice(capsys):
    store = killed_while_it_paid(
        "bills", "Pay 300 euros from account A-1.", '{"account": "A-1", "amount": 300}'
    )
    run(PROGRAMS[1], says("Paid."), store=store)
    assert capsys.readouterr().out == "Paid.\n"
    kinds = [row.event for row in asyncio.run(store.read("bills"))]
    assert sum(b'"ToolStarted"' in kind for kind in kinds) == 1
    assert any(b'"OutcomeDecided"' in kind and b'"ran"' in kind for kind in kinds)


def test_the_default_models_that_it_names_are_the_code_s():
    for name in (DEFAULT_MODEL, DEFAULT_CLAUDE):
        assert f"`{name.partition(':')[2]}`" in README


def test_its_links_lead_somewhere():
    for link in re.findall(r"\]\((?!http)([^)#]+)", README):
        assert (ROOT / link).exists(), link
