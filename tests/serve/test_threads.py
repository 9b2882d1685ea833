"""The API: what is said, streamed, decided, forked and deleted over HTTP is in the log."""

import asyncio
import json
import threading
from contextlib import aclosing
from dataclasses import replace
from functools import partial

import pytest

from serve.serving import (
    WANTS_TO_PAY,
    Shop,
    events_of,
    key_of,
    seqs_of,
    serving,
    wait_for_result,
)
from treadle import (
    Agent,
    ApprovalGiven,
    Limits,
    MemoryStore,
    Pending,
    ScriptedModel,
    flow,
    run_sync,
    step,
    tool,
)
from treadle.core.errors import ModelRejected
from treadle.core.values import Call
from treadle.models.scripted import calls, says
from treadle.serve.served import make_served
from treadle.serve.shown import Shown
from treadle.serve.stream import _events
from treadle.stores.store import Row


def types_of(client, thread):
    records = client.get(f"/api/threads/{thread}/records").json()
    return [each["record"]["event"]["type"] for each in records]


def test_a_message_begins_a_thread_and_its_stream_ends_with_the_result():
    with serving(Shop(says("Hello there.")).agent) as client:
        begun = client.post("/api/threads", json={"text": "hi", "thread": "a/b"})
        assert (begun.status_code, begun.json()["thread_id"]) == (202, "a/b")
        events = events_of(client, "/api/threads/a%2Fb/stream?until=result")
        assert [id for name, _, id in events if name == "record"] == [
            str(seq) for seq in range(1, len(seqs_of(events)) + 1)
        ]
        assert events[-1][:1] == ("result",)
        assert events[-1][1]["answer"] == "Hello there."


def test_a_thread_of_another_agent_is_not_gone_on_with_and_one_that_was_handed_over_is():
    shop = Shop(says("Hi."), says("Again."))
    shop.agent.run_sync("hi", thread="t")
    desk = Agent(model=ScriptedModel([says("Here.")]), name="desk")
    front = ScriptedModel([calls("hand_to_desk")])
    front_desk = Agent(model=front, name="front", handoffs=[desk], store=shop.store)
    with serving(front_desk, store=shop.store) as client:
        refused = client.post("/api/threads", json={"text": "hi", "thread": "t"})
        said = refused.json()["error"]["message"]
        assert (refused.status_code, said) == (422, "thread t is of 'shop', and not of 'front'")
        client.post("/api/threads", json={"text": "hi", "thread": "new"})
        assert wait_for_result(client, "new")["answer"] == "Here."
        said = client.post("/api/threads/new/messages", json={"text": "and now?"})
        assert said.status_code == 202
    with serving(shop.agent) as client:
        assert client.post("/api/threads", json={"text": "so?", "thread": "t"}).status_code == 202
        assert wait_for_result(client, "t")["answer"] == "Again."


def test_what_no_route_takes_is_answered_in_the_form_of_all_errors():
    with serving(Shop().agent) as client:
        for path in ("/nope", "/api/nope", "/v1/nope"):
            found = client.get(path)
            assert (found.status_code, found.json()["error"]["kind"]) == (404, "NotFound")
            assert path in found.json()["error"]["message"]
        found = client.delete("/api/threads")
        assert (found.status_code, found.headers["allow"]) == (405, "GET, HEAD, POST")
        assert found.json()["error"]["message"] == "/api/threads takes GET, HEAD, POST"
        assert client.get("/v1/chat/completions").headers["allow"] == "POST"


def test_who_comes_back_gets_what_came_after_the_last_id_and_nothing_twice():
    with serving(Shop().agent) as client:
        client.post("/api/threads", json={"text": "hi", "thread": "t"})
        whole = seqs_of(events_of(client, "/api/threads/t/stream?until=result"))
        for last in whole:
            headers = {"Last-Event-ID": str(last)}
            rest = events_of(client, "/api/threads/t/stream?until=result", headers)
            assert seqs_of(rest) == whole[last:]


