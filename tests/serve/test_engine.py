"""A server with an engine: it appends and tells, workers do the work; what it drives is what it streams."""

import asyncio
import json
from dataclasses import replace

import pytest

from fake_engine import Hired, Told
from fakes import killed_while_it_paid, live
from serve.serving import WANTS_TO_PAY, Shop, events_of, seqs_of, serving, wait_for_result
from serve.test_threads import types_of
from treadle import Agent, Limits, MemoryStore, ModelUnavailable, Pending, ScriptedModel, flow, tool
from treadle.core import events as e
from treadle.core.errors import ModelError
from treadle.engines import Job
from treadle.models.scripted import calls, says
from treadle.runtime.log import open_log
from treadle.runtime.sync import run_sync
from treadle.runtime.world import World
from treadle.serve.queue import QueueReader
from treadle.serve.served import make_served
from treadle.tools.ask import ask_user
from treadle.workers import elsewhere

MINE = [Job("resume", "shop", "t")]


def driven(client, thread="t"):
    """How often a process has begun to drive the thread."""
    records = client.get(f"/api/threads/{thread}/records").json()
    events = [each["record"]["event"] for each in records]
    return sum(bool(each.get("driver")) for each in events if "Claimed" in each["type"])


def test_a_message_is_in_the_log_and_the_engine_told_but_nothing_is_driven():
    shop, engine = Shop(), Told()
    with serving(shop.agent, engine=engine) as client:
        for _ in range(2):
            begun = client.post(
                "/api/threads",
                json={"text": "hi", "thread": "t"},
                headers={"Idempotency-Key": "one"},
            )
            assert (begun.status_code, begun.json()["thread_id"]) == (202, "t")
        assert engine.jobs == MINE * 2
        assert types_of(client, "t") == ["ThreadStarted", "UserSaid.2"]
        more = client.post("/api/threads/t/messages", json={"text": "and"}).json()
        assert more["opened"] is False
        assert engine.jobs == MINE * 3
    assert shop.model.seen == []


def test_a_flow_is_begun_in_a_worker():
    @flow(name="double", store=MemoryStore())
    async def double(number: int) -> int:
        return number * 2

    engine = Hired(double)
    with serving(double, engine=engine) as client:
        body = {"arguments": {"number": 4}, "thread": "t"}
        assert client.post("/api/threads", json=body).status_code == 202
        assert wait_for_result(client, "t")["answer"] == "8"
        wrong = client.post("/api/threads", json={"arguments": {"number": "x"}})
        assert wrong.status_code == 422
    assert engine.jobs == [Job("resume", "double", "t")]


