"""A server made with the SDK, whose questions are sealed by a key of its process: see servers/demo.py."""

import asyncio
import sys
from pathlib import Path

import pytest

pytest.importorskip("mcp_types", reason="needs the extra: pip install 'treadle[mcp]'")

from treadle import Agent, MemoryStore, Rule, ScriptedModel, UserSaid
from treadle.mcp import background, mcp
from treadle.models.scripted import calls, says

DEMO = Path(__file__).parent / "servers" / "demo.py"


def agent(store, *replies):
    source = mcp(f"{sys.executable} {DEMO}", timeout_s=1.0)
    rules = [Rule("*", "allow")]
    return Agent(tools=[source], model=ScriptedModel([*replies]), rules=rules, store=store)


@pytest.mark.slow
def test_a_sealed_question_is_answered_after_the_server_s_restart_and_progress_extends_the_time():
    store = MemoryStore()
    both = calls(("demo__work", {"steps": 30}), ("demo__order", {"lamp": "desk"}))
    waits = agent(store, both).run_sync("go", thread="t").waiting
    assert [each.name for each in waits] == ["demo__order"]
    background.close_all()
    asyncio.run(agent(store).post("t", UserSaid("red", answers=waits[0].id)))
    last = agent(store, says("done"))
    assert asyncio.run(last.resume("t")).answer == "done"
    assert [m.text for m in last.model.seen[-1].messages if m.role == "tool"] == [
        "done",
        "desk, red",
    ]
