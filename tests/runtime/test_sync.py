import asyncio
import contextvars
import signal
import subprocess
import sys
import threading

import pytest

from fakes import agent
from treadle import ScriptedModel, tool
from treadle.core.errors import UsageError
from treadle.models.scripted import calls, says
from treadle.runtime.sync import run_sync


async def give(value: object) -> object:
    await asyncio.sleep(0)
    return value


def test_it_gives_the_result_or_raises_the_error():
    async def bad() -> None:
        raise KeyError("x")

    assert run_sync(give(3)) == 3
    with pytest.raises(KeyError):
        run_sync(bad())


def test_it_works_inside_a_running_loop_as_in_a_notebook():
    async def cell() -> object:
        return run_sync(give("in"))

    assert asyncio.run(cell()) == "in"


def test_all_calls_share_one_loop_whatever_thread_they_come_from():
    loops: list[object] = []

    async def which() -> None:
        loops.append(asyncio.get_running_loop())

    threads = [threading.Thread(target=lambda: run_sync(which())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    run_sync(which())
    assert len(loops) == 5
    assert len(set(map(id, loops))) == 1


def test_context_variables_of_the_caller_are_seen():
    user = contextvars.ContextVar("user", default="nobody")
    user.set("ada")

    async def who() -> str:
        return user.get()

    assert run_sync(who()) == "ada"


def test_a_tool_may_run_another_agent_from_its_thread():
    @tool
    def ask(question: str) -> str:
        return agent(ScriptedModel([says("inner")])).run_sync(question).answer

    model = ScriptedModel([calls(("ask", {"question": "?"})), says("outer")])
    assert agent(model, ask).run_sync("go").answer == "outer"
    assert model.seen[1].messages[-1].text == "inner"


def test_waiting_for_itself_is_refused_and_not_a_deadlock():
    @tool
    async def ask() -> str:
        return agent(ScriptedModel([says("never")])).run_sync("x").answer

    model = ScriptedModel([calls("ask"), says("ok")])
    assert agent(model, ask).run_sync("go").answer == "ok"
    assert "would wait for itself" in model.seen[1].messages[-1].text
    with pytest.raises(UsageError):
        run_sync(nested())


async def nested() -> object:
    return run_sync(give(1))


def test_ctrl_c_cancels_waits_for_the_end_and_is_raised():
    ended: list[str] = []

    async def work() -> None:
        try:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0.01)
            ended.append("written")

    with pytest.raises(KeyboardInterrupt):
        run_sync(work())
    assert ended == ["written"]


def test_a_forked_child_has_a_loop_of_its_own():
    program = """
import os
from treadle.runtime.sync import run_sync
async def give(): return 3
assert run_sync(give()) == 3
child = os.fork()
if child == 0:
    os._exit(run_sync(give()))
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=20)
