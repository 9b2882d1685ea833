import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from server import failing, http, says, serving
from treadle.core.errors import ModelUnavailable, UsageError
from treadle.core.events import Call, Text, Thinking, Usage
from treadle.core.model import Message, Reply, Request, ToolSchema
from treadle.models.local import prefix_cache as local_prefix
from treadle.models.local import server as local_server
from treadle.models.local import weights
from treadle.models.local.dialect import write_step
from treadle.models.local.local_model import LocalModel
from treadle.models.local.server import Server
from treadle.models.remote_model import RemoteModel

TIME = ToolSchema(
    "current_time",
    "The time now in a time zone.",
    {
        "type": "object",
        "properties": {"timezone": {"type": "string", "description": "Such as Europe/Berlin."}},
    },
)
ASKED = (Message("system", "Be brief."), Message("user", "What time is it in Tokyo?"))


class Here(LocalModel):
    """The embedded model with a server of the test's in place of llama.cpp's."""

    def start(self) -> tuple[None, RemoteModel]:
        assert self.path
        return None, RemoteModel(
            "local", base_url=Path(self.path).read_text(), api_key="k", name=self.name
        )


def ask(tmp_path: Path, answer: bytes, request: Request) -> tuple[Any, list[str], dict[str, Any]]:
    async def main() -> tuple[Any, list[str], dict[str, Any]]:
        pieces: list[str] = []
        async with serving(answer) as server:
            (tmp_path / "url").write_text(server.url)
            reply = await Here(tmp_path / "url").reply(request, pieces.append)
            return reply, pieces, server.asked[0].body

    return asyncio.run(main())


def test_a_request_is_bound_to_the_tools_and_its_step_becomes_a_call(tmp_path):
    said = write_step("I look at the clock.", "current_time", {"timezone": "Asia/Tokyo"})
    reply, shown, body = ask(tmp_path, says(said), Request(ASKED, (TIME,), 300))
    assert reply.calls == (Call("", "current_time", '{"timezone": "Asia/Tokyo"}'),)
    assert (reply.text, reply.usage, shown) == ("", Usage(10, 5), [])
    assert body["response_format"]["type"] == "json_schema"
    assert (body["max_tokens"], body["temperature"], body["seed"], body["cache_prompt"]) == (
        300,
        0.0,
        1,
        True,
    )
    assert "tools" not in body


def test_an_answer_is_shown_without_its_thought(tmp_path):
    said = write_step("I know it.", "final_answer", {"text": "It is noon."})
    reply, shown, _ = ask(tmp_path, says(said), Request(ASKED, (TIME,)))
    assert reply.content == (Thinking("I know it."), Text("It is noon."))
    assert "".join(shown) == "It is noon."


def test_a_server_that_is_busy_is_an_error_that_may_pass(tmp_path):
    with pytest.raises(ModelUnavailable):
        ask(tmp_path, failing(503, {"error": {"message": "loading"}}), Request(ASKED))


def test_it_is_free_and_named_after_its_file():
    assert LocalModel().name == "local"
    assert LocalModel(Path("a.gguf")).name == "local:a.gguf"
    assert LocalModel("a.gguf").name == "local:a.gguf"
    with pytest.raises(UsageError, match=r"LocalModel\(path\) is an int; give a path"):
        LocalModel(5)  # type: ignore[arg-type]
    assert LocalModel().cost_usd(Usage(10**6, 10**6)) == 0.0


@pytest.mark.treadle_real_models
def test_a_file_that_is_no_model_is_refused_before_anything_starts(tmp_path):
    (tmp_path / "a.gguf").write_text("no")
    with pytest.raises(UsageError, match="is not a GGUF file"):
        asyncio.run(LocalModel(tmp_path / "a.gguf").reply(Request(ASKED), print))


