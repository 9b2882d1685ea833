"""A person talks to a thread: while it works, while it waits, after its end, also to a child."""

import asyncio
import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from fakes import agent, found, live, names, world
from treadle import (
    Agent,
    ApprovalGiven,
    Context,
    Limits,
    MemoryStore,
    Pending,
    Record,
    Result,
    ScriptedModel,
    Stopped,
    Tool,
    ToolRetry,
    TurnEnded,
    TurnOpen,
    UserSaid,
    flow,
    step,
    tool,
    wait_for,
)
from treadle.core import events as e
from treadle.core.errors import IllegalEvent, ModelUnavailable, UnknownThread, UsageError
from treadle.core.model import Reply, Request
from treadle.models.scripted import calls, says
from treadle.runtime.drives import stop
from treadle.runtime.log import open_log
from treadle.runtime.steer import Steered
from treadle.tools.ask import ask_user


@tool(needs_approval=True)
def pay(n: int) -> str:
    """Pay."""
    return f"paid {n}"


def seen(model: ScriptedModel, index: int = -1) -> list[str]:
    """The texts of one request."""
    return [message.text for message in model.seen[index].messages]


class Slow:
    """Takes a second to say what it was told last."""

    name, context_tokens, max_output_tokens = "slow", 8000, 1000

    def __init__(self) -> None:
        self.seen: list[Request] = []

    def cost_usd(self, usage: Any) -> float:
        return 0.0

    async def reply(self, request: Request, emit: Any) -> Reply:
        self.seen.append(request)
        await asyncio.sleep(1)
        return Reply(f"fine: {request.messages[-1].text}")


async def begin(made: Agent, text: str = "one") -> "asyncio.Task[Result]":
    """A turn of which half a second has passed."""
    turn = asyncio.create_task(made.run(text, thread="t"))
    await asyncio.sleep(0.5)
    return turn


# While it works


@pytest.mark.parametrize("posts", [True, False])
def test_a_message_while_the_model_writes_is_answered_in_the_same_turn(posts):
    made = agent(Slow())

    async def talk() -> Result:
        turn = await begin(made)
        steered = await (made.post("t", UserSaid("blue")) if posts else made.steer("t", "blue"))
        assert steered == Steered("t", 6, 3)
        assert not steered.opened
        return await turn

    result = live(talk())
    assert (result.answer, result.steps) == ("fine: blue", 2)
    assert [each.text for each in found(result, UserSaid)] == ["one", "blue"]


def test_a_message_while_a_tool_runs_stands_after_its_result():
    @tool
    async def look() -> str:
        await made.steer("t", "blue")
        return "seen"

    model = ScriptedModel([calls("look", "look"), says("ok")])
    made = agent(model, look)
    assert live(made.run("go", thread="t")).answer == "ok"
    assert [message.role for message in model.seen[1].messages] == [
        *("user", "assistant", "tool", "tool", "user")
    ]
    assert seen(model)[-1] == "blue\n\nblue"


def test_a_message_that_comes_between_the_request_and_its_record_is_shown_by_the_next_one():
    """The request was built before: the model call isn't made with it."""

    class Early(MemoryStore):
        async def append(self, thread_id: str, rows: Any) -> None:
            if b'"ModelCalled"' in rows[-1].event and not self.extras.get("said"):
                self.extras["said"] = True
                await made.steer("t", "blue")
            await super().append(thread_id, rows)

    model = ScriptedModel([says("ok")])
    made = agent(model, store=Early())
    assert live(made.run("go", thread="t")).status == "answered"
    assert [seen(model, n) for n in range(len(model.seen))] == [["go\n\nblue"]]


def test_a_message_in_a_retry_is_in_the_next_try():
    model = ScriptedModel([ModelUnavailable("busy", retry_after_s=5.0), says("ok")])
    made = agent(model)

    async def talk() -> Result:
        turn = asyncio.create_task(made.run("go", thread="t"))
        await asyncio.sleep(1)
        await made.steer("t", "blue")
        return await turn

    assert live(talk()).steps == 1
    assert seen(model) == ["go\n\nblue"]


