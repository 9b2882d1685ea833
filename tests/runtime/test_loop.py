import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import SlowStore, agent, found, live, names, timeless, world
from treadle import (
    Agent,
    Context,
    Delta,
    Limits,
    MemoryStore,
    Result,
    Rule,
    ScriptedModel,
    ToolError,
    ToolRetry,
    tool,
)
from treadle.core import events as e
from treadle.core.errors import (
    ContextOverflow,
    ModelDenied,
    ModelRejected,
    ModelUnavailable,
    TreadleError,
    TurnFailed,
)
from treadle.core.events import Call, Usage
from treadle.core.model import Reply
from treadle.models.scripted import ScriptEnded, calls, says
from treadle.runtime.log import open_log


@tool(idempotent=True)
def add(a: int, b: int = 1) -> int:
    """Add."""
    return a + b


@tool
async def echo(text: str) -> str:
    """Give it back."""
    await asyncio.sleep(0.5)
    return text


@tool
def broken() -> str:
    """Always fails."""
    raise ValueError("it broke")


def told(model: ScriptedModel, request: int = -1) -> str:
    return model.seen[request].messages[-1].text


# The turn as a whole


def test_a_turn_of_one_answer_is_six_records():
    result = live(agent(ScriptedModel([says("Hello!")])).run("hi"))
    assert (result.status, result.answer, result.steps) == ("answered", "Hello!", 1)
    assert names(result.records) == [
        "UserSaid",
        "AgentDescribed",
        "ModelCalled",
        "ModelReplied",
        "TurnEnded",
    ]


def test_results_go_back_in_the_order_asked_not_in_the_order_they_ended():
    @tool(parallel=True)
    async def wait(seconds: float) -> str:
        await asyncio.sleep(seconds)
        return f"slept {seconds:g}"

    model = ScriptedModel([calls(("wait", {"seconds": 3}), ("wait", {"seconds": 1})), says("ok")])
    result = live(agent(model, wait).run("go"))
    assert [event.content for event in found(result, e.ToolReturned)] == ["slept 1", "slept 3"]
    assert [message.text for message in model.seen[1].messages[-2:]] == ["slept 3", "slept 1"]


@pytest.mark.parametrize(
    ("settings", "of_agent", "together"),
    [
        ({}, {}, 1),
        ({"parallel": True}, {}, 3),
        ({"idempotent": True}, {}, 3),
        ({"read_only": True}, {}, 3),
        ({}, {"parallel": True}, 3),
    ],
)
def test_calls_run_in_the_order_asked_for_unless_they_may_run_side_by_side(
    settings, of_agent, together
):
    running: list[int] = []
    most: list[int] = []

    @tool(**settings)
    async def wait(number: int) -> str:
        running.append(number)
        most.append(len(running))
        await asyncio.sleep(2)
        running.remove(number)
        return "ok"

    model = ScriptedModel(
        [calls(*(("wait", {"number": number}) for number in range(3))), says("ok")]
    )
    result = live(agent(model, wait, **of_agent).run("go"))
    assert max(most) == together
    assert result.seconds == pytest.approx(6.0 / together)


def test_a_call_with_an_effect_waits_for_those_before_it_and_holds_those_after_it():
    order: list[str] = []

    def recorded(name: str, **settings: Any) -> Any:
        @tool(name=name, **settings)
        async def inner(number: int) -> None:
            order.append(f"+{name}{number}")
            await asyncio.sleep(1)
            order.append(f"-{name}{number}")

        return inner

    asked = calls(
        ("a", {"number": 1}), ("a", {"number": 2}), ("s", {"number": 3}), ("a", {"number": 4})
    )
    live(
        agent(ScriptedModel([asked, says("ok")]), recorded("a", read_only=True), recorded("s")).run(
            "go"
        )
    )
    assert sorted(order[:2]) == ["+a1", "+a2"]
    assert sorted(order[2:4]) == ["-a1", "-a2"]
    assert order[4:] == ["+s3", "-s3", "+a4", "-a4"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("nope", "error: no tool named 'nope'; there are: add, broken"),
        (("add", "{a:"), "error: the arguments are not valid JSON"),
        (("add", "[1]"), "error: the arguments are a JSON list"),
        (("add", {"a": "x"}), "a: Input should be a valid integer"),
        (("add", {}), "a: Field required"),
        (("add", {"a": 1, "c": 2}), "it takes: a, b"),
        ("broken", "error: ValueError: it broke"),
    ],
)
def test_a_call_that_goes_wrong_is_told_to_the_model_in_words(call, said):
    model = ScriptedModel([calls(call), says("ok")])
    result = live(agent(model, add, broken).run("go"))
    assert said in told(model)
    assert result.answer == "ok"


