import asyncio
import contextlib
import contextvars
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_process_ends_that_has_left_what_it_iterated():
    program = """
import asyncio
from treadle.runtime.sync import iterate_sync, run_sync
async def count():
    for number in range(9):
        yield number
        await asyncio.sleep(0)
items = iterate_sync(count())
assert next(items) == 0
async def give(): return 3
class Late:
    def __del__(self, run_sync=run_sync, give=give):
        run_sync(give())
late = Late()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, timeout=20, capture_output=True, text=True
    )
    assert "Python has come to its end" in done.stderr


def run_apart(work: Callable[[], object]) -> object:
    """Its result, from a thread: a call that hangs fails the test instead of the whole suite."""
    done: list[object] = []
    thread = threading.Thread(target=lambda: done.append(work()), daemon=True)
    thread.start()
    thread.join(10)
    assert done, "it hangs"
    return done[0]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_tool_that_raises_what_ends_a_loop_has_failed_and_nothing_else_hangs(error):
    @tool
    async def bad() -> str:
        raise error

    model = ScriptedModel([calls("bad"), says("went on")])
    assert run_apart(lambda: agent(model, bad).run_sync("go").answer) == "went on"
    assert error.__name__ in model.seen[1].messages[-1].text
    assert run_apart(lambda: run_sync(give("still there"))) == "still there"


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError]
)
def test_a_model_that_raises_what_ends_a_loop_is_a_bug_in_words_and_nothing_else_hangs(error):
    class Bad(ScriptedModel):
        async def reply(self, request: Any, emit: Any) -> Any:
            raise error

    agents = agent(Bad([]))

    def failed() -> str:
        with pytest.raises(RuntimeError, match="model scripted"):
            agents.run_sync("go", thread="t")
        return run_sync(agents.resume("t")).status

    assert run_apart(failed) == "failed"
    assert run_apart(lambda: run_sync(give("still there"))) == "still there"


def test_a_rule_that_raises_a_ctrl_c_ends_its_turn_and_nothing_else():
    def exits(arguments: Any) -> bool:
        raise KeyboardInterrupt

    @tool(needs_approval=exits)
    async def guarded() -> str:
        return "ran"

    agents = agent(ScriptedModel([calls("guarded")]), guarded)

    def failed() -> str:
        with pytest.raises(RuntimeError, match="KeyboardInterrupt"):
            agents.run_sync("go", thread="t")
        return "told"

    assert run_apart(failed) == "told"
    assert run_apart(lambda: run_sync(give("still there"))) == "still there"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_task_that_a_tool_leaves_behind_cannot_end_the_shared_loop(error):
    @tool
    async def leaves() -> str:
        asyncio.get_running_loop().call_soon(asyncio.ensure_future, raises(error))
        return "left"

    model = ScriptedModel([calls("leaves"), says("went on")])
    assert run_apart(lambda: agent(model, leaves).run_sync("go").answer) == "went on"
    assert run_apart(lambda: run_sync(give("still there"))) == "still there"


async def raises(error: type[BaseException]) -> None:
    with contextlib.suppress(GeneratorExit):  # asyncio would warn of it
        raise error


def test_a_tool_that_stops_the_loop_stops_nothing():
    @tool
    async def stops() -> str:
        asyncio.get_running_loop().stop()
        return "stopped"

    model = ScriptedModel([calls("stops"), says("went on")])
    assert run_apart(lambda: agent(model, stops).run_sync("go").answer) == "went on"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_loop_whose_thread_has_died_is_replaced():
    async def break_loop() -> None:
        loop = asyncio.get_running_loop()

        def fail() -> None:
            raise OSError("a file descriptor was closed")

        loop._run_once = fail  # type: ignore[attr-defined]

    def broken() -> str:
        with pytest.raises(RuntimeError, match="has broken down"):
            run_sync(break_loop())
        return "told"

    assert run_apart(broken) == "told"
    assert run_apart(lambda: run_sync(give("another"))) == "another"
