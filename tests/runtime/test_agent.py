import asyncio
import threading
from dataclasses import dataclass, replace
from typing import Any

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import Died, DyingStore, SlowStore, agent, found, live, names, world
from treadle import (
    Agent,
    Context,
    File,
    Image,
    Limits,
    MemoryStore,
    Rule,
    ScriptedModel,
    ToolRetry,
    keep_going,
    tool,
)
from treadle.core import events as e
from treadle.core.codec import encode_event
from treadle.core.errors import (
    Fenced,
    IllegalEvent,
    StoreError,
    TurnOpen,
    UnknownThread,
    UsageError,
)
from treadle.core.model import Reply, Request
from treadle.core.model_settings import ModelSettings
from treadle.core.state import fold
from treadle.core.turn import find_call
from treadle.models.chat.encode import encode_message
from treadle.models.remote_model import RemoteModel
from treadle.models.scripted import calls, says
from treadle.runtime.log import open_log
from treadle.stores.store import Row
from treadle.tools.ask import ask_user


def sends(log: list[Any], **settings: Any) -> Any:
    @tool(**settings)
    def send(to: str, context: Context) -> str:
        """Send it."""
        log.append((to, context.idempotency_key))
        return f"sent to {to}"

    return send


# Threads


def test_a_conversation_over_three_turns_remembers():
    model = ScriptedModel([says("hello Ada"), says("7"), says("you are Ada")])
    agents = agent(model)
    for text in ("I am Ada", "3+4?", "who am I?"):
        result = live(agents.run(text, thread="t"))
    assert [message.text for message in model.seen[2].messages] == [
        "I am Ada",
        "hello Ada",
        "3+4?",
        "7",
        "who am I?",
    ]
    assert names(result.records)[0] == "UserSaid"
    assert result.answer == "you are Ada"


def test_threads_do_not_see_each_other():
    model = ScriptedModel([says("a"), says("b")])
    agents = agent(model)
    live(agents.run("one", thread="1"))
    live(agents.run("two", thread="2"))
    assert [message.text for message in model.seen[1].messages] == ["two"]


def test_an_unfinished_turn_must_be_resumed_before_something_new_is_said():
    agents = agent(ScriptedModel([]))
    facts = (e.ThreadStarted("agent", "key"), e.ThreadClaimed("gone"), e.UserSaid("go"))

    async def leave_open() -> None:
        await (await open_log("t", agents._store, agents.world)).append(*facts)

    live(leave_open())
    with pytest.raises(TurnOpen, match="resume it"):
        live(agents.run("more", thread="t"))


def test_unknown_threads_and_idle_ones():
    agents = agent(ScriptedModel([says("ok")]))
    with pytest.raises(UnknownThread, match="no thread 'nope'"):
        live(agents.resume("nope"))
    live(agents.run("go", thread="t"))
    assert live(agents.resume("t")).answer == "ok"
    with pytest.raises(IllegalEvent):
        live(agents.post("t", e.TurnEnded("cancelled", "by ada")))


def test_images_and_files_reach_the_model():
    model = ScriptedModel([says("a cat")])
    parts = (Image("data:image/png;base64,AAAA"), File("a.pdf", "data:application/pdf;base64,BBBB"))
    result = live(agent(model).run(e.UserSaid(("what is it?", *parts))))
    wire = encode_message(model.seen[0].messages[-1]).decode()
    assert all(each in wire for each in ("what is it?", "image_url", "AAAA", "a.pdf", "BBBB"))
    assert found(result, e.UserSaid)[0].parts == parts


def test_two_tools_of_one_name_are_refused():
    with pytest.raises(UsageError, match="one name: send"):
        live(agent(ScriptedModel([]), sends([]), sends([])).run("go"))


# Approvals


def waiting_on(
    *, rules: Any = (), needs: Any = False, script: Any = None
) -> tuple[Agent, list[Any], ScriptedModel]:
    sent: list[Any] = []
    model = ScriptedModel(script or [calls(("send", {"to": "bob"})), says("done")])
    return agent(model, sends(sent, needs_approval=needs), rules=rules), sent, model