def test_an_approval_with_other_arguments_pays_those_and_a_second_one_is_told_who_was_first():
    shop = Shop(WANTS_TO_PAY, says("Paid."))
    with serving(shop.agent) as client:
        client.post("/api/threads", json={"text": "pay 3", "thread": "t"})
        ended = wait_for_result(client, "t")
        assert (ended["status"], shop.paid) == ("waiting", [])
        [waiting] = client.get("/api/waiting").json()
        decision = waiting["decision"]
        assert (waiting["root_id"], decision["name"]) == ("t", "pay")
        said = {"call_id": decision["id"], "digest": decision["digest"], "allowed": True}
        edited = said | {"arguments": {"amount": 2}}
        assert client.post("/api/threads/t/approvals", json=edited).status_code == 202
        assert wait_for_result(client, "t")["answer"] == "Paid."
        assert shop.paid == [2]
        again = client.post("/api/threads/t/approvals", json=said)
        assert again.status_code == 409
        assert "allowed already, by ann" in again.json()["error"]["message"]
        assert client.get("/api/waiting").json() == []


def test_an_approval_must_be_of_what_was_shown():
    shop = Shop(WANTS_TO_PAY, says("Paid."))
    with serving(shop.agent) as client:
        client.post("/api/threads", json={"text": "pay", "thread": "t"})
        [pending] = wait_for_result(client, "t")["waiting"]
        for digest, status in (("", 422), ("0" * 24, 409)):
            said = {"call_id": pending["id"], "digest": digest, "allowed": True}
            assert client.post("/api/threads/t/approvals", json=said).status_code == status
        assert shop.paid == []


def test_a_message_in_an_open_turn_steers_it_and_one_after_it_opens_the_next():
    shop = Shop(WANTS_TO_PAY, says("It waits."), says("Next."))
    with serving(shop.agent) as client:
        client.post("/api/threads", json={"text": "pay", "thread": "t"})
        wait_for_result(client, "t")
        said = client.post("/api/threads/t/messages", json={"text": "any news?"}).json()
        assert said["opened"] is False
        assert wait_for_result(client, "t")["answer"] == "It waits."
        assert client.post("/api/threads/t/cancel", json={}).status_code == 202
        assert (
            client.post("/api/threads/t/messages", json={"text": "next"}).json()["opened"] is True
        )
        assert wait_for_result(client, "t")["answer"] == "Next."


def test_the_same_key_is_the_same_message():
    shop = Shop(says("One."), says("Two."))
    with serving(shop.agent) as client:
        key = {"Idempotency-Key": "delivery-1"}
        first = client.post("/api/threads", json={"text": "hi"}, headers=key).json()["thread_id"]
        wait_for_result(client, first)
        assert (
            client.post("/api/threads", json={"text": "hi"}, headers=key).json()["thread_id"]
            == first
        )
        other = client.post("/api/threads", json={"text": "ho"}, headers=key)
        assert (other.status_code, len(shop.model.seen)) == (422, 1)


def test_the_same_key_of_another_person_is_another_message():
    shop = Shop(*[says("Hello.")] * 4)
    with serving(shop.agent) as client:
        names = set()
        for person, text in (("ann", "hi"), ("ben", "hi"), ("ben", "hi")):
            headers = {"Idempotency-Key": "1", **key_of(person)}
            begun = client.post("/api/threads", json={"text": text}, headers=headers)
            names.add(begun.json()["thread_id"])
            wait_for_result(client, begun.json()["thread_id"])
        assert (len(names), len(shop.model.seen)) == (2, 2)
        [thread, _] = names
        for person in ("ann", "ben"):
            headers = {"Idempotency-Key": "2", **key_of(person)}
            path = f"/api/threads/{thread}/messages"
            said = client.post(path, json={"text": "yes"}, headers=headers)
            assert said.status_code == 202
            wait_for_result(client, thread)
        records = client.get(f"/api/threads/{thread}/records").json()
        events = [each["record"]["event"] for each in records]
        assert [each["by"] for each in events if each.get("content") == "yes"] == ["ann", "ben"]


def test_a_thread_says_what_it_cost_what_it_did_and_what_comes_next():
    shop = Shop(calls(("stock", {"item": "lamp"})), WANTS_TO_PAY)
    with serving(shop.agent) as client:
        client.post("/api/threads", json={"text": "buy", "thread": "t"})
        wait_for_result(client, "t")
        thread = client.get("/api/threads/t").json()
        assert (thread["title"], thread["status"], thread["live"]) == ("buy", "waiting", False)
        assert thread["totals"]["model_calls"] == 2
        assert thread["totals"]["tool_calls"] == 1
        assert 'stock({"item": "lamp"}) returned 17' in thread["done"][0]
        assert thread["next"] == "nothing, until somebody decides"


