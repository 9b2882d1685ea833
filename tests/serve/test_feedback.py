"""Feedback over HTTP: kept, streamed, listed. And what else the page shows of a thread: its graph, its open decisions."""

import asyncio
import json
from dataclasses import dataclass, replace

from starlette.requests import Request

from serve.serving import WANTS_TO_PAY, Shop, events_of, serving, wait_for_result
from treadle import ScriptedModel, flow, step
from treadle.core import events as e
from treadle.graphs.graph import Graph
from treadle.graphs.nodes import END, START, Choice, Edge, Node
from treadle.models.scripted import says
from treadle.serve.routes import Asked
from treadle.serve.served import Served, make_served
from treadle.serve.stream import StreamQuery, stream_thread
from treadle.serve.threads import Thread, read_thread


def asked_of(served: Served, query: StreamQuery | None = None) -> Asked:
    """A request about the thread `t`."""
    request = Request({"type": "http", "headers": [], "path_params": {"thread": "t"}})
    return Asked(served, request, None, query)


def rate(client, **said):
    return client.post("/api/threads/t/feedback", json=said)


def test_feedback_is_kept_under_the_name_of_the_key_and_found_again():
    with serving(Shop().agent) as client:
        client.post("/api/threads", json={"text": "hi", "thread": "t"})
        wait_for_result(client, "t")
        assert rate(client, good=False, reason="rude").status_code == 200
        last = client.get("/api/threads/t/records").json()[-1]
        assert last["record"]["event"] == {
            "type": "FeedbackGiven",
            "good": False,
            "by": "ann",
            "reason": "rude",
            "turn_seq": 3,
        }
        assert last["line"]["text"] == "ann found the turn of record 3 bad: rude"
        [line] = client.get("/api/threads?rated=bad").json()["threads"]
        assert (line["thread_id"], line["good"], line["bad"]) == ("t", 0, 1)
        assert client.get("/api/threads?rated=good").json()["threads"] == []
        assert rate(client, good=True, turn_seq=4).status_code == 409
        assert rate(client, good=True, turn_seq=-1).status_code == 422


def test_feedback_comes_to_who_follows_the_thread_and_stops_no_later_turn():
    shop = Shop(says("one"), says("two"))
    with serving(shop.agent) as client:
        client.post("/api/threads", json={"text": "hi", "thread": "t"})
        wait_for_result(client, "t")
        rate(client, good=True)
        client.post("/api/threads/t/messages", json={"text": "more"})
        events = events_of(client, "/api/threads/t/stream?after=7&until=result")
        said = [data["record"]["event"]["type"] for name, data, _ in events if name == "record"]
        assert said[0] == "FeedbackGiven"
        assert events[-1][1]["answer"] == "two"


def test_a_stream_that_stays_gives_feedback_once_and_goes_on_with_the_next_turn():
    async def follow() -> list[str]:
        served = make_served([Shop(says("one"), says("two")).agent], None)
        agent = served.find("shop")
        await agent.run("hi", thread="t")
        answer = await stream_thread(asked_of(served, StreamQuery()))
        heard: list[str] = []
        async for piece in answer.body_iterator:
            heard += [line for line in piece.decode().splitlines() if line.startswith("data: ")]
            if piece.startswith(b"event: result") and b"one" in piece:
                await agent.post("t", e.FeedbackGiven(True, "ann"))
            if b"FeedbackGiven" in piece:
                await agent.run("more", thread="t")
            if piece.startswith(b"event: result") and b"two" in piece:
                return heard
        return []

    heard = asyncio.run(follow())
    seqs = [json.loads(line[6:])["record"]["seq"] for line in heard if '"record":' in line]
    assert seqs == list(range(1, len(seqs) + 1))
    assert sum("FeedbackGiven" in line for line in heard) == 1


def test_an_empty_post_is_one_without_fields_where_none_is_needed():
    with serving(Shop(WANTS_TO_PAY).agent) as client:
        client.post("/api/threads", json={"text": "pay", "thread": "t"})
        wait_for_result(client, "t")
        other = client.post("/api/threads/t/cancel", headers={"Origin": "http://evil.example"})
        assert other.status_code == 403
        assert client.post("/api/threads/t/messages").status_code == 422
        assert client.post("/api/threads/t/cancel", content=b"{}").status_code == 415
        assert client.post("/api/threads/t/resume").status_code == 202
        assert client.post("/api/threads/t/cancel").status_code == 202
        assert client.get("/api/threads/t").json()["status"] == "cancelled"


class Looks(ScriptedModel):
    """A model that looks at its own thread, as the page does, before each reply."""

    served: Served
    shown: list[Thread]

    async def reply(self, request, emit):
        self.shown.append(await read_thread(asked_of(self.served)))
        return await super().reply(request, emit)


def test_what_waits_stays_in_sight_while_the_turn_answers_what_was_said_meanwhile():
    async def steer() -> list[Thread]:
        shop = Shop()
        model = Looks([WANTS_TO_PAY, says("It waits for you.")])
        model.served, model.shown = make_served([replace(shop.agent, model=model)], None), []
        agent = model.served.find("shop")
        await agent.run("pay 3", thread="t")
        await agent.steer("t", "any news?")
        await agent.resume("t")
        return model.shown

    during = asyncio.run(steer())[-1]
    assert during.status == "unfinished"
    assert [each.name for each in during.waiting] == ["pay"]


def test_a_graph_and_a_flow_are_drawn_with_their_way():
    @dataclass
    class Work:
        count: int = 0

    def add(count: int) -> int:
        return count + 1

    def enough(count: int) -> str:
        return "yes" if count > 1 else "no"

    counting = Graph(
        Work,
        [Node(add, "count")],
        [Edge(START, "add"), Choice("add", enough, {"no": "add", "yes": END})],
        name="counting",
        store=Shop().store,
    )

    async def a() -> str:
        return "a"

    async def b() -> str:
        return "b"

    async def last() -> str:
        raise ValueError("no such place")

    @flow(store=counting.store)
    async def looks() -> str:
        await asyncio.gather(step(a), step(b))
        return await step(last)

    with serving(counting, looks, Shop(store=counting.store).agent) as client:
        client.post("/api/threads", json={"agent": "counting", "arguments": {}, "thread": "g"})
        wait_for_result(client, "g")
        picture = client.get("/api/threads/g/picture").json()
        places = {
            each["id"]: (each["kind"], each["status"], each["runs"]) for each in picture["places"]
        }
        assert places == {
            "start": ("start", "done", 0),
            "end": ("end", "done", 0),
            "add": ("node", "done", 2),
            "add.choice": ("choice", "done", 2),
        }
        ways = {(each["source"], each["target"]): each["times"] for each in picture["arrows"]}
        assert ways["add.choice", "add"] == ways["add.choice", "end"] == 1
        client.post("/api/threads", json={"agent": "looks", "arguments": {}, "thread": "f"})
        assert events_of(client, "/api/threads/f/stream?until=result")[-1][0] == "failed"
        picture = client.get("/api/threads/f/picture").json()
        places = {each["id"]: each["status"] for each in picture["places"]}
        done = dict.fromkeys(("start", "a", "b"), "done")
        assert places == done | {"last": "failed", "end": "failed"}
        ways = {(each["source"], each["target"]) for each in picture["arrows"]}
        begun = {("start", "a"), ("start", "b"), ("a", "last"), ("b", "last")}
        assert ways == begun | {("last", "end")}
        client.post("/api/threads", json={"agent": "shop", "text": "hi", "thread": "t"})
        assert client.get("/api/threads/t/picture").json()["places"] == []