def test_bad_arguments_go_back_as_an_object_so_that_no_provider_chokes_on_them():
    model = ScriptedModel(
        [calls(("add", "{a:"), ("add", "[1]"), ("functions.add", "{}")), says("ok")]
    )
    live(agent(model, add).run("go"))
    shown = model.seen[1].messages[1].calls
    assert [call.arguments for call in shown] == ['{"not_json":"{a:"}', '{"not_json":"[1]"}', "{}"]
    assert shown[2].name == "functions_add"


def test_the_key_is_the_same_at_every_try_and_differs_between_calls():
    keys: list[tuple[str, int]] = []

    @tool
    def pay(amount: int, context: Context) -> str:
        keys.append((context.idempotency_key, context.attempt))
        if context.attempt < 3:
            raise ToolRetry("busy", retry_after_s=4)
        return "paid"

    model = ScriptedModel(
        [calls(("pay", {"amount": 1})), calls(("pay", {"amount": 1})), says("ok")]
    )
    result = live(agent(model, pay).run("go"))
    assert [attempt for _, attempt in keys] == [1, 2, 3, 1, 2, 3]
    assert len({key for key, _ in keys}) == 2
    assert keys[0][0] == keys[2][0] == found(result, e.ToolStarted)[0].key
    assert result.summary().tool_calls == 2
    assert result.summary().tool_retries == 4
    assert result.seconds == pytest.approx(16)


def test_an_idempotent_tool_is_tried_again_after_a_passing_fault_and_the_model_hears_the_last():
    tries: list[int] = []

    @tool(idempotent=True, retries=2)
    def weak() -> str:
        tries.append(1)
        raise ConnectionError("refused")

    model = ScriptedModel([calls("weak"), says("ok")])
    result = live(agent(model, weak).run("go"))
    assert len(tries) == 3
    assert told(model) == "error: ConnectionError: refused"
    assert result.seconds == pytest.approx(0.5 + 1.0)


def test_a_tool_that_asks_for_a_wait_longer_than_the_turn_ends_it_without_waiting():
    @tool
    def later() -> str:
        raise ToolRetry("busy", retry_after_s=3600)

    result = live(
        agent(ScriptedModel([calls("later"), says("ok")]), later, limits=Limits(seconds=60)).run(
            "go"
        )
    )
    assert (result.status, result.reason) == ("limit", "seconds")
    assert result.seconds < 1


@pytest.mark.parametrize("error", [SystemExit(1), StopIteration(), asyncio.CancelledError()])
@pytest.mark.parametrize("is_async", [True, False])
def test_a_tool_that_raises_what_ends_programs_does_not_end_the_turn(error, is_async):
    @tool(name="rude")
    async def awaited() -> None:
        raise error

    @tool(name="rude")
    def plain() -> None:
        raise error

    model = ScriptedModel([calls("rude"), says("ok")])
    result = live(agent(model, awaited if is_async else plain).run("go"))
    assert (result.status, result.answer) == ("answered", "ok")
    assert told(model).startswith("error: ")


# What replies may be


def test_calls_are_run_whatever_the_finish_reason_says():
    for reason in ("stop", "tool_calls", "function_call", "", "martian"):
        asked = Reply((Call("x", "add", '{"a":1}'),), finish_reason=reason)
        model = ScriptedModel([asked, says("ok")])
        assert live(agent(model, add).run("go")).answer == "ok"
        assert told(model) == "2"


def test_calls_of_a_reply_that_was_cut_off_are_never_read_and_the_model_is_told():
    ran: list[int] = []

    @tool
    def effect() -> None:
        ran.append(1)

    cut = Reply((Call("x", "effect", "{}"),), Usage(10, 99), "length")
    model = ScriptedModel([cut, says("ok")])
    result = live(agent(model, effect).run("go"))
    assert ran == []
    assert "cut off at 99 tokens" in told(model)
    assert result.answer == "ok"


def test_replies_that_are_cut_off_every_time_fail_the_turn_after_three():
    cut = Reply((Call("x", "add", '{"a":'),), Usage(10, 99), "length")
    model = ScriptedModel([cut] * 9)
    with pytest.raises(TurnFailed, match="3 replies in a row were of no use"):
        live(agent(model, add).run("go"))
    assert len(model.seen) == 3