def test_of_a_long_turn_it_says_what_was_done_last():
    first, last = [("stock", {"item": f"lamp {number}"}) for number in range(20)], "lamp 20"
    shop = Shop(calls(*first), calls(("stock", {"item": last})), says("All there."))
    with serving(shop.agent) as client:
        client.post("/api/threads", json={"text": "count", "thread": "t"})
        wait_for_result(client, "t")
        thread = client.get("/api/threads/t").json()
        assert len(thread["done"]) == 20
        assert last in thread["done"][-1]


def test_a_call_that_runs_is_not_unknown_and_nobody_says_what_became_of_it():
    go_on = threading.Event()

    @tool
    def deploy() -> str:
        """Deploy."""
        go_on.wait(30)
        return "deployed"

    model = ScriptedModel([calls("deploy"), says("Done.")])
    with serving(Agent(tools=[deploy], model=model, store=MemoryStore())) as client:
        client.post("/api/threads", json={"text": "deploy", "thread": "t"})
        while not (thread := client.get("/api/threads/t").json())["running"]:
            pass
        assert thread["unknown"] == []
        assert thread["next"] == "wait for the living process that drives it, and give its result"
        [call] = [each.id for each in model_calls(client, "t")]
        said = {"call_id": call, "digest": "", "outcome": "not_run"}
        answer = client.post("/api/threads/t/outcomes", json=said)
        assert answer.status_code == 422
        assert "is running now" in answer.json()["error"]["message"]
        go_on.set()
        assert wait_for_result(client, "t")["answer"] == "Done."


def model_calls(client, thread):
    """The calls that the model has asked for."""
    records = client.get(f"/api/threads/{thread}/records").json()
    replies = [
        r["record"]["event"] for r in records if r["record"]["event"]["type"] == "ModelReplied.2"
    ]
    return [
        Call(b["id"], b["name"], b["arguments"])
        for b in replies[0]["content"]
        if b["type"] == "Call"
    ]


def test_each_model_call_shows_just_what_the_model_saw():
    shop = Shop(calls(("stock", {"item": "lamp"})), says("17."))
    with serving(shop.agent) as client:
        client.post("/api/threads", json={"text": "how many?", "thread": "t"})
        wait_for_result(client, "t")
        records = client.get("/api/threads/t/records").json()
        called = [
            r["record"]["seq"] for r in records if r["record"]["event"]["type"] == "ModelCalled"
        ]
        prompt = client.get(f"/api/threads/t/prompts/{called[1]}").json()
        assert prompt["exact"] is True
        assert [each["role"] for each in prompt["messages"]] == [
            "system",
            "user",
            "assistant",
            "tool",
        ]
        assert prompt["why"].startswith("ask scripted")
        assert client.get("/api/threads/t/prompts/1").status_code == 422


def test_records_come_in_windows_and_each_line_is_the_same_in_every_window():
    shop = Shop(calls(("stock", {"item": "lamp"})), WANTS_TO_PAY)
    with serving(shop.agent) as client:
        client.post("/api/threads", json={"text": "buy", "thread": "t"})
        wait_for_result(client, "t")
        whole = client.get("/api/threads/t/records").json()
        end = len(whole)
        assert any("stock(" in each["line"]["text"] for each in whole[-6:])
        for query, part in (
            ("last=3", whole[-3:]),
            ("after=2", whole[2:]),
            ("before=5&last=2", whole[2:4]),
            ("before=3&last=9", whole[:2]),
            ("before=1", []),
            ("after=4&before=7&last=99", whole[4:6]),
            (f"after=-3&before={end + 9}", whole),
        ):
            assert client.get(f"/api/threads/t/records?{query}").json() == part, query


def test_the_list_is_paged_filtered_and_searched():
    shop = Shop(*[says("Yes.") for _ in range(5)])
    with serving(shop.agent) as client:
        for number in range(5):
            client.post("/api/threads", json={"text": f"lamp {number}", "thread": f"t{number}"})
            wait_for_result(client, f"t{number}")
        page = client.get("/api/threads?limit=2").json()
        assert [each["thread_id"] for each in page["threads"]] == ["t4", "t3"]
        rest = client.get(f"/api/threads?limit=9&before={page['before']}").json()
        assert [each["thread_id"] for each in rest["threads"]] == ["t2", "t1", "t0"]
        assert rest["before"] is None
        [found] = client.get("/api/threads?search=LAMP 3").json()["threads"]
        assert (found["title"], found["status"]) == ("lamp 3", "answered")
        assert client.get("/api/threads?status=waiting").json()["threads"] == []