def test_with_a_key_a_message_is_said_once_and_other_words_are_refused():
    made = agent(Slow())

    async def talk() -> Result:
        turn = await begin(made)
        both = await asyncio.gather(*(made.steer("t", "blue", key="k") for _ in range(3)))
        assert len({each.seq for each in both}) == 1
        with pytest.raises(UsageError, match="other words"):
            await made.steer("t", "red", key="k")
        assert (await made.run("blue", thread="t", key="k")).answer == "fine: blue"
        return await turn

    assert len(found(live(talk()), UserSaid)) == 2


def test_a_stream_gives_the_message_and_its_answer():
    made = agent(Slow())

    async def talk() -> list[Any]:
        turn = await begin(made)
        follows = made.follow("t")
        items = [await anext(follows)]
        await made.steer("t", "blue")
        items += [item async for item in follows]
        await turn
        return items

    items = live(talk())
    assert [
        item.event.text
        for item in items
        if isinstance(item, Record) and isinstance(item.event, UserSaid)
    ] == ["one", "blue"]
    assert items[-1].answer == "fine: blue"


# After the end


def test_after_the_end_it_opens_the_next_turn_which_its_sender_drives():
    made = agent(Slow())
    live(made.run("one", thread="t"))
    steered = live(made.steer("t", "two"))
    assert (steered.opened, steered.to_resume) == (True, "t")
    more = live(made.steer("t", "three"))
    assert (more.opened, more.to_resume, more.turn_seq) == (False, "t", steered.seq)
    result = live(made.resume("t"))
    assert result.answer == "fine: two\n\nthree"
    assert result.records[0].seq == steered.seq


def test_of_a_message_and_the_end_at_the_same_moment_the_log_says_which_was_first():
    class Late(MemoryStore):
        """The turn's end is written just before the message."""

        async def append(self, thread_id: str, rows: Any) -> None:
            if b'"steers":true' in rows[-1].event and not self.extras.get("ended"):
                self.extras["ended"] = True
                await made.post("t", TurnEnded("cancelled"))
            await super().append(thread_id, rows)

    script = [calls(("pay", {"n": 5})), says("two")]
    made = agent(ScriptedModel(script), pay, store=Late())
    live(made.run("go", thread="t"))
    steered = live(made.steer("t", "blue"))
    assert steered.opened
    assert live(made.resume("t")).answer == "two"


def test_an_unknown_thread_and_a_flow_s_are_refused_in_words():
    made = agent(Slow())
    with pytest.raises(UnknownThread):
        live(made.steer("nope", "hello"))

    @flow(store=made.store, world=made.world)
    async def job() -> str:
        return await step(asks)

    async def asks() -> str:
        with pytest.raises(IllegalEvent, match="a flow's code drives this thread"):
            await made.steer("f", "hello")
        with pytest.raises(UsageError, match="a flow's code drives this thread"):
            await job.post("f", UserSaid("hello"))
        return "done"

    assert live(job.options(thread="f").run()).output == "done"
    with pytest.raises(UsageError, match="a flow's code drives this thread"):
        live(made.steer("f", "hello"))


@pytest.mark.parametrize("waits", [False, True])
def test_no_agent_speaks_or_goes_on_in_the_thread_of_a_flow(waits):
    """Its arguments would be a message to the model, and the flow could never go on."""
    made = agent(ScriptedModel([says("hello")]))

    @flow(store=made.store, world=made.world)
    async def job(euros: int) -> str:
        return await wait_for("ok") if waits else f"{euros}"

    live(job.options(thread="f").run(5))
    before = live(made.store.read("f"))
    for act in (
        lambda: made.run("hello", thread="f"),
        lambda: made.run("hello", thread="f", when_busy="queue"),
        lambda: made.start("hello", thread="f"),
        lambda: made.resume("f"),
    ):
        with pytest.raises(UsageError, match=r"a flow's code drives .* Only the flow job resumes"):
            live(act())
    assert live(made.store.read("f")) == before
    assert live(job.resume("f")).status == ("waiting" if waits else "answered")


def test_a_child_hears_its_own_messages_while_it_is_open_and_none_later():
    helper_model, model = Slow(), ScriptedModel([calls(("helper", {"task": "help"})), says("ok")])
    helper = Agent(name="helper", model=helper_model)
    made = agent(model, helper.as_tool())

    async def talk() -> str:
        turn = await begin(made)
        listed = await made.store.threads()
        (child,) = [info.thread_id for info in listed if info.thread_id != "t"]
        assert (await made.steer(child, "blue")).to_resume == ""
        await turn
        with pytest.raises(UsageError, match="its turn is over"):
            await made.steer(child, "red")
        return seen(model)[-1]

    assert live(talk()) == "[the agent helper]\nfine: blue"


