"""docs/server.md: its files serve several people, from two workers that are killed and replaced in the middle of turns.

The workers are real: uvicorn on 127.0.0.1 over one SQLite file. Their model is a server of this process.
"""

import asyncio
import json
import os
import re
import signal
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvicorn

from server import Server, calls, delta, says, serving, stream, streamed
from treadle import Agent, MemoryStore, Record, SQLiteStore, run_sync
from treadle.core import events as e
from treadle.models import scripted
from treadle.stores.rows import from_rows

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "server.md").read_text("utf8")
SHOP, APP = re.findall(r"```python\n(.*?)```", PAGE, re.S)
[HTML] = re.findall(r"```html\n(.*?)```", PAGE, re.S)
[COMMAND] = re.findall(r"^uvicorn (.*)$", PAGE, re.M)
ANNA, BEN = (f"Basic {b64encode(each).decode()}" for each in (b"anna:wheel", b"ben:spindle"))


@dataclass
class Event:
    """One server-sent event."""

    name: str
    id: int | None
    data: Any


@dataclass
class Worker:
    """A client of one uvicorn process."""

    url: str
    http: aiohttp.ClientSession
    process: asyncio.subprocess.Process | None = None

    async def say(self, name: str, text: str, who: str = ANNA, key: str = "") -> int:
        return await self.post(
            f"{name}/messages", {"text": text}, who, {"Idempotency-Key": key} if key else {}
        )

    async def post(
        self,
        path: str,
        body: Any = None,
        who: str = ANNA,
        headers: dict[str, str] | None = None,
    ) -> int:
        url = f"{self.url}/threads/{path}"
        async with self.http.post(
            url, json=body, headers={"Authorization": who} | (headers or {})
        ) as response:
            return response.status

    async def events(
        self, name: str, last_id: int | None = None, who: str = ANNA
    ) -> AsyncIterator[Event]:
        headers = {"Authorization": who}
        if last_id is not None:
            headers["Last-Event-ID"] = str(last_id)
        url = f"{self.url}/threads/{name}/events"
        async with self.http.get(url, headers=headers) as response:
            response.raise_for_status()
            fields: dict[str, str] = {}
            async for line in response.content:
                field, _, value = line.decode().rstrip("\n").partition(": ")
                if field:
                    fields[field] = value
                elif "data" in fields:
                    seq = int(fields["id"]) if "id" in fields else None
                    yield Event(fields["event"], seq, json.loads(fields["data"]))
                    fields = {}

    async def follow(self, name: str, last_id: int | None = None, who: str = ANNA) -> list[Event]:
        return [event async for event in self.events(name, last_id, who)]

    async def page(self) -> str:
        async with self.http.get(f"{self.url}/", headers={"Authorization": ANNA}) as response:
            return await response.text()

    async def end(self, how: signal.Signals) -> str:
        """Send this signal, and wait for the process to end; the rest of what it wrote."""
        assert self.process
        assert self.process.stderr
        self.process.send_signal(how)
        rest = await self.process.stderr.read()
        await self.process.wait()
        return rest.decode()


Start = Callable[[], Awaitable[Worker]]


@asynccontextmanager
async def workers(place: Path, model: Server) -> AsyncIterator[Start]:
    """Starts workers with the page's files and its command, each on a free port."""
    place.joinpath("shop.py").write_text(SHOP, "utf8")
    assert "grace_s=20" in APP
    place.joinpath("server.py").write_text(APP.replace("grace_s=20", "grace_s=1"), "utf8")
    place.joinpath("index.html").write_text(HTML, "utf8")
    options = COMMAND.replace("--workers 2", "--host 127.0.0.1 --port 0").split()
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(
            filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")])
        ),
        "TREADLE_DB": str(place / "threads.db"),
        "TREADLE_MODEL": f"{model.url}#m",
    }
    started: list[Worker] = []
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as http:

        async def start() -> Worker:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "uvicorn", *options),
                cwd=place,
                env=environment,
                stderr=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
            )
            assert process.stderr
            told = ""
            while not (found := re.search(r"running on (http://127\.0\.0\.1:\d+)", told)):
                line = await process.stderr.readline()
                assert line, f"the worker has not started: {told}"
                told += line.decode()
            started.append(Worker(found[1], http, process))
            return started[-1]

        try:
            yield start
        finally:
            for worker in started:
                if worker.process and worker.process.returncode is None:
                    await worker.end(signal.SIGKILL)