def test_a_fork_says_something_else_and_leaves_the_thread_as_it_was():
    shop = Shop(says("One."), says("Other."))
    with serving(shop.agent) as client:
        client.post("/api/threads", json={"text": "hi", "thread": "t"})
        wait_for_result(client, "t")
        before = types_of(client, "t")
        forked = client.post("/api/threads/t/fork", json={"edit": "ho"}).json()
        assert wait_for_result(client, forked["thread_id"])["answer"] == "Other."
        assert types_of(client, "t") == before
        assert client.get(f"/api/threads/{forked['thread_id']}").json()["source"] == "t"


def test_who_edits_a_message_of_somebody_else_has_said_what_stands_there_then():
    shop = Shop(says("One."), says("Other."))
    with serving(shop.agent) as client:
        client.post("/api/threads", json={"text": "hi", "thread": "t"})
        wait_for_result(client, "t")
        made = client.post("/api/threads/t/fork", json={"edit": "ho"}, headers=key_of("ben"))
        records = client.get(f"/api/threads/{made.json()['thread_id']}/records").json()
        events = [each["record"]["event"] for each in records]
        assert [each["by"] for each in events if each.get("content") == "ho"] == ["ben"]


def test_a_deleted_thread_is_gone():
    with serving(Shop().agent) as client:
        client.post("/api/threads", json={"text": "hi", "thread": "t"})
        wait_for_result(client, "t")
        assert client.delete("/api/threads/t").json() == {"threads": ["t"]}
        assert client.get("/api/threads/t").status_code == 404


def test_a_webhook_settles_work_by_its_handle_once():
    @tool
    async def build() -> str:
        """Build."""
        raise Pending({"job": 7})

    model = ScriptedModel([calls("build"), says("Built.")])
    with serving(Agent(tools=[build], model=model, store=MemoryStore())) as client:
        client.post("/api/threads", json={"text": "build", "thread": "t"})
        wait_for_result(client, "t")
        for again in (False, True):
            said = {"handle": {"job": 7}, "result": "green"}
            [settled] = client.post("/api/settle", json=said).json()
            assert settled["again"] is again
        assert wait_for_result(client, "t")["answer"] == "Built."


def test_a_limit_of_steps_is_raised_and_the_turn_goes_on():
    shop = Shop(calls(("stock", {"item": "lamp"})), says("17."))
    with serving(replace(shop.agent, limits=Limits(steps=1, last_word=False))) as client:
        client.post("/api/threads", json={"text": "how many?", "thread": "t"})
        assert wait_for_result(client, "t")["status"] == "limit"
        more = {"amounts": {"steps": 1, "seconds": 0.5}}
        assert client.post("/api/threads/t/limit", json=more).status_code == 202
        assert wait_for_result(client, "t")["answer"] == "17."


def test_a_flow_is_begun_with_its_arguments():
    @flow(name="double", store=MemoryStore())
    async def double(number: int) -> int:
        async def twice() -> int:
            return number * 2

        return await step(twice)

    with serving(double) as client:
        body = {"arguments": {"number": 4}, "thread": "t"}
        assert client.post("/api/threads", json=body).status_code == 202
        assert wait_for_result(client, "t")["answer"] == "8"
        events = [each["record"]["event"] for each in client.get("/api/threads/t/records").json()]
        assert [each["by"] for each in events if each["type"].startswith("UserSaid")] == ["ann"]
        assert client.post("/api/threads/t/messages", json={"text": "hi"}).status_code == 422


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/threads", b"{", 400),
        ("/api/threads", b'{"text": "\xe9"}', 400),
        ("/api/threads", b'{"txt": "hi"}', 422),
        ("/api/threads", b'{"text": ""}', 422),
        ("/api/threads", b'{"text": "hi", "agent": "none"}', 409),
        ("/api/threads/none/messages", b'{"text": "hi"}', 404),
        ("/api/threads/none/cancel", b"{}", 404),
        ("/api/settle", b'{"handle": "nobody waits"}', 422),
    ],
)
def test_what_is_wrong_is_said_in_words(path, body, status):
    with serving(Shop().agent) as client:
        answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == status
        assert answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/threads?stauts=waiting",
        "/api/threads?status=waitng",
        "/api/costs?thread=t",
        "/api/threads/t/records?afer=3",
        "/api/threads/t/stream?untill=result",
    ],
)
def test_a_query_that_is_misspelt_is_refused(path):
    with serving(Shop().agent) as client:
        answer = client.get(path)
        assert (answer.status_code, answer.json()["error"]["kind"]) == (422, "BadRequest")