# While it waits


def test_a_person_talks_on_while_a_call_waits_and_no_second_payment_is_made():
    again = calls(("pay", {"n": 5}))
    script = [again, says("At nine."), again, says("Not yet."), says("Paid.")]
    model = ScriptedModel(script)
    made = agent(model, pay)
    waiting = live(made.run("pay 5", thread="t"))
    result = live(made.run("When do you open?", thread="t"))
    assert (result.status, result.answer) == ("waiting", "At nine.")
    assert result.waiting == waiting.waiting
    assert live(made.run("Any news?", thread="t")).answer == "Not yet."
    live(made.post("t", ApprovalGiven(result.waiting[0].id, True, "ann")))
    result = live(made.resume("t"))
    assert (result.status, result.answer) == ("answered", "Paid.")
    assert len(found(result, e.ToolStarted)) == 1
    assert seen(model)[-1].endswith("\npaid 5")
    assert live(made.replay("t")) is None


def test_a_person_talks_on_while_one_call_waits_and_the_next_comes_after_it():
    script = [calls(("pay", {"n": 5}), "order"), says("Not yet."), says("Both done.")]
    done: list[str] = []

    @tool
    def order() -> str:
        done.append("order")
        return "ordered"

    model = ScriptedModel(script)
    made = agent(model, pay, order)
    [held] = live(made.run("pay 5, then order", thread="t")).waiting
    result = live(made.run("Any news?", thread="t"))
    assert (result.status, result.answer, done) == ("waiting", "Not yet.", [])
    live(made.post("t", ApprovalGiven(held.id, True, "ann")))
    assert live(made.resume("t")).answer == "Both done."
    assert done == ["order"]


def test_a_call_whose_work_goes_on_elsewhere_is_told_so():
    @tool
    def build() -> str:
        raise Pending("build-1", due=3600)

    model = ScriptedModel([calls("build"), says("Not yet.")])
    made = agent(model, build)
    live(made.run("build", thread="t"))
    live(made.run("Any news?", thread="t"))
    assert "isn't over: its work goes on elsewhere." in model.seen[-1].messages[-2].text


def test_a_question_stays_open_while_its_person_talks_on():
    model = ScriptedModel(
        [calls(("ask_user", {"question": "Which?"})), says("Of two."), says("Ok.")]
    )
    made = agent(model, ask_user)
    live(made.run("paint", thread="t"))
    result = live(made.run("Of what?", thread="t"))
    assert result.answer == "Of two."
    live(made.post("t", UserSaid("blue", answers=result.waiting[0].id)))
    assert live(made.resume("t")).answer == "Ok."
    assert seen(model)[-1].endswith("blue")


def test_who_resumes_need_not_be_who_spoke():
    made = agent(ScriptedModel([calls(("pay", {"n": 5})), says("At nine.")]), pay)
    live(made.run("pay", thread="t"))
    steered = live(made.steer("t", "When?"))
    assert (steered.opened, steered.to_resume) == (False, "t")
    assert live(made.due()) == ["t"]
    assert live(made.resume("t")).answer == "At nine."


def test_whoever_speaks_just_as_the_driver_leaves_is_heard():
    """It has looked, waits for a person, and is about to go: its beat is still there."""
    said: list[Steered] = []

    class Leaving(MemoryStore):
        @contextmanager
        def attend(self, claim: str) -> Iterator[None]:
            with super().attend(claim):
                yield
                if not said:
                    said.append(at_once(made.steer("t", "When?")))

    script = [calls(("pay", {"n": 5})), says("At nine.")]
    made = agent(ScriptedModel(script), pay, store=Leaving())
    assert live(made.run("pay", thread="t")).answer == "At nine."
    assert [each.to_resume for each in said] == [""]


def test_whoever_speaks_just_before_the_driver_ends_the_turn_has_nothing_to_resume():
    class Ending(MemoryStore):
        """The turn's end comes between the message and the look for its driver."""

        def find_beat(self, claim: str) -> int | None:
            if self.extras.pop("ends", False):
                at_once(made.post("t", TurnEnded("cancelled")))
            return super().find_beat(claim)

    store = Ending()
    made = agent(ScriptedModel([calls(("pay", {"n": 5}))]), pay, store=store)
    live(made.run("pay", thread="t"))
    store.extras["ends"] = True
    assert live(made.steer("t", "When?")).to_resume == ""