def test_a_text_that_was_cut_off_is_a_partial_answer_and_says_so():
    result = live(agent(ScriptedModel([Reply("The answer i", finish_reason="length")])).run("go"))
    assert (result.status, result.reason, result.answer) == ("limit", "output", "The answer i")


@pytest.mark.parametrize("content", ["", (e.Thinking("Let me see", {"reasoning": "Let me see"}),)])
def test_a_reply_used_up_by_thinking_is_a_limit_and_is_not_asked_again(content):
    model = ScriptedModel([Reply(content, Usage(10, 99), "length"), says("never")])
    result = live(agent(model, add).run("go"))
    assert (result.status, result.reason, len(model.seen)) == ("limit", "output", 1)
    assert result.answer.startswith(
        "[Stopped before an answer, at the limit: 99 tokens of one reply."
    )


def test_a_last_word_used_up_by_thinking_is_not_asked_again():
    thought = Reply("", Usage(10, 99), "length")
    model = ScriptedModel([calls(("add", {"a": 1})), thought, says("never")])
    result = live(agent(model, add, limits=Limits(steps=1)).run("go"))
    assert (result.status, result.reason, len(model.seen)) == ("limit", "steps", 2)


WRITTEN = Reply(
    '<function=add={"a": 1}</function>', finish_reason="malformed_call", fault="no JSON"
)


def test_a_call_that_the_provider_could_not_read_is_the_model_s_to_mend():
    model = ScriptedModel([WRITTEN, calls(("add", {"a": 1})), says("2")])
    result = live(agent(model, add).run("go"))
    assert (result.answer, result.steps) == ("2", 3)
    reply, notice = model.seen[1].messages[-2:]
    assert reply.text == WRITTEN.text
    assert "in a form that could not be read: no JSON. Call it again" in notice.text


def test_what_a_call_was_to_be_is_no_answer_no_plan_and_no_last_word():
    with pytest.raises(TurnFailed, match="3 replies in a row") as failed:
        live(agent(ScriptedModel([WRITTEN] * 3), add).run("go"))
    assert WRITTEN.text not in failed.value.result.answer
    model = ScriptedModel([WRITTEN, says("1. add"), says("2")])
    assert live(agent(model, add, plan=True).run("go")).answer == "2"
    model = ScriptedModel([calls(("add", {"a": 1})), WRITTEN, says("2")])
    assert live(agent(model, add, limits=Limits(steps=1)).run("go")).answer == "2"
    assert "write the answer in words" in model.seen[2].messages[-1].text


def test_text_and_calls_cut_off_together_are_asked_for_again():
    cut = Reply((e.Text("Let me see"), Call("x", "add", '{"a":')), Usage(10, 99), "length")
    model = ScriptedModel([cut, says("ok")])
    assert live(agent(model, add).run("go")).answer == "ok"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply("", refusal="I won't."), "I won't."),
        (Reply("half a", finish_reason="content_filter"), "the provider's content filter"),
        (
            Reply((Call("x", "add", '{"a":1}'),), finish_reason="content_filter"),
            "the provider's content filter",
        ),
    ],
)
def test_a_refusal_ends_the_turn_and_runs_nothing(reply, reason):
    result = live(agent(ScriptedModel([reply]), add).run("go"))
    assert (result.status, result.reason) == ("refused", reason)
    assert not found(result, e.ToolStarted)


def test_an_empty_reply_is_asked_again_and_three_in_a_row_fail():
    assert live(agent(ScriptedModel([says(" "), says(""), says("ok")])).run("go")).answer == "ok"
    with pytest.raises(TurnFailed, match="3 replies"):
        live(agent(ScriptedModel([says("")] * 3)).run("go"))


def test_text_beside_calls_is_kept_as_the_best_partial_answer():
    model = ScriptedModel([calls(("add", {"a": 1}), text="I think 2."), says("ok")])
    limits = Limits(steps=1, last_word=False)
    result = live(agent(model, add, limits=limits).run("go"))
    assert (result.status, result.reason) == ("limit", "steps")
    assert result.answer == "I think 2.\n\n[Stopped at the limit: 1 steps.]"


# Errors of the model


def test_a_model_that_is_unavailable_is_asked_again_with_growing_waits():
    model = ScriptedModel([ModelUnavailable("503")] * 4 + [says("ok")])
    result = live(agent(model).run("go"))
    assert result.answer == "ok"
    assert result.steps == 1
    assert result.seconds == pytest.approx(0.5 + 1 + 2 + 4)
    assert result.summary().model_retries == 4