def test_a_call_that_needs_approval_waits_and_runs_when_it_is_given():
    agents, sent, _ = waiting_on(needs=True)
    result = live(agents.run("go", thread="t"))
    assert (result.status, result.reason, sent) == ("waiting", "send: send needs approval", [])
    [call] = result.waiting
    assert live(agents.resume("t")).status == "waiting"
    live(agents.post("t", e.ApprovalGiven(call.id, True, "ada")))
    result = live(agents.resume("t"))
    assert (result.answer, [to for to, _ in sent]) == ("done", ["bob"])
    assert found(result, e.ApprovalGiven)[0].by == "ada"


def test_a_denied_call_does_not_run_and_the_model_is_told_why():
    agents, sent, model = waiting_on(needs=True)
    [call] = live(agents.run("go", thread="t")).waiting
    live(agents.post("t", e.ApprovalGiven(call.id, False, "ada", "not to bob")))
    assert live(agents.resume("t")).answer == "done"
    assert sent == []
    assert model.seen[1].messages[-1].text == "error: a person refused this call: not to bob"


def test_edited_arguments_run_in_place_of_the_model_s_and_must_fit():
    agents, sent, _ = waiting_on(needs=True)
    result = live(agents.run("go", thread="t"))
    [call] = result.waiting
    with pytest.raises(UsageError, match="won't do"):
        live(
            agents.post(
                "t", e.ApprovalGiven(call.id, True, "ada", arguments='{"to": 1, "cc": "x"}')
            )
        )
    live(agents.post("t", e.ApprovalGiven(call.id, True, "ada", arguments='{"to": "carol"}')))
    live(agents.resume("t"))
    assert sent == [("carol", sent[0][1])]
    state = fold(live(open_log("t", agents.store, agents.world)).records[: result.records[-1].seq])
    assert sent[0][1] != find_call(state.turn, call.id).key


def test_always_asks_no_more_in_this_thread_and_only_there():
    script = [
        calls(("send", {"to": "a"})),
        calls(("send", {"to": "b"})),
        says("ok"),
        calls(("send", {"to": "c"})),
    ]
    agents, sent, _ = waiting_on(needs=True, script=script)
    [call] = live(agents.run("go", thread="t")).waiting
    live(agents.post("t", e.ApprovalGiven(call.id, True, "ada", always=e.Always(lasts="thread"))))
    assert live(agents.resume("t")).answer == "ok"
    assert [to for to, _ in sent] == ["a", "b"]
    assert live(agents.run("go", thread="other")).status == "waiting"


@pytest.mark.parametrize(
    ("rules", "status"),
    [
        ([Rule("send", "ask")], "waiting"),
        ([Rule("s*", "ask")], "waiting"),
        ([Rule("*", "ask", read_only=True)], "answered"),
        ([Rule("*", "ask", read_only=False)], "waiting"),
        ([Rule("send", "allow"), Rule("*", "ask")], "answered"),
        ([Rule("other", "ask")], "answered"),
    ],
)
def test_rules_go_by_glob_and_by_what_only_reads(rules, status):
    assert live(waiting_on(rules=rules)[0].run("go")).status == status


def test_needs_approval_may_be_a_function_of_the_arguments():
    script = [calls(("send", {"to": "bob"}), ("send", {"to": "eve"})), says("ok")]
    agents, sent, _ = waiting_on(needs=lambda arguments: arguments["to"] == "eve", script=script)
    result = live(agents.run("go", thread="t"))
    assert result.status == "waiting"
    assert [to for to, _ in sent] == ["bob"]
    assert [call.final_arguments for call in result.waiting] == ['{"to": "eve"}']


def test_a_double_or_late_decision_is_illegal_and_changes_nothing():
    agents, _, _ = waiting_on(needs=True)
    [call] = live(agents.run("go", thread="t")).waiting
    live(agents.post("t", e.ApprovalGiven(call.id, True, "ada")))
    before = live(agents.store.read("t"))
    for late in (
        agents.post("t", e.ApprovalGiven(call.id, True, "bob")),
        agents.post("t", e.ApprovalGiven(call.id, False, "bob")),
        agents.post("t", e.UserSaid("x", answers=call.id)),
        agents.post("t", e.ApprovalGiven("nope", True, "bob")),
    ):
        with pytest.raises(IllegalEvent):
            live(late)
    assert live(agents.store.read("t")) == before


def test_the_agent_s_question_is_answered_by_the_person():
    model = ScriptedModel([calls(("ask_user", {"question": "Which city?"})), says("Rome it is")])
    agents = agent(model, ask_user)
    result = live(agents.run("weather?", thread="t"))
    assert (result.status, result.waiting[0].reason) == ("waiting", "Which city?")
    live(agents.post("t", e.UserSaid("Rome", answers=result.waiting[0].id)))
    assert live(agents.resume("t")).answer == "Rome it is"
    assert model.seen[1].messages[-1].text == "Rome"