def test_a_thread_of_an_agent_that_is_not_served_is_read_but_not_gone_on_with():
    store = MemoryStore()
    other = Agent(model=ScriptedModel([says("Hi.")]), name="other", store=store)
    other.run_sync("hello", thread="t")
    with serving(Shop(store=store).agent) as client:
        assert client.get("/api/threads/t").json()["in_charge"] == "other"
        answer = client.post("/api/threads/t/messages", json={"text": "more"})
        assert answer.status_code == 409
        assert "'other', which isn't served here" in answer.json()["error"]["message"]


def test_the_document_describes_every_path_and_what_it_takes():
    with serving(Shop().agent) as client:
        document = client.get("/openapi.json").json()
    begin = document["paths"]["/api/threads"]["post"]
    schema = begin["requestBody"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/NewThread"}
    assert "text" in document["components"]["schemas"]["NewThread"]["properties"]
    every = json.dumps(document)
    for name in document["components"]["schemas"]:
        assert f"#/components/schemas/{name}" in every or name.endswith("Query")
    for path, methods in document["paths"].items():
        for method in methods.values():
            assert method["summary"], path


def test_the_stream_of_a_thread_that_has_failed_stays_open_for_its_next_turn():
    shop = Shop(ModelRejected("odd"), says("Better."))
    served = make_served([shop.agent], None)

    async def play():
        with pytest.raises(ModelRejected):
            await shop.agent.run("one", thread="t")
        found = await served.read("t")
        log, last = served.make_log(found), found.records[-1].seq
        follow = partial(served.follow, served.find(""), log)
        seen = []
        async with aclosing(_events(follow, log, Shown(found), last, stays=True)) as events:
            while (event := await anext(events)).split(b"\n")[0] != b"event: result":
                seen.append(event)
                if event.startswith(b"event: failed"):
                    await shop.agent.start("two", thread="t")
        return seen

    seen = asyncio.run(play())
    assert [event.startswith(b"event: failed") for event in seen].count(True) == 1
    assert b"Better." in b"".join(seen)


def test_a_stream_gives_a_child_s_records_once_though_it_waits_in_between():
    desk = Shop(WANTS_TO_PAY, says("Paid.")).agent
    task = calls(("desk", {"task": "pay"}))
    boss = Agent(tools=[desk.as_tool("desk")], model=ScriptedModel([task, says("Done.")]))
    boss = replace(boss, name="boss", store=MemoryStore())
    served = make_served([boss], None)

    async def play():
        [waiting] = (await boss.run("go", thread="t")).waiting
        found = await served.read("t")
        log = served.make_log(found)
        follow = partial(served.follow, served.find(""), log)
        seen = []
        async with aclosing(_events(follow, log, Shown(found), 0, stays=True)) as events:
            async for event in events:
                name, _, data = event.decode().partition("data: ")
                if "event: record" in name:
                    record = json.loads(data)["record"]
                    seen.append((record["thread_id"], record["seq"]))
                elif '"status":"waiting"' in data:
                    given = ApprovalGiven(waiting.id, True, "ann", digest=waiting.digest)
                    await boss.post(waiting.thread_id, given)
                    boss.resume_in_background("t")
                elif "event: result" in name:
                    return seen

    seen = asyncio.run(play())
    assert len({thread for thread, _ in seen}) == 2
    assert len(seen) == len(set(seen))


def test_a_damaged_thread_hides_nothing_else_that_waits():
    shop = Shop(WANTS_TO_PAY, WANTS_TO_PAY)
    with serving(shop.agent) as client:
        for name in ("good", "bad"):
            client.post("/api/threads", json={"text": "Hi", "agent": "shop", "thread": name})
            assert wait_for_result(client, name)["status"] == "waiting"
        rows = run_sync(shop.store.read("bad"))
        torn = Row(len(rows) + 1, 0.0, b"not JSON", status="waiting")
        run_sync(shop.store.append("bad", [torn]))
        assert [each["root_id"] for each in client.get("/api/waiting").json()] == ["good"]
