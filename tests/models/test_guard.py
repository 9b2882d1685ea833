import asyncio
import subprocess
import sys
import threading

import pytest

from server import says, serving
from treadle import Agent, MemoryStore, UsageError, run_sync
from treadle.core.model import Message, Request
from treadle.models.guard import refuse_real
from treadle.models.local.local_model import LocalModel
from treadle.models.remote_model import RemoteModel

GO = Request((Message("user", "go"),))


@pytest.fixture
def _forbidden(monkeypatch):
    monkeypatch.setenv("TREADLE_REAL_MODELS", "no")


@pytest.mark.parametrize(
    "url", ["https://api.openai.com/v1", "http://localhost.example:8000/v1", "http://127.0.0.2/v1"]
)
@pytest.mark.usefixtures("_forbidden")
def test_a_model_beyond_this_machine_is_refused_before_a_connection_opens(url):
    model = RemoteModel("m", base_url=url, api_key="k")
    with pytest.raises(UsageError, match=r"openai:m is a real model.*treadle_real_models"):
        asyncio.run(model.reply(GO, print))


@pytest.mark.usefixtures("_forbidden")
def test_the_embedded_model_is_refused_before_its_weights_are_touched():
    with pytest.raises(UsageError, match="local is a real model"):
        asyncio.run(LocalModel().reply(GO, print))


@pytest.mark.usefixtures("_forbidden")
def test_a_server_on_this_machine_is_asked():
    async def main() -> str:
        async with serving(says("hello")) as server:
            return (
                await RemoteModel("m", base_url=server.url, api_key="k").reply(
                    GO, lambda text: None
                )
            ).text

    assert asyncio.run(main()) == "hello"


@pytest.mark.usefixtures("_forbidden")
def test_it_holds_in_run_sync_and_in_threads_and_the_log_says_why():
    caught: list[BaseException] = []
    store = MemoryStore()

    def ask() -> None:
        try:
            Agent(
                model=RemoteModel("m", base_url="https://a.test/v1", api_key="k"), store=store
            ).run_sync("go")
        except UsageError as error:
            caught.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(10)
    assert "is a real model" in str(caught[0])
    [info] = run_sync(store.threads())
    assert b"TREADLE_REAL_MODELS=no" in run_sync(store.read(info.thread_id))[-1].event


@pytest.mark.slow
@pytest.mark.usefixtures("_forbidden")
def test_it_holds_in_child_processes():
    code = "from treadle.models.guard import refuse_real; refuse_real('m')"
    child = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert "UsageError: m is a real model" in child.stderr


@pytest.mark.parametrize("value", [None, "", "yes"])
def test_unless_it_says_no_all_may_be_asked(monkeypatch, value):
    monkeypatch.delenv("TREADLE_REAL_MODELS", raising=False)
    if value is not None:
        monkeypatch.setenv("TREADLE_REAL_MODELS", value)
    refuse_real("m")
