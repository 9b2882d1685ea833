"""docs/how-to: what each page's programs do with a scripted model; other frameworks' code is read only.

Their code was run by hand, with the versions that the pages name. A block of theirs begins with a
comment that says whose it is.
"""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from treadle import Agent, MemoryStore
from treadle.evals.dataset_files import load_dataset
from treadle.models.scripted import ScriptedModel, calls, says

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
PAGES = sorted(HOW_TO.glob("*.md"))
FOREIGN = ("# langgraph\n", "# openai-agents\n", "# pydantic-ai\n")
REFUND = calls(("refund", {"customer": "C-17", "euros": 250}))
STOCK = calls(("stock", {"item": "lamp"}))
SCRIPTS = {
    "from-langgraph": [REFUND, says("It is paid back.")],
    "from-openai-agents": [REFUND, says("It is paid back.")],
    "from-pydantic-ai": [REFUND, says("It is paid back.")],
    "from-your-own-loop": [STOCK, says("There are 17."), says("No."), says("No chairs either.")],
    "your-provider": [],
    "costs": [STOCK, says("There are 17.")],
    "evals-in-ci": [],
    "run-in-production": [],
}
SHOWN = {
    "from-langgraph": "It is paid back.\n",
    "from-openai-agents": "It is paid back.\n",
    "from-pydantic-ai": "It is paid back.\n",
    "from-your-own-loop": "There are 17. answered",
    "costs": "answered ",
}


def blocks_of(name: str, language: str = "python") -> list[str]:
    text = (HOW_TO / f"{name}.md").read_text("utf8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


def test_every_page_is_run_here():
    assert {page.stem for page in PAGES} == set(SCRIPTS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_treadle_s_programs_run_in_their_order(name, capsys):
    model = ScriptedModel(SCRIPTS[name])
    settings: dict[str, Any] = {"model": model, "store": MemoryStore()}
    names = {"Agent": lambda *given, **more: Agent(*given, **(more | settings))}
    names["__name__"] = "__main__"
    for program in blocks_of(name):
        compile(program, name, "exec")
        if not program.startswith((*FOREIGN, "# own\n")):
            program = program.replace("from shop import shop\n", "")
            exec(program.replace("import Agent, ", "import "), names)
    assert SHOWN.get(name, "") in capsys.readouterr().out
    assert len(model.seen) == len(SCRIPTS[name])


def test_the_two_sides_have_the_same_tools():
    for name in ("from-langgraph", "from-openai-agents", "from-pydantic-ai"):
        theirs, ours, *_ = blocks_of(name)
        assert theirs.startswith(FOREIGN)
        for line in (
            '"""How many of an item are in stock."""',
            '"""Pay money back to a customer."""',
        ):
            assert line in theirs
            assert line in ours


def test_the_loop_of_one_s_own_works_too(tmp_path):
    replies = [
        {
            "role": "assistant",
            "tool_calls": [
                {"id": "c1", "function": {"name": "stock", "arguments": '{"item": "lamp"}'}}
            ],
        },
        {"role": "assistant", "content": "There are 17."},
    ]
    seen = []

    def create(**request: Any) -> Any:
        seen.append(list(request["messages"]))
        reply = replies[len(seen) - 1]
        message = SimpleNamespace(model_dump=lambda exclude_none: reply)
        return SimpleNamespace(choices=[SimpleNamespace(message=message)])

    program = blocks_of("from-your-own-loop")[0].replace("messages.db", str(tmp_path / "m.db"))
    names: dict[str, Any] = {}
    exec(program, names)
    client = SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=create)))
    assert names["run"](client, "ann", "How many lamps?") == "There are 17."
    assert seen[1][-1] == {"role": "tool", "tool_call_id": "c1", "content": "17"}
    assert len(names["load"]("ann")) == 4
    names["db"].close()


def test_the_cases_for_ci_are_a_dataset_and_its_workflow_is_yaml(tmp_path):
    cases, workflow = blocks_of("evals-in-ci", "yaml")
    [shop] = blocks_of("evals-in-ci")
    (tmp_path / "shop.py").write_text(shop, "utf8")
    (tmp_path / "cases.yaml").write_text(cases, "utf8")
    dataset = load_dataset(str(tmp_path / "cases.yaml"))
    assert [case.name for case in dataset.cases] == ["lamps", "refund"]
    [job] = yaml.safe_load(workflow)["jobs"].values()
    assert any("treadle eval" in step.get("run", "") for step in job["steps"])
