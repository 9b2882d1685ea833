"""The guide's programs run, in their order, in one namespace; its tables say what the code says."""

import re
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from treadle import Agent, ContextWindow, Limits, MemoryStore, Tool, TreadleError
from treadle.core import errors
from treadle.models.resolve import PROVIDERS
from treadle.models.scripted import ScriptedModel, calls, says

GUIDE = (Path(__file__).parents[2] / "docs" / "guide.md").read_text()
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", GUIDE, re.S | re.M))

SCRIPTS = {
    "Agents and results": [
        calls(("stock", {"item": "lamp"})),
        says("There are 17."),
        says("It is."),
    ],
    "Tools": [
        calls(("reserve", {"item": "lamp"}), ("lookup", {"order": "7"})),
        says("Both are done."),
    ],
    "Limits": [
        calls(("stock", {"item": "lamp"})),
        says("I have looked."),
        says("There are 17 lamps."),
    ],
    "Accounts and budgets": [says("Good morning to you.")],
    "Approvals and rules": [
        calls(("refund", {"customer": "C-17", "euros": 250})),
        says("200 are on their way."),
    ],
    "Checks, and rules with functions": [
        calls(("pay_back", {"euros": 500})),
        says("200 euros are paid back."),
    ],
    "Posts, resuming, cancelling": [
        calls(("ask_user", {"question": "Which colour?"})),
        says("It is blue."),
        calls(("ask_user", {"question": "Which colour?"})),
    ],
    "Check instead of ask": [],
    "Time-outs": [calls(("transfer", {"euros": 5})), says("The bank has booked it.")],
    "Work elsewhere": [calls(("build", {"branch": "main"})), says("Main is built.")],
    "Talk to it while it works": [says("The door is blue too.")],
    "Streaming and listeners": [says("There are 17."), says("Hello.")],
    "Answers of a type, plans": [
        says("1. Quote."),
        says('{"item": "lamp"}'),
        says('{"item": "lamp", "price": 12.5}'),
    ],
    "Types": [calls(("price", {"item": "lamp"})), says('{"item": "lamp", "price": 12.5}')],
    "Conversations and the window": [says("In francs, then."), says("12.50 a lamp.")],
    "Notes across threads": [
        calls(("remember", {"text": "Ann is vegan", "scope": "user:ann"})),
        says("I will."),
        says("No meat."),
    ],
    "Several agents": [
        calls(("pricer", {"task": "What does a lamp cost?"})),
        says("12.50"),
        says("A lamp costs 12.50."),
    ],
    "Stores": [says("Good day.")],
    "Models": [says("17."), says("Seventeen.")],
    "Images and files": [says("A lamp.")],
    "Testing, forks, replays": [],
}
SHOWN = (
    "There are 17. monday",
    "tool_successes=1",
    "Both are done.",
    "limit steps",
    "There are 17 lamps.",
    "Good morning to you.",
    'refund {"customer": "C-17", "euros": 250} money leaves',
    "200 are on their way.",
    "refused please send no card numbers",
    'pay_back {"euros":200}',
    "200 paid back to [IBAN] instead of 200 paid back to DE00",
    "200 euros are paid back.",
    "It is blue.",
    "unknown transfer took longer than 0.2 s and was cancelled",
    "The bank has booked it.",
    "waiting pending build",
    "Main is built.",
    "The door is blue too.",
    "[ModelReplied]",
    "12.5",
    "In francs, then.",
    "12.50 a lamp.",
    "No meat.",
    "A lamp costs 12.50.",
    "Good day.",
    "A lamp.",
)


def programs(section: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", SECTIONS[section], re.S)


def rows(section: str) -> dict[str, str]:
    """Of a section's tables: first column to second."""
    return dict(re.findall(r"^\| `(\w+)` \| ([^|]*?) \|", SECTIONS[section], re.M))


def test_every_section_with_programs_has_a_script_here():
    assert [name for name in SECTIONS if programs(name)] == list(SCRIPTS)


def test_the_guide_s_programs_run_in_their_order(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    settings = {
        "model": ScriptedModel([item for script in SCRIPTS.values() for item in script]),
        "store": MemoryStore(),
    }
    names = {"Agent": lambda *given, **more: Agent(*given, **(settings | more))}
    asked = 0
    for section, script in SCRIPTS.items():
        for program in programs(section):
            exec(program.replace("import Agent, ", "import "), names)
        asked += len(script)
        assert len(settings["model"].seen) == asked, section
    out = capsys.readouterr().out
    for text in SHOWN:
        assert text in out


@pytest.mark.parametrize(
    ("section", "kind"),
    [("Limits", Limits), ("Tools", Tool), ("Conversations and the window", ContextWindow)],
)
def test_settings_and_their_defaults_are_the_code_s(section, kind):
    of_code = {field.name: field.default for field in fields(kind) if field.default is not MISSING}
    ours = (
        "function",
        "check",
        "context",
        "needs_deps",
        "special",
        "after",
        "on_demand",
        "prompt",
    )  # nothing that one sets on a function
    of_code = {name: default for name, default in of_code.items() if name not in ours}
    said = rows(section)
    assert said.keys() == of_code.keys()
    for name, default in of_code.items():
        words = str(int(default) if isinstance(default, float) else default)
        assert said[name].replace(",", "") == words, name


def test_the_errors_in_the_table_are_the_code_s():
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, TreadleError)
    ]
    told = set(re.findall(r"`([A-Z]\w+)`", SECTIONS["Errors"]))
    assert told == {kind.__name__ for kind in kinds} - {
        "AccountFull",
        "SeqTaken",
        "ReplayEnds",
    }  # which nobody outside ever sees


def test_the_environment_variables_are_all_told():
    source = "\n".join(path.read_text() for path in (Path(errors.__file__).parent).rglob("*.py"))
    read = set(re.findall(r'environ(?:\.get\(|\[)"([A-Z_]+)"', source)) - {
        "NO_COLOR",
        "TERM",
        "_TYPER_COMPLETE_ARGS",
    }
    assert read - {"COMP_WORDS"} <= set(
        re.findall(r"`([A-Z_]+)`", SECTIONS["Environment variables"])
    )
    for scheme in PROVIDERS:
        assert f"{scheme}:…" in SECTIONS["Models"]


def test_the_guide_s_links_lead_somewhere():
    for link in re.findall(r"\]\((?!http)([^)#]+)", GUIDE):
        assert (Path(__file__).parents[2] / "docs" / link).exists(), link