def log_of(place: Path, thread: str) -> list[Record]:
    async def read() -> list[Record]:
        return from_rows(thread, await SQLiteStore(place / "threads.db").read(thread))

    return run_sync(read())


def seqs(events: list[Event]) -> list[int]:
    return [event.id for event in events if event.id is not None]


async def rest_of(events: AsyncIterator[Event]) -> list[Event]:
    """What comes until the stream ends or breaks off."""
    told: list[Event] = []
    with suppress(aiohttp.ClientError):
        async for event in events:
            told.append(event)
    return told


def never_ending(*texts: str) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    """An answer that begins, and then stands still until its client goes away."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(
            streamed([stream(*(delta(content=text) for text in texts), done=False)], end=False)
        )
        await writer.drain()
        await asyncio.Event().wait()

    return answer


async def until(events: AsyncIterator[Event], name: str, told: list[Event]) -> None:
    """Read on to the first event of this name."""
    async for event in events:
        told.append(event)
        if event.name == name:
            return
    raise AssertionError(f"no {name} in {told}")


@pytest.mark.slow
@pytest.mark.real
def test_a_worker_is_killed_in_mid_stream_and_the_other_has_the_rest(tmp_path: Path):
    async def whole() -> list[Event]:
        async with (
            serving(
                never_ending("You have"), calls(("orders", {})), says("You have a lamp.")
            ) as model,
            workers(tmp_path, model) as start,
        ):
            first, second = await asyncio.gather(start(), start())
            assert await first.say("monday", "What have I ordered?") == 202
            told: list[Event] = []
            stream = first.events("monday")
            await until(stream, "delta", told)
            assert told[-1].data == "You have"
            await first.end(signal.SIGKILL)
            assert await rest_of(stream) == []
            return told + await second.follow("monday", seqs(told)[-1])

    told = asyncio.run(whole())
    assert seqs(told) == [record.seq for record in log_of(tmp_path, "anna/monday")]
    assert (told[-1].name, told[-1].data["answer"]) == ("result", "You have a lamp.")
    words = [event.data["text"] for event in told if event.name == "record" and event.data["text"]]
    assert words == ["What have I ordered?", "You have a lamp."]


@pytest.mark.slow
@pytest.mark.real
def test_a_deploy_leaves_a_turn_to_the_next_worker(tmp_path: Path):
    async def whole() -> tuple[list[Event], str]:
        async with (
            serving(never_ending("You"), says("You have a lamp.")) as model,
            workers(tmp_path, model) as start,
        ):
            old = await start()
            assert await old.say("monday", "What have I ordered?") == 202
            told: list[Event] = []
            stream = old.events("monday")
            await until(stream, "delta", told)
            last_words, rest = await asyncio.gather(old.end(signal.SIGTERM), rest_of(stream))
            new = await start()
            return told + rest + await new.follow("monday", seqs(told + rest)[-1]), last_words

    told, last_words = asyncio.run(whole())
    records = log_of(tmp_path, "anna/monday")
    assert "Application shutdown complete" in last_words
    assert "Traceback" not in last_words
    assert [
        record.event.releases for record in records if isinstance(record.event, e.ThreadClaimed)
    ]
    assert seqs(told) == [record.seq for record in records]
    assert (told[-1].name, told[-1].data["answer"]) == ("result", "You have a lamp.")


@pytest.mark.slow
@pytest.mark.real
def test_two_people_two_workers_the_same_post_and_an_approval_by_the_other(tmp_path: Path):
    script = calls(("refund", {"order": "A-17"})), says("It is paid back."), never_ending("Well")

    async def whole() -> None:
        async with serving(*script) as model, workers(tmp_path, model) as start:
            first, second = await asyncio.gather(start(), start())
            again = [
                worker.say("monday", "Pay A-17 back", key="click 1") for worker in (first, second)
            ]
            assert await asyncio.gather(*again) == [202, 202]
            assert await second.page() == HTML
            assert await second.say("monday", "Pay A-17 back", key="click 1") == 202
            assert await first.say("monday", "Something else", key="click 1") == 422
            told = await second.follow("monday")
            assert told[-1].data["status"] == "waiting"
            [waiting] = told[-1].data["waiting"]

            assert [event.name for event in await first.follow("monday", who=BEN)] == ["failed"]
            for name in ("monday", "..%2Fanna%2Fmonday", "anna%2Fmonday"):
                assert (
                    await first.post(f"{name}/approvals", waiting | {"allowed": True}, BEN) == 404
                )
            assert await first.post("monday/cancel", who=BEN) == 404
            assert await first.post("monday/cancel", who=BEN[:-4]) == 401

            yes = [
                worker.post("monday/approvals", waiting | {"allowed": True})
                for worker in (second, first)
            ]
            assert sorted(await asyncio.gather(*yes)) == [202, 409]
            ended = await first.follow("monday", seqs(told)[-1])
            assert ended[-1].data["answer"] == "It is paid back."
            assert await first.say("monday", "Pay A-17 back", key="click 1") == 202
            assert seqs(told + ended) == list(range(1, 1 + len(seqs(told + ended))))
            assert len(model.asked) == 2

            assert await first.say("tuesday", "Hello") == 202
            other = second.events("tuesday")
            stream: list[Event] = []
            await until(other, "record", stream)
            assert await first.say("tuesday", "And now?") == 409
            assert await second.post("tuesday/cancel") == 202
            assert (await rest_of(other))[-1].data["status"] == "cancelled"

    asyncio.run(whole())
    assert len((tmp_path / "refunds.txt").read_text("utf8").splitlines()) == 1
    said = [r for r in log_of(tmp_path, "anna/monday") if isinstance(r.event, e.UserSaid)]
    assert len(said) == 1


def test_the_page_s_server_answers():
    """In this process, so that it is fast: with the lowest versions of all that it uses, too."""
    script = [scripted.calls("orders"), scripted.says("You have a lamp.")]
    settings: dict[str, Any] = {"model": scripted.ScriptedModel(script), "store": MemoryStore()}
    names: dict[str, Any] = {"Agent": lambda *given, **more: Agent(*given, **(settings | more))}
    exec(SHOP.replace("import Agent, ", "import "), names)
    exec(APP.replace("from shop import agent\n", ""), names)

    async def whole() -> list[Event]:
        config = uvicorn.Config(names["app"], host="127.0.0.1", port=0, log_level="critical")
        server = uvicorn.Server(config)
        listening = config.bind_socket()
        listening.listen()
        port = listening.getsockname()[1]
        serving = asyncio.create_task(server.serve([listening]))
        async with aiohttp.ClientSession() as http:
            worker = Worker(f"http://127.0.0.1:{port}", http)
            assert await worker.say("monday", "What have I ordered?") == 202
            told = await worker.follow("monday")
            assert [each.name for each in await worker.follow("monday", who=BEN)] == ["failed"]
        server.should_exit = True
        await serving
        return told

    told = asyncio.run(whole())
    assert told[-1].data["answer"] == "You have a lamp."
    assert seqs(told) == list(range(1, len(seqs(told)) + 1))


def test_the_page_s_links_lead_somewhere():
    for link in re.findall(r"\]\((?!http)([^)#]+)", PAGE):
        assert (ROOT / "docs" / link).exists(), link