def test_the_wait_that_the_provider_asks_for_is_obeyed():
    model = ScriptedModel([ModelUnavailable("429", retry_after_s=17.0), says("ok")])
    assert live(agent(model).run("go")).seconds == pytest.approx(17)


def test_chance_spreads_the_waits_and_never_comes_before_what_was_asked():
    model = ScriptedModel(
        [ModelUnavailable("429", retry_after_s=17.0), ModelUnavailable("503"), says("ok")]
    )
    result = live(agent(model, world=world(chance=0.999)).run("go"))
    assert 17 < found(result, e.ModelFailed)[0].retry_after_s < 18.1
    assert 0.5 <= found(result, e.ModelFailed)[1].retry_after_s < 1


def test_a_wait_longer_than_what_is_left_ends_the_turn_at_once():
    model = ScriptedModel([ModelUnavailable("429", retry_after_s=1000), says("ok")])
    result = live(agent(model, limits=Limits(seconds=100)).run("go"))
    assert (result.status, result.reason, result.seconds) == ("limit", "seconds", 0.0)


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (ModelUnavailable("down"), 5),
        (ModelDenied("bad key"), 1),
        (ModelRejected("no such model"), 1),
        (ContextOverflow("too long"), 3),
    ],
)
def test_a_model_error_ends_the_turn_as_failed_with_its_own_exception(error, tries):
    model = ScriptedModel([error] * 9)
    agents = agent(model)
    with pytest.raises(type(error), match=str(error)) as caught:
        live(agents.run("go", thread="t"))
    assert len(model.seen) == tries
    assert "thread t" in caught.value.__notes__[0]
    result = caught.value.result
    assert (result.status, result.reason) == ("failed", str(error))


def test_what_a_broken_stream_had_cost_is_counted():
    error = ModelUnavailable("cut")
    error.usage = Usage(100, 7, estimated=True)
    result = live(agent(ScriptedModel([error, says("ok")], price_usd=(0.01, 0.1))).run("go"))
    assert found(result, e.ModelFailed)[0].cost_usd == pytest.approx(1.7)
    assert result.usage.input_tokens > 100
    whole = found(result, e.ModelReplied)[0].cost_usd
    assert result.summary().cost_usd == pytest.approx(1.7 + whole)


def test_an_overflow_shrinks_the_window_and_it_stays_so_for_the_turn():
    history = [calls(("echo", {"text": f"{number} " + "x" * 2000})) for number in range(8)]
    model = ScriptedModel(
        [*history, ContextOverflow("too long"), calls(("echo", {"text": "more"})), says("ok")],
        context_tokens=8000,
        max_output_tokens=1000,
    )
    assert live(agent(model, echo).run("go")).answer == "ok"
    sizes = [request.tokens for request in model.seen]
    assert sizes[9] < sizes[8] * 0.7
    assert sizes[10] < sizes[8] * 0.7


def test_a_model_that_does_not_answer_in_time_ends_the_turn_with_the_limit():
    model = HangingModel()
    result = live(agent(model, limits=Limits(seconds=30)).run("go"))
    assert (result.status, result.reason) == ("limit", "seconds")
    [failed] = found(result, e.ModelFailed)
    assert failed.kind == "timeout"
    assert failed.usage.estimated
    assert failed.usage.output_tokens == len("half an ") // 4, "what it has written was paid for"


class HangingModel(ScriptedModel):
    def __init__(self) -> None:
        super().__init__([])

    async def reply(self, request: Any, emit: Any) -> Reply:
        emit("half an ")
        await asyncio.sleep(1e6)
        raise AssertionError


@pytest.mark.parametrize("error", [KeyError("oops"), TimeoutError("mine"), ValueError()])
@pytest.mark.parametrize("seconds", [600, None])
def test_a_bug_in_the_model_ends_the_turn_as_failed_and_is_raised(error, seconds):
    agents = agent(ScriptedModel([error]), limits=Limits(seconds=seconds))
    with pytest.raises(type(error)):
        live(agents.run("go", thread="t"))
    result = live(agents.resume("t"))
    assert result.status == "failed"
    assert type(error).__name__ in result.reason


def test_the_end_of_the_script_is_such_a_bug():
    with pytest.raises(ScriptEnded):
        live(agent(ScriptedModel([])).run("go"))


# Cancelling


def cancelled_after(agents: Agent, seconds: float) -> Result:
    async def whole() -> Result:
        task = asyncio.create_task(agents.run("go", thread="t"))
        await asyncio.sleep(seconds)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left
        return await agents.resume("t")

    return live(whole())