def prefix(folder: Path, *answers: bytes, key: str) -> tuple[list[Any], list[str]]:
    """What is asked of the model and of the server to have a system prompt read, twice over."""

    async def main() -> tuple[list[Any], list[str]]:
        asked: list[Any] = []

        async def ask(body: dict[str, Any]) -> None:
            asked.append(body["messages"][0]["content"])

        async with serving(*answers) as server:
            mine = Server(server.url, key, None, 0, "m", folder)  # type: ignore[arg-type]
            await local_prefix.warm_up(mine, "Rules.", ask)
            await local_prefix.warm_up(mine, "Rules.", ask)
            return asked, [
                f"{each.line.split()[1]} {each.body['filename']}" for each in server.asked
            ]

    return asyncio.run(main())


def test_the_start_of_a_prompt_is_read_once_and_saved(tmp_path):
    asked, slots = prefix(tmp_path, http(200, b"{}"), key="save")
    assert asked == ["Rules."]
    assert len(slots) == 1
    assert slots[0].startswith("/slots/0?action=save ")


def test_what_a_killed_process_was_saving_is_removed(tmp_path):
    for name in ("old.kv.1.part", "new.kv.2.part", "old.kv"):
        (tmp_path / name).touch()
        if name.startswith("old"):
            os.utime(tmp_path / name, (0, 0))
    prefix(tmp_path, http(200, b"{}"), key="stale")
    assert {each.name for each in tmp_path.iterdir()} == {"new.kv.2.part", "old.kv"}


def test_a_start_that_was_saved_is_loaded_and_not_read(tmp_path):
    _, [saved] = prefix(tmp_path, http(200, b"{}"), key="first")
    name = saved.split()[1].partition(".kv")[0] + ".kv"
    (tmp_path / name).write_bytes(b"kv")
    asked, slots = prefix(tmp_path, http(200, b"{}"), key="second")
    assert (asked, slots) == ([], [f"/slots/0?action=restore {name}"])


def test_a_saved_start_that_the_server_refuses_is_read_again(tmp_path):
    _, [saved] = prefix(tmp_path, http(200, b"{}"), key="third")
    name = saved.split()[1].partition(".kv")[0] + ".kv"
    (tmp_path / name).write_bytes(b"torn")
    asked, slots = prefix(
        tmp_path, failing(400, {"error": "bad file"}), http(200, b"{}"), key="fourth"
    )
    assert asked == ["Rules."]
    assert [line.split()[0] for line in slots] == [
        "/slots/0?action=restore",
        "/slots/0?action=save",
    ]


# The real thing: `pytest -m real`. It needs treadle[local], 2.5 GB of memory and a minute.

needs_weights = pytest.mark.skipif(
    not weights.weights_status().assembled and bool(weights.weights_status().missing),
    reason="treadle[local] isn't installed",
)