# Two at once


def test_a_second_driver_fences_the_first():
    started = asyncio.Event()

    @tool
    async def slow() -> str:
        started.set()
        await asyncio.sleep(60)
        return "late"

    @tool
    async def pause() -> None:
        await asyncio.sleep(5)

    model = ScriptedModel([calls("slow"), calls("pause"), says("by the second")])
    agents = agent(model, slow, pause, unknown="tell")

    async def whole() -> None:
        first = asyncio.create_task(agents.run("go", thread="t"))
        await started.wait()
        second = await agents.resume("t", take=True)
        assert second.answer == "by the second"
        with pytest.raises(Fenced):
            await first
        assert first.cancelling() == 0
        await asyncio.sleep(60)  # the first one's tool, which nobody has cancelled

    live(whole())


def test_two_runs_that_begin_one_thread_at_once_make_one_turn():
    agents = agent(ScriptedModel([says("ok"), says("ok")]), store=SlowStore())

    async def whole() -> list[Any]:
        return await asyncio.gather(
            *(agents.run("go", thread="t") for _ in range(2)), return_exceptions=True
        )

    first, second = live(whole())
    assert first.answer == "ok"
    assert isinstance(second, TurnOpen)


def test_an_approval_posted_while_another_call_runs_is_taken_in():
    sent: list[Any] = []
    release = asyncio.Event()

    @tool
    async def slow() -> str:
        await release.wait()
        return "slow is done"

    model = ScriptedModel([calls("slow", ("send", {"to": "bob"})), says("both done")])
    agents = agent(model, slow, sends(sent, needs_approval=True))

    async def whole() -> Any:
        task = asyncio.create_task(agents.run("go", thread="t"))
        await asyncio.sleep(1)
        log = await open_log("t", agents.store, world())
        [held] = [call for call in log.state.turn.calls.values() if call.status == "waiting"]
        await agents.post("t", e.ApprovalGiven(held.id, True, "ada"))
        release.set()
        return await task

    assert live(whole()).answer == "both done"
    assert [to for to, _ in sent] == ["bob"]


def test_an_approval_is_not_lost_when_a_driver_claims_at_the_same_moment():
    agents, _, _ = waiting_on(needs=True)
    [call] = live(agents.run("go", thread="t")).waiting

    async def whole() -> str:
        posting = await open_log("t", agents.store, world())
        await (await open_log("t", agents.store, world())).append(e.ThreadClaimed("someone"))
        await posting.append(e.ApprovalGiven(call.id, True, "ada"))
        return (await agents.resume("t")).answer

    assert live(whole()) == "done"


def test_cancelling_from_elsewhere_stops_the_turn_where_it_runs():
    @tool
    async def slow() -> str:
        await asyncio.sleep(600)
        return "late"

    agents = agent(ScriptedModel([calls("slow")]), slow)

    async def whole() -> Any:
        task = asyncio.create_task(agents.run("go", thread="t"))
        await asyncio.sleep(5)
        await agents.post("t", e.TurnEnded("cancelled", "by ada: too slow"))
        return await task

    result = live(whole())
    assert (result.status, result.reason) == ("cancelled", "by ada: too slow")
    assert result.seconds < 6


# Crashes