def test_cancelling_while_the_model_answers_is_recorded():
    result = cancelled_after(agent(HangingModel()), 5)
    assert names(result.records) == [
        "UserSaid",
        "AgentDescribed",
        "ModelCalled",
        "TurnEnded",
    ]
    assert result.status == "cancelled"


def test_cancelling_while_tools_run_stops_them_and_is_recorded():
    stopped: list[int] = []

    @tool(parallel=True)
    async def wait(number: int) -> None:
        try:
            await asyncio.sleep(100)
        finally:
            stopped.append(number)

    model = ScriptedModel([calls(("wait", {"number": 1}), ("wait", {"number": 2})), says("later")])
    agents = agent(model, wait)
    assert cancelled_after(agents, 5).status == "cancelled"
    assert sorted(stopped) == [1, 2]
    live(agents.run("again", thread="t"))
    shown = [message.text for message in model.seen[1].messages if message.role == "tool"]
    assert (
        shown == ["interrupted: the turn ended while this call ran; it may have had its effect"] * 2
    )


def test_cancelling_during_a_back_off_is_recorded():
    assert (
        cancelled_after(agent(ScriptedModel([ModelUnavailable("503", retry_after_s=60)])), 5).status
        == "cancelled"
    )


def test_cancelling_at_any_moment_leaves_a_log_that_goes_on():
    """With a store that takes its time, so that the moments within an append are among them."""
    for step in range(1, 60):
        store = SlowStore()
        model = ScriptedModel(
            [calls(("echo", {"text": "a"}), ("echo", {"text": "b"})), says("ok"), says("again")]
        )
        agents = agent(model, echo, store=store)

        async def whole(agents: Agent = agents, moment: float = step * 0.0125) -> None:
            task = asyncio.create_task(agents.run("go", thread="t"))
            await asyncio.sleep(moment)
            if task.done():
                return
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert asyncio.all_tasks() == {asyncio.current_task()}
            log = await open_log("t", agents.store, world())
            assert log.state.phase in ("empty", "idle")

        live(whole())


# One log, however it is run

REPLIES = st.one_of(
    st.text("ab \n", max_size=6).map(says),
    st.lists(
        st.sampled_from(
            [
                ("add", {"a": 1}),
                ("add", {"a": 2, "b": 3}),
                ("add", {"a": "x"}),
                ("add", "{a:"),
                ("echo", {"text": "hi"}),
                ("broken", {}),
                ("nope", {}),
                ("retried", {}),
            ]
        ),
        min_size=1,
        max_size=4,
    ).map(lambda wanted: calls(*wanted)),
    st.sampled_from(
        [
            ModelUnavailable("503"),
            ContextOverflow("long"),
            Reply("cut", finish_reason="length"),
            Reply((Call("x", "add", "{"),), Usage(5, 5), "length"),
            Reply("odd", finish_reason="martian"),
        ]
    ),
)


def build(script: list[Any], store: MemoryStore, listeners: tuple[Any, ...] = ()) -> Agent:
    @tool
    def retried(context: Context) -> str:
        """Works the second time."""
        if context.attempt == 1:
            raise ToolRetry("busy", retry_after_s=0.0)
        return "at last"

    return agent(
        ScriptedModel([*script, says("the end"), says("the end"), says("the end")]),
        add,
        echo,
        broken,
        retried,
        store=store,
        listeners=listeners,
        limits=Limits(seconds=None, steps=10),
        world=world(now=lambda: 7.0),
    )


async def drained(agents: Agent) -> list[Any]:
    return [item async for item in agents.stream("go", thread="t")]


def log_of(store: MemoryStore) -> list[Any]:
    return timeless(asyncio.run(open_log("t", store, world())).records)


def settled(events: list[Any]) -> list[Any]:
    """With the results of one round in a set order: tools that run at once may end in any."""
    rounds: list[Any] = []
    for event in events:
        if (
            isinstance(event, e.ToolReturned | e.ToolFailed)
            and rounds
            and isinstance(rounds[-1], list)
        ):
            rounds[-1].append(event)
        else:
            rounds.append([event] if isinstance(event, e.ToolReturned | e.ToolFailed) else event)
    return [sorted(each, key=repr) if isinstance(each, list) else each for each in rounds]