@pytest.fixture
def one_core() -> Iterator[None]:
    """The servers that a test starts have one core: threads that wait for each other, beside other tests, take twice the time."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    yield
    os.sched_setaffinity(0, cores)


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.treadle_real_models
@pytest.mark.usefixtures("one_core")
@needs_weights
def test_the_real_model_calls_a_tool_answers_and_lets_itself_be_stopped():
    async def main() -> None:
        model = LocalModel()
        called = await model.reply(Request(ASKED, (TIME,), 200), print)
        assert called.calls[0].name == "current_time"
        assert "Tokyo" in called.calls[0].arguments or "Japan" in called.calls[0].arguments
        turn = (Message("assistant", (Call("c1", *_of(called.calls[0])),), opaque=called.opaque),)
        result = (Message("tool", "Monday, 23 November 2026, 06:13 in Asia/Tokyo", call_id="c1"),)
        shown: list[str] = []
        answered = await model.reply(Request(ASKED + turn + result, (TIME,), 200), shown.append)
        assert not answered.calls
        assert "".join(shown) == answered.text
        assert "06:13" in answered.text or "6:13" in answered.text
        assert (
            answered.usage.cached_tokens > answered.usage.input_tokens // 2
        )  # the prefix was not read again
        cut = await model.reply(Request(ASKED, (), 3), print)
        assert cut.finish_reason == "length"
        started = asyncio.Event()
        long = Request((ASKED[0], Message("user", "Count from 1 to 900.")), (), 1000)
        task = asyncio.create_task(model.reply(long, lambda text: started.set()))
        await started.wait()
        task.cancel()
        assert isinstance(
            (await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError
        )
        again = await asyncio.wait_for(model.reply(Request(ASKED, (), 3), print), 30)
        assert again.text

    asyncio.run(main())


def _of(call: Call) -> tuple[str, str]:
    return call.name, call.arguments


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.treadle_real_models
@needs_weights
def test_a_process_that_is_interrupted_while_the_real_model_loads_ends_without_it():
    code = (
        "import asyncio, threading\n"
        "from treadle.core.model import Message, Request\n"
        "from treadle.models.local import server, weights\n"
        "from treadle.models.local.local_model import LocalModel\n"
        "weights.ensure_weights(None)\n"
        "def look():\n"
        "    while not server.loading: pass\n"
        "    print(*(each.pid for each in server.loading), flush=True)\n"
        "threading.Thread(target=look, daemon=True).start()\n"
        "asyncio.run(LocalModel().reply(Request((Message('user', 'Hi'),)), print))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        parent.send_signal(signal.SIGINT)
        parent.wait(timeout=60)
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


@contextmanager
def living_elsewhere() -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """A process with a server that speaks by the template of its file, the server's address and its key."""
    code = (
        "from treadle.models.local.local_model import LocalModel; import sys\n"
        "from treadle.models.local import weights\n"
        "server, _ = LocalModel(weights.ensure_weights(None), context_tokens=2048).start()\n"
        "print(server.url, server.key, flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdin
    assert parent.stdout
    with parent.stdin, parent.stdout:
        url, key = parent.stdout.readline().split()
        assert url.startswith("http://127.0.0.1:")
        try:
            yield parent, url, key
        finally:
            parent.kill()
            parent.wait()


async def asked(model: LocalModel, request: Request) -> Reply:
    """As the loop asks: once more where the server has just closed the kept connection."""
    try:
        return await model.reply(request, print)
    except ModelUnavailable:
        return await model.reply(request, print)


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.treadle_real_models
@pytest.mark.usefixtures("one_core")
@needs_weights
def test_the_real_server_applies_a_files_own_template_asks_for_its_key_and_dies_with_its_process():
    with living_elsewhere() as (parent, url, key):

        class There(LocalModel):
            def start(self) -> tuple[None, RemoteModel]:
                return None, RemoteModel("local", base_url=url, api_key=key, name=self.name)

        async def main() -> None:
            model = There(weights.ensure_weights(None), context_tokens=2048)
            called = await asked(model, Request(ASKED, (TIME,), 100))
            assert called.calls[0].name == "current_time"
            assert called.usage.input_tokens > 120  # the template showed the tool
            schema = {"type": "object", "properties": {"n": {"enum": [7]}}, "required": ["n"]}
            seven = (Message("user", "Say seven."),)
            answered = await asked(model, Request(seven, (), 20, output_schema=schema))
            assert json.loads(answered.text) == {"n": 7}

        asyncio.run(main())
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(
                urllib.request.Request(f"{url}/chat/completions", data=json.dumps({}).encode())
            )
        refused.value.close()
        assert refused.value.code == 401
        parent.kill()
        parent.wait()
        deadline = 200
        while deadline and not _gone(url):
            deadline -= 1
        assert deadline


def _gone(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url.removesuffix('/v1')}/health", timeout=0.05):
            return False
    except (urllib.error.URLError, OSError):
        return True


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.treadle_real_models
@needs_weights
def test_the_real_server_says_why_it_cannot_use_a_file(tmp_path):
    (tmp_path / "half.gguf").write_bytes(b"GGUF" + b"\0" * 1000)
    with pytest.raises(UsageError, match=r"llama\.cpp can't use"):
        local_server.ensure_server(tmp_path / "half.gguf", 512)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cores", "busy", "threads"), [(2, 0.0, 2), (2, 1.0, 1), (8, 0.3, 8), (8, 2.0, 7), (1, 1.0, 1)]
)
def test_a_core_is_left_alone_where_the_machine_has_other_work(cores, busy, threads):
    assert local_server.choose_threads(cores, busy) == threads