def test_only_workers_need_the_key_of_a_model(monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    agent = Agent(model="anthropic:claude-opus-4", name="shop", store=MemoryStore())
    with serving(agent, engine=Told()) as client:
        assert client.post("/api/threads", json={"text": "hi", "thread": "t"}).status_code == 202
        thread = client.get("/api/threads/t")
        assert (thread.status_code, thread.json()["status"]) == (200, "unfinished")


def test_an_engine_that_is_down_costs_no_message():
    shop = Shop()
    with serving(shop.agent, engine=Told(is_down=True)) as client:
        assert client.post("/api/threads", json={"text": "hi", "thread": "t"}).status_code == 202
        found = client.get("/api/queue").json()
        assert (found["engine"], found["agents"][0]["due"]) == (True, 1)
        assert found["agents"][0]["queue"] is None


def test_what_is_due_at_the_start_is_left_to_the_workers():
    shop = Shop()
    leave_open(shop.store, "t")
    with serving(shop.agent, engine=Told()) as client:
        [found] = client.get("/api/queue").json()["agents"]
        assert (found["due"], found["running"]) == (1, 0)
    assert shop.model.seen == []


def leave_open(store, thread):
    """As if its process had been killed."""

    async def leave():
        log = await open_log(thread, store, World())
        opening = e.ThreadStarted("shop", "id"), e.ThreadClaimed("claim", "gone"), e.UserSaid("go")
        await log.append(*opening)

    run_sync(leave())


@tool
async def build() -> str:
    """Build."""
    raise Pending({"job": 7})


def decide(*shown, **said):
    """The body of a decision: the fields that are as they were shown, and the others."""
    return lambda waiting: {
        "call_id": waiting["id"],
        **{name: waiting[name] for name in shown},
        **said,
    }


@pytest.mark.parametrize(
    ("script", "path", "body"),
    [
        ([WANTS_TO_PAY], "approvals", decide("digest", allowed=True)),
        ([WANTS_TO_PAY], "messages", {"text": "more"}),
        ([calls(("ask_user", {"question": "Which?"}))], "answers", decide(text="this")),
        ([calls("build")], "/api/settle", {"handle": {"job": 7}, "result": "green"}),
        ([says("hi")], "messages", {"text": "more"}),
        ([says("hi"), ModelUnavailable("down")], "resume", {}),
        ([calls(("stock", {"item": "a"})), says("x")], "limit", {"amounts": {"steps": 2}}),
    ],
)
def test_what_is_said_and_decided_goes_on_in_a_worker(script, path, body):
    shop = Shop(*script, says("Done."))
    tools = [*shop.agent.tools, ask_user, build]
    limits = Limits(steps=1 if path == "limit" else 9, last_word=False, model_tries=1)
    agent = replace(shop.agent, tools=tools, limits=limits)
    agent.run_sync("go", thread="t")
    if path == "resume":
        with pytest.raises(ModelError):
            agent.run_sync("go on", thread="t")
    engine = Told()
    with serving(agent, engine=engine) as client:
        before, asked = driven(client), len(shop.model.seen)
        if callable(body):
            [waiting] = client.get("/api/waiting").json()
            body = body(waiting["decision"])
        address = path if path.startswith("/") else f"/api/threads/t/{path}"
        answer = client.post(address, json=body)
        assert answer.status_code < 300, answer.text
        assert engine.jobs == MINE
        assert (driven(client), len(shop.model.seen)) == (before, asked)
        assert run_sync(agent.due()) == ["t"]


def test_what_became_of_a_call_is_decided_here_and_goes_on_in_a_worker():
    store, engine = killed_while_it_paid("t", "pay 3", '{"amount": 3}'), Told()
    agent = replace(Shop(store=store).agent, name="agent")
    with serving(agent, engine=engine) as client:
        client.post("/api/threads/t/resume", json={})
        said = {"call_id": "c1", "digest": "", "outcome": "ran", "result": "paid"}
        assert client.post("/api/threads/t/outcomes", json=said).status_code == 202
        assert engine.jobs == [Job("resume", "agent", "t")] * 2
        assert driven(client) == 0


def test_a_fork_goes_on_in_a_worker_unless_it_is_only_made():
    shop, engine = Shop(says("One."), says("Two.")), Told()
    shop.agent.run_sync("hi", thread="t")
    with serving(shop.agent, engine=engine) as client:
        only = client.post("/api/threads/t/fork", json={"edit": "ho", "resume": False}).json()
        assert engine.jobs == []
        made = client.post("/api/threads/t/fork", json={"edit": "ho"}).json()
        assert engine.jobs == [Job("resume", "shop", made["thread_id"])]
    assert only != made
    assert len(shop.model.seen) == 1


def test_what_a_worker_does_is_streamed_and_each_record_comes_once():
    shop = Shop(WANTS_TO_PAY, says("Paid."))
    with serving(shop.agent, engine=Hired(shop.agent)) as client:
        client.post("/api/threads", json={"text": "pay", "thread": "t"})
        [pending] = wait_for_result(client, "t")["waiting"]
        said = {"call_id": pending["id"], "digest": pending["digest"], "allowed": True}
        assert client.post("/api/threads/t/approvals", json=said).status_code == 202
        events = events_of(client, "/api/threads/t/stream?until=result")
        assert events[-1][1]["answer"] == "Paid."
        assert seqs_of(events) == list(range(1, len(seqs_of(events)) + 1))
        assert shop.paid == [3]


def chat(client, **more):
    body = {"model": "shop", "messages": [{"role": "user", "content": "hi"}], **more}
    answer = client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    return answer


def test_a_chat_that_wants_its_answer_whole_is_left_to_a_worker():
    shop = Shop(says("Hello."))
    engine = Hired(shop.agent)
    with serving(shop.agent, engine=engine) as client:
        answer = chat(client)
        assert answer.json()["choices"][0]["message"]["content"] == "Hello."
        assert [job.name for job in engine.jobs] == [answer.headers["x-treadle-thread"]]


@pytest.mark.parametrize(
    "more",
    [
        {"stream": True},
        {"tools": [{"type": "function", "function": {"name": "locate", "parameters": {}}}]},
    ],
)
def test_a_chat_that_wants_pieces_or_brings_tools_is_driven_by_the_server(more):
    shop, engine = Shop(says("Hello.")), Told()
    with serving(shop.agent, engine=engine) as client:
        assert "Hello." in chat(client, **more).text
    assert engine.jobs == []


class Closing(Told):
    """Has each child that it is told of cancelled, as a person may."""

    def __init__(self, runner):
        super().__init__()
        self._runner = runner

    async def submit(self, job):
        await super().submit(job)
        await self._runner.post(job.name, e.TurnEnded("cancelled"))


def test_children_that_are_left_to_workers_are_so_also_by_a_turn_that_the_server_drives():
    helper = Agent(model=ScriptedModel([]), name="helper")
    shop = Shop(calls(("helper", {"task": "help"})), says("Done."))
    agent = replace(shop.agent, tools=[elsewhere(helper)])
    engine = Closing(agent)
    with serving(agent, engine=engine) as client:
        assert "Done." in chat(client, stream=True).text
    assert [(job.kind, job.agent) for job in engine.jobs] == [("child", "shop")]


def test_a_response_in_the_background_is_left_to_a_worker():
    shop = Shop(says("Hello."))
    engine = Told()
    with serving(shop.agent, engine=engine) as client:
        body = {"model": "shop", "input": "hi", "background": True}
        made = client.post("/v1/responses", json=body).json()
        assert made["status"] == "in_progress"
        [job] = engine.jobs
        run_sync(shop.agent.resume(job.name))
        read = client.get(f"/v1/responses/{made['id']}").json()
        assert (read["status"], read["output"][0]["content"][0]["text"]) == ("completed", "Hello.")


@pytest.mark.parametrize("engine", [None, Told()])
def test_the_queue_says_what_there_is_to_do_by_agent(engine, monkeypatch):
    monkeypatch.delenv("TREADLE_ENGINE", raising=False)
    clerk = Agent(model=ScriptedModel([]), name="clerk", store=MemoryStore())
    shop = Shop(WANTS_TO_PAY)
    shop.agent.run_sync("pay", thread="t")
    park(shop.store, "dead")
    with serving(shop.agent, clerk, store=shop.store, engine=engine) as client:
        found = client.get("/workers.json").json()
        assert found["engine"] is bool(engine)
        mine, other = found["agents"]
        assert (mine["agent"], mine["waiting"], mine["parked"]) == ("shop", 1, ["dead"])
        assert (other["agent"], other["waiting"], other["parked"]) == ("clerk", 0, [])
        for each in found["agents"]:
            assert (each["queue"] and each["queue"]["workers"]) == (engine and ["w1"])
        document = client.get("/openapi.json").json()
        assert "WorkQueue" in json.dumps(document["paths"]["/api/queue"]["get"]["responses"])
        assert client.get("/api/queue", headers={"Authorization": ""}).status_code == 401


def test_a_thread_that_was_handed_over_counts_as_that_of_who_began_it_due_or_not():
    desk = Agent(model=ScriptedModel([WANTS_TO_PAY]), name="desk", tools=Shop().agent.tools)
    shop = Shop(calls("hand_to_desk"))
    agent = replace(shop.agent, handoffs=[desk])
    agent.run_sync("pay", thread="t")
    for due in (0, 1):
        with serving(agent, desk, store=shop.store, engine=Told()) as client:
            found, other = client.get("/api/queue").json()["agents"]
            assert (found["agent"], found["waiting"], found["due"]) == ("shop", 1 - due, due)
            assert (other["agent"], other["waiting"], other["due"]) == ("desk", 0, 0)
            client.post("/api/threads/t/messages", json={"text": "or not"})


def park(store, thread):
    """As if several processes had died at it."""

    async def kill():
        log = await open_log(thread, store, World())
        await log.append(e.ThreadStarted("shop", "k"), e.ThreadClaimed("c0"), e.UserSaid("go"))
        for number in range(9):
            await log.append(e.ThreadClaimed(f"c{number}"))

    run_sync(kill())


class Large(MemoryStore):
    """Takes a second for each list of threads."""

    lists = 0

    async def threads(self, *some, **filters):
        self.lists += 1
        await asyncio.sleep(1)
        return await super().threads(*some, **filters)


def test_a_queue_that_takes_long_is_read_once_for_all_who_ask_meanwhile():
    store = Large()

    async def whole():
        reader = QueueReader(make_served([Shop().agent], store))
        await asyncio.gather(reader.read(), reader.read())
        once = store.lists
        await asyncio.sleep(2)
        await reader.read()
        assert store.lists == once
        await asyncio.sleep(60)
        await reader.read()
        assert store.lists == 2 * once

    live(whole())