def at_once(work: Any) -> Any:
    """What a coroutine gives that never waits."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits")


# A busy thread


def test_run_on_a_thread_at_work_says_what_it_is_told_to_do():
    made = agent(Slow())

    async def talk() -> list[Any]:
        turn = await begin(made)
        with pytest.raises(TurnOpen, match='when_busy="steer"'):
            await made.run("two", thread="t")
        queued = [
            asyncio.create_task(made.run(text, thread="t", when_busy="queue"))
            for text in ("three", "four")
        ]
        await asyncio.sleep(0.1)
        steered = asyncio.create_task(made.run("two", thread="t", when_busy="steer"))
        done = await asyncio.gather(turn, steered, *queued)
        return [each.answer for each in done]

    assert live(talk()) == ["fine: two", "fine: two", "fine: three", "fine: four"]


def test_a_message_in_line_opens_its_turn_also_after_one_that_fails_or_waits():
    model = ScriptedModel([calls(("pay", {"n": 5})), says("Paid."), says("Next.")])
    made = agent(model, pay)

    async def talk() -> str:
        waiting = await made.run("pay", thread="t")
        queued = asyncio.create_task(made.run("next", thread="t", when_busy="queue"))
        await asyncio.sleep(3)
        assert not queued.done()
        await made.post("t", ApprovalGiven(waiting.waiting[0].id, True, "ann"))
        return (await queued).answer

    assert live(talk()) == "Next."


def test_other_words_for_a_busy_thread_are_refused():
    made = agent(Slow())
    with pytest.raises(UsageError, match="'steer' or 'queue'"):
        live(made.run("one", when_busy="wait"))
    with pytest.raises(TypeError, match="when_bussy"):
        live(made.run("one", when_bussy="steer"))


# In the background


def test_the_model_goes_on_while_a_call_runs_in_the_background():
    @tool(background=True)
    async def report(n: int) -> str:
        await asyncio.sleep(3)
        return f"report {n}"

    model = ScriptedModel([calls(("report", {"n": 1})), says("It runs."), says("Done.")])
    made = agent(model, report)
    result = live(made.run("go", thread="t"))
    assert result.answer == "Done."
    assert names(result.records)[3:] == [
        *("ModelReplied", "ToolStarted", "ToolDeferred", "ModelCalled", "ModelReplied"),
        *("ToolReturned", "ModelCalled", "ModelReplied", "TurnEnded"),
    ]
    assert seen(model)[-1].endswith("report 1")
    assert live(made.replay("t")) is None


def test_a_person_is_answered_while_a_call_runs_in_the_background():
    @tool(background=True)
    async def report() -> str:
        await asyncio.sleep(30)
        return "report"

    model = ScriptedModel([calls("report"), says("It runs."), says("Hello."), says("Done.")])
    made = agent(model, report)

    async def talk() -> Result:
        turn = await begin(made)
        await made.steer("t", "hello")
        await asyncio.sleep(1)
        log = await open_log("t", made.store, made.world)
        assert log.state.turn.answer == "Hello."
        return await turn

    assert live(talk()).answer == "Done."


def test_cancelling_a_turn_cancels_what_it_has_in_the_background():
    ended: list[str] = []

    @tool(background=True)
    async def report() -> str:
        try:
            await asyncio.sleep(30)
        finally:
            ended.append("cancelled")
        return "report"

    made = agent(ScriptedModel([calls("report"), says("It runs.")]), report)

    async def talk() -> Result:
        turn = await begin(made)
        await made.post("t", TurnEnded("cancelled"))
        return await turn

    assert live(talk()).status == "cancelled"
    assert ended == ["cancelled"]


def test_a_limit_cancels_what_runs_in_the_background():
    ended: list[str] = []

    @tool(background=True)
    async def report() -> str:
        try:
            await asyncio.sleep(30)
        finally:
            ended.append("cancelled")
        return "report"

    @tool
    async def look() -> str:
        await asyncio.sleep(1)
        return "seen"

    script = [calls("report"), calls("look"), says("so far")]
    made = agent(ScriptedModel(script), report, look, limits=Limits(steps=2))
    result = live(made.run("go", thread="t"))
    assert (result.status, result.answer) == ("limit", "so far")
    assert ended == ["cancelled"]


def test_a_driver_that_is_told_to_stop_gives_what_runs_in_the_background_its_time():
    @tool(background=True)
    async def report() -> str:
        await asyncio.sleep(3)
        return "report"

    made = agent(ScriptedModel([calls("report"), says("It runs."), says("Done.")]), report)

    async def talk() -> None:
        turn = await begin(made)
        assert await stop(grace_s=10) == ["t"]
        assert (await turn).status == "unfinished"
        with pytest.raises(Stopped):
            await made.run("more")

    live(talk())
    assert live(made.resume("t")).answer == "Done."


def test_a_call_in_the_background_that_fails_or_comes_too_early_is_tried_and_told():
    tries: list[int] = []

    @tool(background=True)
    async def report(context: Context) -> str:
        tries.append(context.attempt)
        if len(tries) == 1:
            raise ToolRetry("too early", retry_after_s=1.0)
        raise ValueError("no luck")

    model = ScriptedModel([calls("report"), says("It runs."), says("It failed.")])
    made = agent(model, report)
    assert live(made.run("go", thread="t")).answer == "It failed."
    assert tries == [1, 2]
    assert "no luck" in seen(model)[-1]


def test_a_call_in_the_background_that_is_tried_again_keeps_nothing_waiting():
    times: list[tuple[str, float]] = []

    def note(what: str) -> None:
        times.append((what, asyncio.get_running_loop().time()))

    @tool(background=True)
    async def report(n: int, context: Context) -> str:
        note(f"report {n}")
        if context.attempt == 1:
            raise ToolRetry("too early", retry_after_s=60.0 * n)
        return "report"

    @tool
    async def look() -> str:
        note("look")
        return "17"

    def hello(request: Request) -> Reply:
        note("hello")
        return says("Hello.")

    script = [calls(("report", {"n": 1}), ("report", {"n": 2})), calls("look"), says("They run.")]
    made = agent(ScriptedModel([*script, hello, says("One."), says("Both.")]), report, look)

    async def talk() -> Result:
        began = asyncio.get_running_loop().time()
        turn = await begin(made)
        await asyncio.sleep(19.5)
        await made.steer("t", "hello")
        result = await turn
        times[:] = [(what, round(at - began)) for what, at in times]
        return result

    assert live(talk()).answer == "Both."
    assert times[3:] == [("hello", 20), ("report 1", 60), ("report 2", 120)]
    assert ("look", 0) in times
    assert live(made.replay("t")) is None


def test_a_question_can_t_run_in_the_background():
    with pytest.raises(UsageError, match="nothing of it runs in the background"):
        Tool("ask", "", {"type": "object"}, background=True)


def test_a_flow_refuses_a_message_before_its_first_step_too() -> None:
    async def whole() -> None:
        store = MemoryStore()
        log = await open_log("t", store, world())
        opening = (e.ThreadStarted("job", "k", flow=True), e.ThreadClaimed("c"), e.UserSaid("{}"))
        await log.append(*opening)
        with pytest.raises(IllegalEvent, match="a flow's code drives this thread"):
            await log.append(e.UserSaid("and blue", steers=True))

    asyncio.run(whole())


def test_whoever_has_stood_in_line_leaves_no_event_loop_behind():
    loops = []

    async def whole() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        made = agent(ScriptedModel([says("one"), says("two")]))
        await asyncio.gather(
            made.run("a", thread="t", when_busy="queue"),
            made.run("b", thread="t", when_busy="queue"),
        )

    live(whole())
    gc.collect()
    assert loops[0]() is None


def test_whatever_is_said_meanwhile_a_call_is_tried_again_when_it_was_to_be():
    tries: list[float] = []

    @tool
    def look() -> str:
        """Look."""
        tries.append(0.0)
        if len(tries) == 1:
            raise ToolRetry("busy", retry_after_s=10.0)
        return "found"

    made = agent(ScriptedModel([calls("look"), says("ok")]), look)

    async def talk() -> Result:
        turn = asyncio.create_task(made.run("go", thread="t"))
        for _ in range(3):
            await asyncio.sleep(3)
            await made.steer("t", "and?")
        return await turn

    result = live(talk())
    [failed] = [each for each in result.records if isinstance(each.event, e.ToolFailed)]
    again = [each for each in result.records if isinstance(each.event, e.ToolStarted)][-1]
    assert again.at - failed.at == 10.0