def by_prompt(request: Request) -> Reply:
    """A model that goes by what it sees, as a real one does, and not by how often it was asked."""
    results = sum(message.role == "tool" for message in request.messages)
    asked = [calls(("look", {"at": "x"}), ("send", {"to": "bob"})), calls(("look", {"at": "y"}))]
    return asked[results // 2] if results in (0, 2) else says(f"done after {results}")


def crashing(store: Any, ran: list[Any], unknown: str = "tell") -> Agent:
    @tool(read_only=True)
    async def look(at: str, context: Context) -> str:
        ran.append(("look", at, context.idempotency_key))
        if context.attempt == 1 and at == "y":
            raise ToolRetry("again", retry_after_s=1)
        return f"seen {at}"

    model = ScriptedModel([by_prompt] * 50)
    send = replace(sends(ran), parallel=True)
    return agent(model, look, send, store=store, unknown=unknown)


def test_a_log_cut_at_any_record_is_resumed_to_its_proper_end():
    whole = MemoryStore()
    live(crashing(whole, []).run("go", thread="t"))
    rows = live(whole.read("t"))
    assert len(rows) > 15
    for cut in range(3, len(rows) + 1):
        store, ran = MemoryStore(), []
        live(store.append("t", rows[:cut]))
        agents = crashing(store, ran)
        result = live(agents.resume("t"))
        assert (result.status, result.answer) == ("answered", "done after 3")
        log = live(open_log("t", store, world())).records
        ended = [
            r.event.call_id for r in log if isinstance(r.event, e.ToolReturned | e.OutcomeDecided)
        ]
        assert len(set(ended)) == len(ended) == 3
        started = {row.event for row in rows[:cut] if b'"ToolStarted"' in row.event}
        assert sum(to == "bob" for to, *_ in ran) == (0 if len(started) > 1 else 1)
        assert live(agents.resume("t")).records == result.records


def test_an_interrupted_call_waits_for_a_decision_unless_it_may_be_repeated():
    whole, ran = MemoryStore(), []
    live(crashing(whole, ran).run("go", thread="t"))
    rows = live(whole.read("t"))
    [cut] = [index for index, row in enumerate(rows) if b'"ToolStarted"' in row.event][1:2]
    keys = {each[-2]: each[-1] for each in ran}

    def resumed(unknown: str, again: list[Any]) -> tuple[Agent, Any]:
        store = MemoryStore()
        live(store.append("t", rows[: cut + 1]))
        agents = crashing(store, again, unknown)
        return agents, live(agents.resume("t"))

    again: list[Any] = []
    agents, result = resumed("ask", again)
    assert (result.status, [call.name for call in result.waiting]) == ("waiting", ["send"])
    assert again == [("look", "x", keys["x"])], "what is read-only ran again, under its key"
    live(agents.post("t", e.OutcomeDecided(result.waiting[0].id, "not_run", "ada")))
    assert live(agents.resume("t")).answer == "done after 3"
    assert ("bob", keys["bob"]) in again

    again = []
    agents, result = resumed("ask", again)
    live(agents.post("t", e.OutcomeDecided(result.waiting[0].id, "ran", "ada", "it arrived")))
    live(agents.resume("t"))
    assert "bob" not in [name for name, *_ in again]
    assert [m.text for m in agents.model.seen[-1].messages if m.role == "tool"][1] == "it arrived"

    agents, result = resumed("tell", [])
    assert "nobody knows if it had its effect" in agents.model.seen[-1].messages[3].text


@pytest.mark.slow
@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize(
    "error", [Died, lambda: StoreError("disk full")], ids=["died", "store error"]
)
def test_a_store_that_fails_at_any_append_loses_nothing_and_repeats_nothing(error, written):
    for appends in range(40):
        inner, ran = MemoryStore(), []
        store = DyingStore(inner, appends, error, written)
        try:
            live(crashing(store, ran).run("go", thread="t"))
            break
        except (Died, StoreError, BaseExceptionGroup):
            pass
        sent_before = [name for name, *_ in ran].count("bob")
        rows = live(inner.read("t"))
        assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
        if not rows:
            continue
        result = live(crashing(inner, ran).resume("t"))
        assert result.status == "answered"
        assert [name for name, *_ in ran].count("bob") <= 1
        assert sent_before <= 1
        keys = {
            at: {key for _, each, key in (r for r in ran if len(r) == 3) if each == at}
            for at in ("x", "y")
        }
        assert all(len(each) <= 1 for each in keys.values())
    else:
        pytest.fail("the turn never ended")
    assert appends > 10


@settings(max_examples=15)
@given(st.lists(st.integers(1, 7), min_size=1, max_size=6))
def test_a_turn_that_dies_again_and_again_still_ends_once(deaths):
    inner, ran = MemoryStore(), []
    begun = False
    for appends in [*deaths, 1000]:
        agents = crashing(DyingStore(inner, appends, Died, True), ran)
        try:
            result = live(agents.resume("t") if begun else agents.run("go", thread="t"))
            break
        except (Died, BaseExceptionGroup):
            begun = begun or bool(live(inner.read("t")))
    assert result.answer == "done after 3"
    assert [name for name, *_ in ran].count("bob") <= 1
    assert names(live(open_log("t", inner, world())).records).count("TurnEnded") == 1


def test_resuming_without_the_tool_of_a_call_under_way_is_refused_and_writes_nothing():
    agents, _, _ = waiting_on(needs=True)
    live(agents.run("go", thread="t"))
    before = live(agents.store.read("t"))
    with pytest.raises(UsageError, match="send"):
        live(agent(ScriptedModel([]), store=agents.store).resume("t"))
    assert live(agents.store.read("t")) == before


# Settings


class City(pydantic.BaseModel):
    name: str
    people: int


def test_a_structured_answer_is_checked_told_and_parsed():
    model = ScriptedModel(
        [
            says("Rome"),
            says('{"name": "Rome"}'),
            says('```json\n{"name": "Rome", "people": 3}\n```'),
        ]
    )
    result = live(agent(model, output=City, limits=Limits()).run("a city"))
    assert result.output == City(name="Rome", people=3)
    assert "people: Field required" in model.seen[2].messages[-1].text
    assert model.seen[0].output_schema["required"] == ["name", "people"]


def test_a_plan_comes_first_is_prose_and_is_carried_out():
    model = ScriptedModel(
        [says("1. send"), calls(("send", {"to": "bob"})), says('{"name": "Rome", "people": 3}')]
    )
    sent: list[Any] = []
    result = live(agent(model, sends(sent), plan=True, output=City).run("go"))
    assert [call.purpose for call in found(result, e.ModelCalled)] == ["plan", "step", "step"]
    assert model.seen[0].tools == ()
    assert model.seen[0].output_schema is None
    assert model.seen[1].messages[-1].text.startswith("Now carry out your plan")
    assert (len(sent), result.output.people) == (1, 3)


def test_a_cost_limit_needs_a_price_unless_it_is_waived():
    model = ScriptedModel([says("ok")], price_usd=None)
    store = MemoryStore()
    with pytest.raises(UsageError, match="no price is known for scripted"):
        live(agent(model, limits=Limits(cost_usd=1.0), store=store).run("go", thread="t"))
    assert live(store.read("t")) == []
    assert (
        live(agent(model, limits=Limits(cost_usd=1.0, unpriced=True)).run("go")).summary().cost_usd
        is None
    )


def test_text_that_is_no_unicode_is_the_caller_s_error_and_writes_nothing():
    store = MemoryStore()
    with pytest.raises(ValueError, match="surrogate"):
        live(agent(ScriptedModel([says("ok")]), store=store).run("bad \ud800", thread="t"))
    assert live(store.read("t")) == []


def test_a_model_that_writes_lone_surrogates_does_not_spoil_the_log():
    agents = agent(ScriptedModel([says("bad \ud800"), says("fine")]))
    with pytest.raises(ValueError, match="surrogate"):
        live(agents.run("go", thread="t"))
    assert live(agents.run("again", thread="t")).answer == "fine"


def test_no_setting_or_dependency_of_the_caller_reaches_the_log():
    store = MemoryStore()

    @tool
    def login(context: Context) -> str:
        return "in" if context.deps["key"] else "out"

    agents = agent(
        ScriptedModel([calls("login"), says("ok")]),
        login,
        store=store,
    )
    live(agents.run("go", thread="t", deps={"key": "sk-secret"}))
    written = b"".join(row.event for row in live(store.read("t")))
    assert b"sk-secret" not in written


def test_only_named_settings_of_a_model_are_in_the_log():
    model = RemoteModel(
        "m",
        base_url="http://hidden.example/v1",
        api_key="sk-secret",
        headers={"x-key": "sk-header"},
        settings=ModelSettings(
            temperature=0.5,
            extra={"top_k": 5, "user_key": "sk-extra", "min_p": {"nested": "sk-nested"}},
        ),
    )
    described = agent(model).run_settings.describe()
    plain = {"context_tokens", "max_output_tokens", "temperature", "top_k"}
    assert described.settings.keys() == plain | {"extra"}
    assert described.settings["extra"].keys() == {"user_key", "min_p"}
    written = encode_event(described)
    assert b"sk-" not in written
    assert b"hidden.example" not in written


def test_run_sync_from_many_threads_and_from_a_running_loop():
    answers: list[str] = []

    def one(number: int) -> None:
        answers.append(agent(ScriptedModel([says(str(number))])).run_sync("go").answer)

    workers = [threading.Thread(target=one, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(10)
    assert sorted(answers) == ["0", "1", "2", "3"]

    async def inside() -> str:
        return agent(ScriptedModel([says("in")])).run_sync("go").answer

    assert asyncio.run(inside()) == "in"


def test_a_damaged_log_is_not_written_to():
    agents = agent(ScriptedModel([says("ok")]))
    live(agents.store.append("t", [Row(1, 0.0, encode_event(e.TurnEnded("answered")))]))
    with pytest.raises(IllegalEvent, match="thread t can't be read"):
        live(agents.run("go", thread="t"))
    assert len(live(agents.store.read("t"))) == 1


def test_an_approval_for_the_thread_frees_the_other_calls_of_that_tool_that_wait():
    model = ScriptedModel(
        [calls(("send", {"to": "ann"}), ("send", {"to": "bob"})), says("both sent")]
    )
    agents = agent(model, sends([], needs_approval=True))
    result = live(agents.run("go", thread="t"))
    live(
        agents.post(
            "t", e.ApprovalGiven(result.waiting[0].id, True, "ada", always=e.Always(lasts="thread"))
        )
    )
    assert live(agents.resume("t")).answer == "both sent"


def test_edited_arguments_need_the_agent_that_can_check_them():
    agents = agent(ScriptedModel([calls(("send", {"to": "ann"}))]), sends([], needs_approval=True))
    result = live(agents.run("go", thread="t"))
    stranger = agent(ScriptedModel([]), store=agents.store)
    with pytest.raises(UsageError, match="can't be checked"):
        live(stranger.post("t", e.ApprovalGiven(result.waiting[0].id, True, "ada", arguments="{}")))


def test_a_thread_forks_and_replays_by_its_agent():
    agents = agent(ScriptedModel([says("one"), says("two")]))
    live(agents.run("go", thread="t"))
    assert live(agents.replay("t")) is None
    forked = live(agents.fork("t", edit="go another way"))
    assert live(agents.resume(forked.thread_id)).answer == "two"


def test_a_model_without_its_key_is_refused_before_anything_is_written(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    store = MemoryStore()
    agent = Agent(model=RemoteModel("gpt-5.4-mini"), store=store)
    with pytest.raises(UsageError, match="needs OPENAI_API_KEY, which isn't set"):
        agent.run_sync("hi", thread="t", key="delivery")
    assert asyncio.run(store.read("t")) == []


@dataclass
class Shop:
    paid: list[int]


def paying(store):
    @tool
    def pay(context: Context[Shop], amount: int) -> str:
        """Pay."""
        context.deps.paid.append(amount)
        return "paid"

    model = ScriptedModel([calls(("pay", {"amount": 3})), says("Paid.")])
    return Agent(tools=[pay], model=model, store=store, rules=[Rule("pay", "ask")])


def test_a_resume_without_the_deps_that_a_tool_needs_is_refused_before_the_call_begins():
    store = MemoryStore()
    agent = paying(store)
    [waiting] = agent.run_sync("pay", thread="t", deps=Shop([])).waiting
    asyncio.run(agent.post("t", e.ApprovalGiven(waiting.id, True, "ann")))
    with pytest.raises(UsageError, match="the tool pay needs deps, a Shop"):
        asyncio.run(agent.resume("t"))
    shop = Shop([])
    assert asyncio.run(agent.resume("t", deps=shop)).answer == "Paid."
    assert shop.paid == [3]


def test_whatever_serves_makes_the_deps_of_each_thread_by_its_name():
    store = MemoryStore()
    agent = paying(store)
    [waiting] = agent.run_sync("pay", thread="t", deps=Shop([])).waiting
    shops = {"t": Shop([])}

    async def serve():
        await agent.post("t", e.ApprovalGiven(waiting.id, True, "ann"))
        async with keep_going(agent, deps=lambda name: shops[name]):
            return await agent.resume("t", deps=shops["t"])

    assert asyncio.run(serve()).answer == "Paid."
    assert shops["t"].paid == [3]


def test_a_tool_is_tried_again_after_the_errors_that_it_names():
    class Dropped(Exception):
        """As an HTTP client's, which is no ConnectionError."""

    tries = []

    @tool(idempotent=True, retries=2, retry_on=(Dropped,))
    def look() -> str:
        """Look."""
        tries.append(1)
        if len(tries) < 2:
            raise Dropped("by the server")
        return "seen"

    model = ScriptedModel([calls("look"), says("Seen.")])
    result = Agent(tools=[look], model=model, store=MemoryStore(), world=world()).run_sync("?")
    assert (result.answer, len(tries)) == ("Seen.", 2)
