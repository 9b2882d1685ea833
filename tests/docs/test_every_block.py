"""No program of a page goes untested: each page has a test that reads it, and the rest are run here.

They run in an empty folder. In CI, Treadle is installed there as a wheel, without its sources.
"""

import os
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from treadle import Agent, MemoryStore, ScriptedModel, SQLiteStore, run_sync
from treadle.models.scripted import says

ROOT = Path(__file__).parents[2]
TESTS = {path: path.read_text("utf8") for path in (ROOT / "tests").rglob("*.py")}
BY_FOLDER = {"tutorial": "test_tutorial.py", "how-to": "test_how_to.py"}
"""Folders whose pages are all run by one file of tests."""


def programs_of(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf8"), re.S)


@pytest.fixture
def empty_folder(tmp_path: Path) -> Iterator[Path]:
    before = os.getcwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)


def test_every_page_with_programs_is_read_by_a_test() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        name = str(page.relative_to(ROOT))
        if not programs_of(name) or page.parent.name in BY_FOLDER:
            continue
        named = [test for test, text in TESTS.items() if f'{page.name}"' in text]
        assert named, f"no test reads {name}, which has programs"


def test_threads_are_listed_and_deleted(empty_folder: Path, capsys: Any) -> None:
    pages, deletion, retention = programs_of("docs/ends.md")
    with closing(SQLiteStore("agents.db")) as store:
        model = ScriptedModel([says("Yes.")] * 4)
        agent = Agent("Be brief.", name="clerk", model=model, store=store)
        names: dict[str, Any] = {"store": store, "agent": agent}
        for thread in ("one", "order-17", "a", "b"):
            agent.run_sync("Hello?", thread=thread)
        exec(pages, names)
        assert [len(names["page"]), names["following"]] == [4, []]
        exec(deletion, names)
        exec(pages, names)
        assert [each.thread_id for each in names["page"]] == ["one"]
    exec(retention, names)
    names["store"].close()
    assert capsys.readouterr().out.splitlines()[-1] == "()"


def test_a_site_has_agents_under_a_path(empty_folder: Path) -> None:
    pytest.importorskip("starlette")
    [program] = programs_of("docs/serve.md")
    names: dict[str, Any] = {}
    exec(program, names)
    assert any(getattr(route, "path", "") == "/agents" for route in names["site"].routes)


def test_a_store_is_made_for_a_tenant() -> None:
    tenant, _ = programs_of("docs/scaling.md")
    names: dict[str, Any] = {}
    exec(tenant, names)
    assert names["store"].place == "postgresql://db.example/agents?tenant=acme"


def test_a_message_is_submitted_and_its_answer_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TREADLE_ENGINE", raising=False)
    _, submit = programs_of("docs/scaling.md")
    names: dict[str, Any] = {}
    exec(submit, names)
    model = ScriptedModel([says("On its way.")])
    names["shop"] = replace(names["shop"], model=model, store=MemoryStore())
    assert run_sync(names["answer"]("Where is order 7?", "mail-4711")) == "On its way."