@given(st.lists(REPLIES, max_size=4))
def test_the_log_is_the_same_however_it_is_run(script):
    """Streamed or not, sync or async, watched by none or many."""
    logs = []
    seen: list[list[Any]] = [[], []]
    ways = (
        lambda agents: live(agents.run("go", thread="t")),
        lambda agents: live(drained(agents)),
        lambda agents: live(agents.run("go", thread="t")),
        lambda agents: agents.run_sync("go", thread="t"),
    )
    if any(
        isinstance(item, BaseException) or any(c.name == "echo" for c in item.calls)
        for item in script
    ):
        ways = ways[:3]  # `run_sync` has its own loop, with a real clock: nothing that waits there
    for number, way in enumerate(ways):
        store = MemoryStore()
        listeners = (seen[0].append, seen[1].append) if number == 2 else ()
        try:
            way(build(script, store, listeners))
        except TreadleError as error:
            logs.append((settled(log_of(store)), type(error), str(error)))
        else:
            logs.append((settled(log_of(store)), None, ""))
    assert all(log == logs[0] for log in logs)
    assert seen[0] == seen[1]
    assert settled([r.event for r in seen[0] if not isinstance(r, Delta)]) != []


def test_a_stream_gives_pieces_and_records_as_they_come_and_the_result_last():
    items = live(
        drained(
            agent(ScriptedModel([calls(("add", {"a": 1}), text="let me"), says("it is 2")]), add)
        )
    )
    kinds = [
        item.text if isinstance(item, Delta) else type(getattr(item, "event", item)).__name__
        for item in items
    ]
    assert kinds == [
        *(
            "ThreadStarted",
            "ThreadClaimed",
            "UserSaid",
            "AgentDescribed",
            "ModelCalled",
            "let",
            " me",
            "ModelReplied",
        ),
        *(
            "ToolStarted",
            "ToolReturned",
            "ModelCalled",
            "it",
            " is",
            " 2",
            "ModelReplied",
            "TurnEnded",
            "Result",
        ),
    ]


def test_a_stream_raises_what_run_raises():
    with pytest.raises(ModelDenied):
        live(drained(agent(ScriptedModel([ModelDenied("key")]))))


def test_a_listener_that_raises_changes_nothing_but_is_logged(caplog):
    def bad(_: Any) -> None:
        raise RuntimeError("watcher")

    heard: list[Any] = []
    assert (
        live(agent(ScriptedModel([says("ok")]), listeners=(bad, heard.append)).run("go")).answer
        == "ok"
    )
    assert "raised; the turn goes on" in caplog.text
    assert len(heard) == 8


def test_tools_that_end_at_once_over_a_slow_store_write_one_log():
    """Several tasks append to one log at once: no record is lost, doubled or out of order."""
    seen: list[Any] = []
    asked = calls(*(("echo", {"text": str(number)}) for number in range(5)))
    model = ScriptedModel([asked, says("ok")])
    agents = agent(model, echo, store=SlowStore(), listeners=(seen.append,))
    result = live(agents.run("go", thread="t"))
    assert result.answer == "ok"
    assert [record.seq for record in result.records] == list(range(3, 3 + len(result.records)))
    assert [message.text for message in model.seen[1].messages[-5:]] == ["0", "1", "2", "3", "4"]
    assert [record.seq for record in seen if not isinstance(record, Delta)] == list(
        range(1, 3 + len(result.records))
    )


def test_rules_refuse_and_the_model_is_told_why():
    model = ScriptedModel([calls(("add", {"a": 1})), says("ok")])
    live(agent(model, add, rules=[Rule("add", "deny", "sums are out")]).run("go"))
    assert told(model) == "error: this agent may not make this call: sums are out"


def test_a_tool_error_is_the_tool_s_own_words():
    @tool
    def city(name: str) -> str:
        raise ToolError("no such city; try Paris")

    model = ScriptedModel([calls(("city", {"name": "x"})), says("ok")])
    live(agent(model, city).run("go"))
    assert told(model) == "error: no such city; try Paris"


def test_another_order_of_the_tools_is_told_to_the_log_since_the_model_is_told_it():
    store = MemoryStore()
    script = [says("a"), says("b"), says("c")]
    model = ScriptedModel(script)
    live(agent(model, add, echo, store=store).run("go", thread="t"))
    live(agent(model, add, echo, store=store).run("go", thread="t"))
    live(agent(model, echo, add, store=store).run("go", thread="t"))
    log = live(open_log("t", store, world()))
    described = [each.event for each in log.records if isinstance(each.event, e.AgentDescribed)]
    assert [list(each.tools) for each in described] == [["add", "echo"], ["echo", "add"]]
