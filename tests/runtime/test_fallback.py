"""Several models of one agent: where one can't go on, the next one does, and the log says so."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import Died, DyingStore, agent, found, live, world
from server import failing, serving
from server import says as answered
from treadle import (
    Agent,
    Limits,
    MemoryStore,
    ModelDenied,
    ModelRejected,
    ModelSettings,
    ModelUnavailable,
    ScriptedModel,
    UsageError,
    tool,
)
from treadle.core import events as e
from treadle.core.model import Reply
from treadle.models.choose import UnusableModel, make_models, split_names
from treadle.models.remote_model import RemoteModel
from treadle.models.scripted import calls, says
from treadle.observe.explain import explain
from treadle.runtime.log import open_log
from treadle.runtime.replay import replay
from treadle.stores.rows import to_rows
from treadle.testing.recording import Recording

DENIED = ModelDenied("no such key (HTTP 401)")
BUSY = ModelUnavailable("busy", retry_after_s=1.0)
LONG = ModelUnavailable("overloaded", retry_after_s=600.0)


@tool(idempotent=True)
def look() -> str:
    """Look."""
    return "seen"


def scripted(name: str, *script: Any, **more: Any) -> ScriptedModel:
    return ScriptedModel(script, name=name, **more)


async def records_of(agents: Agent) -> list[e.Record]:
    assert agents.store
    return (await open_log("t", agents.store, agents.world)).records


def asked(records: Sequence[e.Record]) -> list[str]:
    return [each.event.model for each in records if isinstance(each.event, e.ModelCalled)]


def replays(agents: Agent) -> bool:
    records = live(records_of(agents))
    return live(agents.replay("t")) is None and live(replay(records)) is None


def with_status(error: ModelRejected, status: int) -> ModelRejected:
    error.status = status
    return error


GONE = with_status(ModelRejected("model: claude-3-opus isn't there (HTTP 404)"), 404)
WRONG = with_status(ModelRejected("bad request (HTTP 400)"), 400)


def test_a_wrong_request_goes_to_no_other():
    agents = agent([scripted("a", WRONG), scripted("b")])
    with pytest.raises(ModelRejected):
        live(agents.run("go", thread="t"))
    assert live(agents.resume("t")).status == "failed"


def test_a_turn_whose_model_is_gone_goes_on_with_another():
    with pytest.raises(ModelRejected):
        live((agents := agent([scripted("a", GONE)])).run("go", thread="t"))
    other = agent([scripted("b", says("done"))], store=agents.store)
    assert live(other.resume("t")).answer == "done"


@pytest.mark.parametrize(
    ("failures", "tries"),
    [([DENIED], 1), ([GONE], 1), ([BUSY] * 5, 5), ([BUSY, LONG], 2), ([LONG], 1)],
)
def test_the_next_goes_on_after_a_denial_all_tries_or_a_long_wait(failures, tries):
    a, b = scripted("a", *failures), scripted("b", calls("look"), says("done"))
    agents = agent([a, b], look)
    result = live(agents.run("go", thread="t"))
    assert (result.answer, result.steps) == ("done", 2)
    assert asked(result.records) == ["a"] * tries + ["b", "b"]
    assert [each.model for each in found(result, e.AgentDescribed)] == ["a", "b"]
    described = found(result, e.AgentDescribed)[0]
    assert described.policy
    assert described.policy.models == ("a", "b")
    assert replays(agents)


def test_the_next_turn_begins_with_the_first_again():
    a, b = scripted("a", DENIED, says("back")), scripted("b", says("done"))
    agents = agent([a, b])
    live(agents.run("go", thread="t"))
    again = live(agents.run("on", thread="t"))
    assert asked(again.records) == ["a"]
    assert explain(live(records_of(agents)), agents.run_settings).changes == ()
    assert replays(agents)


def test_what_only_the_first_understands_is_not_shown_to_the_next():
    thought = Reply((e.Thinking("hm", {"signature": "s"}), e.Call("c", "look", "{}")))
    a, b = scripted("a", thought, DENIED), scripted("b", says("done"))
    agents = agent([a, b], look)
    live(agents.run("go", thread="t"))
    [reply] = [each for each in b.seen[0].messages if each.role == "assistant"]
    assert [type(block) for block in reply.content] == [e.Call]
    assert replays(agents)


def test_prices_limits_and_sizes_are_those_of_the_model_that_is_asked():
    a = scripted("a", DENIED, price_usd=(1.0, 1.0), max_output_tokens=1000)
    b = scripted("b", says("done"), price_usd=(0.001, 0.001), max_output_tokens=50)
    agents = agent([a, b], limits=Limits(cost_usd=2000.0, last_word=False))
    result = live(agents.run("go", thread="t"))
    first, second = found(result, e.ModelCalled)
    assert first.reserved_usd > 500 > 1 > second.reserved_usd
    assert second.max_output_tokens == 50
    assert replays(agents)


def test_a_price_that_is_unknown_of_any_of_them_is_refused():
    unpriced = scripted("b", price_usd=None)
    agents = agent([scripted("a", price_usd=(1, 1)), unpriced], limits=Limits(cost_usd=1))
    with pytest.raises(UsageError, match="no price is known for b"):
        live(agents.run("go"))


def test_a_setting_that_one_of_them_can_t_be_told_is_refused():
    class Own(ScriptedModel):
        carried = ()

    own = Own([], name="own")
    own.carried_settings = frozenset(("seed",))
    agents = agent([scripted("a"), own], settings=ModelSettings(effort="low"))
    with pytest.raises(UsageError, match="own has no setting 'effort'; it has seed"):
        live(agents.run("go"))


def test_a_prompt_that_the_next_has_no_room_for_is_made_smaller_first():
    a = scripted("a", says("word " * 3000), DENIED)
    b = scripted(
        "b", *[says("short")] * 2, says("done"), context_tokens=3000, max_output_tokens=400
    )
    agents = agent([a, b], limits=Limits(tokens=None))
    live(agents.run("go", thread="t"))
    result = live(agents.run("on", thread="t"))
    assert result.answer == "done"
    assert found(result, e.ContextCompacted)
    assert result.steps == 1
    assert replays(agents)


def test_each_agent_of_a_team_has_models_of_its_own():
    helper = Agent(
        "Help.", name="helper", model=[scripted("c", DENIED), scripted("b", says("helped"))]
    )
    a = scripted("a", DENIED)
    b = scripted("b", lambda request: calls(request.tools[0].name))
    agents = agent([a, b], handoffs=[helper], name="top")
    result = live(agents.run("go", thread="t"))
    assert asked(result.records) == ["a", "b", "c", "b"]
    assert replays(agents)


def test_where_none_is_left_the_turn_fails_with_the_last_one_s_error():
    agents = agent([scripted("a", DENIED), scripted("b", *[BUSY] * 5)])
    with pytest.raises(ModelUnavailable, match="none of a, b can go on; b: busy"):
        live(agents.run("go", thread="t"))
    assert replays(agents)


def test_killed_after_any_record_the_turn_goes_on_with_the_model_that_it_had():
    a = [scripted("a", *[BUSY] * 2, DENIED)]
    whole = agent([*a, scripted("b", calls("look"), DENIED), scripted("c", says("done"))], look)
    live(whole.run("go", thread="t"))
    records = live(records_of(whole))
    for count in range(4, len(records) + 1):
        store = MemoryStore()
        live(store.append("t", to_rows(records[:count])))
        models = [scripted(name, *[says("end")] * 3) for name in "abc"]
        agents = replace(whole, store=store, world=world(), model=models)
        assert live(agents.resume("t")).status == "answered"
        after = live(records_of(agents))
        assert asked(after)[: len(asked(records[:count]))] == asked(records[:count])
        assert asked(after) == sorted(asked(after))
        assert replays(agents)


def between_reopenings(records: Sequence[e.Record]) -> list[list[str]]:
    """The models that were asked, anew from each claim that reopens the turn."""
    found: list[list[str]] = [[]]
    for record in records:
        match record.event:
            case e.ThreadClaimed(reopens=True):
                found.append([])
            case e.ModelCalled(model=model):
                found[-1].append(model)
    return found


OUTCOMES = st.lists(
    st.sampled_from(["ok", "call", "busy", "denied", "long"]), min_size=12, max_size=12
)


@given(st.tuples(OUTCOMES, OUTCOMES, OUTCOMES), st.integers(1, 3), st.integers(0, 20))
@settings(max_examples=60)
def test_whatever_fails_and_whenever_it_dies_the_models_keep_their_order_and_it_replays(
    scripts: tuple[list[str], ...], tries: int, appends: int
) -> None:
    made: dict[str, Any] = {
        "ok": says("done"),
        "call": calls("look"),
        "busy": BUSY,
        "denied": DENIED,
        "long": LONG,
    }
    models = [
        scripted(name, *[made[each] for each in script])
        for name, script in zip("abc", scripts, strict=True)
    ]
    inner = MemoryStore()
    limits = Limits(repeats=None, model_tries=tries)
    agents = agent(models, look, store=inner, limits=limits)
    dying = replace(agents, store=DyingStore(inner, appends, Died, written=True))

    async def until_its_end() -> None:
        with contextlib.suppress(Died, ModelDenied, ModelUnavailable):
            await dying.run("go", thread="t")
        if not await inner.read("t"):
            return
        with contextlib.suppress(ModelDenied, ModelUnavailable):
            await agents.resume("t")

    live(until_its_end())
    if not live(inner.read("t")):
        return
    for names in between_reopenings(live(records_of(agents))):
        assert names == sorted(names)
    assert replays(agents)


def test_a_name_without_its_key_is_denied_and_not_asked(monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    agents = agent(["anthropic:claude-x", RemoteModel("gpt-x"), scripted("b", says("done"))])
    result = live(agents.run("go", thread="t"))
    assert result.answer == "done"
    first, second = found(result, e.ModelFailed)
    assert first.kind == "denied"
    assert first.message == (
        "anthropic:claude-x needs ANTHROPIC_API_KEY, which isn't set; no request was sent"
    )
    assert second.message.startswith("openai:gpt-x needs OPENAI_API_KEY, which isn't set")
    assert replays(agents)


def test_wrong_lists_are_refused_in_words(monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    for models, said in (
        ([], "model=\\[\\] names no model"),
        ([scripted("a"), scripted("a")], "model= has a twice"),
        (["nonsense", scripted("a")], "model 'nonsense': there are"),
        (
            ["anthropic:x", "groq:y"],
            "none of these models can be used: anthropic:x needs ANTHROPIC",
        ),
        (["anthropic:x"], "needs ANTHROPIC_API_KEY, which isn't set"),
    ):
        with pytest.raises(UsageError, match=said):
            make_models(models)


def test_names_in_a_text_are_parted_at_commas_before_a_name():
    assert split_names("gpt-5, anthropic:claude ,local") == ["gpt-5", "anthropic:claude", "local"]
    assert split_names("local:/a,b.gguf,local") == ["local:/a,b.gguf", "local"]
    assert split_names("http://h/v1#a,http://h/v1#b") == ["http://h/v1#a", "http://h/v1#b"]
    assert split_names(" ") == []


def test_the_default_may_be_several(monkeypatch):
    monkeypatch.setenv("TREADLE_MODEL", "anthropic:x,http://127.0.0.1:1/v1#m")
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    first, second = make_models(None)
    assert isinstance(first, UnusableModel)
    assert second.name == "http://127.0.0.1:1/v1#m"


def test_a_server_that_is_down_and_one_that_answers():
    async def main() -> tuple[list[str], str]:
        down = failing(503, {"error": {"message": "down"}})
        async with serving(down, answered("done")) as server:
            models = [
                RemoteModel(name, base_url=server.url, api_key="k", name=name) for name in "ab"
            ]
            agents = agent(models, limits=Limits(model_tries=1))
            result = await agents.run("go")
            return asked(result.records), result.answer

    assert asyncio.run(main()) == (["a", "b"], "done")


def down(*models: Any, **more: Any) -> Agent:
    """An agent whose thread t has failed: after a tool call, no model was left."""
    agents = agent([*models] or scripted("a", calls("look"), DENIED), look, **more)
    with pytest.raises((ModelDenied, ModelUnavailable)):
        live(agents.run("go", thread="t"))
    return agents


def test_a_thread_that_failed_by_an_outage_resumes_with_another_model_and_loses_nothing():
    failed = down()
    b = scripted("b", says("done"), says("more"))
    other = replace(failed, model=b)
    assert "ask b (step, try 2)" in explain(live(records_of(other)), other.run_settings).next
    result = live(other.resume("t"))
    assert (result.answer, result.steps, result.status) == ("done", 2, "answered")
    assert [each.role for each in b.seen[0].messages] == ["user", "assistant", "tool"]
    records = live(records_of(other))
    assert [each.reopens for each in found(result, e.ThreadClaimed)] == [True]
    assert asked(records) == ["a", "a", "b"]
    assert live(replay(records)) is None
    totals = live(other.summary("t"))
    assert (totals.turns, totals.steps) == ({"answered": 1}, 2)
    assert live(other.run("more", thread="t")).answer == "more"


def test_the_same_model_may_be_back():
    a = scripted("a", *[BUSY] * 5, *[BUSY] * 4, says("back"))
    agents = agent(a)
    with pytest.raises(ModelUnavailable):
        live(agents.run("go", thread="t"))
    result = live(agents.resume("t"))
    assert (result.answer, result.steps) == ("back", 1)
    assert replays(agents)
    assert live(agents.resume("t")).answer == "back", "it has ended for good"


def test_it_may_fail_again_and_be_resumed_again():
    agents = down(scripted("a", DENIED, DENIED, says("done")))
    with pytest.raises(ModelDenied):
        live(agents.resume("t"))
    assert live(agents.resume("t")).answer == "done"
    assert replays(agents)
    assert live(agents.summary("t")).turns == {"answered": 1}


def test_the_result_of_a_call_in_the_background_outlasts_an_outage():
    @tool(background=True, idempotent=True)
    async def dig() -> str:
        """Dig."""
        await asyncio.sleep(1.0)
        return "found"

    b = scripted("b", says("wait"), says("done"))
    agents = agent([scripted("a", calls("dig"), DENIED)], dig)
    with pytest.raises(ModelDenied):
        live(agents.run("go", thread="t"))
    agents = replace(agents, model=b)
    assert live(agents.resume("t")).answer == "done"
    told = [each.text for each in b.seen[-1].messages if each.role == "user"]
    assert told == ["go", "This is what came of your earlier call c00005000, dig({}):\nfound"]
    assert live(replay(live(records_of(agents)))) is None


@pytest.mark.parametrize("second", [says("done"), DENIED])
def test_whoever_resumes_it_at_the_same_moment_waits_and_asks_nothing(second):
    class Slow(ScriptedModel):
        async def reply(self, request: Any, emit: Any) -> Reply:
            await asyncio.sleep(1)
            return await super().reply(request, emit)

    failed = down()
    slow = Slow([second], name="a")
    agents = replace(failed, model=slow)

    async def both() -> list[Any]:
        work = (agents.resume("t"), agents.resume("t"))
        return await asyncio.gather(*work, return_exceptions=True)

    one, other = live(both())
    assert len(slow.seen) == 1
    records = live(records_of(agents))
    claims = [each.event for each in records if isinstance(each.event, e.ThreadClaimed)]
    assert [each.reopens for each in claims] == [False, True]
    if second is DENIED:
        assert {type(one).__name__, getattr(other, "status", "")} & {"ModelDenied", "failed"}
        return
    assert (one.answer, other.answer) == ("done", "done")


def test_a_turn_that_fails_while_somebody_waits_for_it_is_not_tried_again_by_them():
    class Slow(ScriptedModel):
        async def reply(self, request: Any, emit: Any) -> Reply:
            await asyncio.sleep(1)
            return await super().reply(request, emit)

    slow = Slow([DENIED, says("done")], name="a")
    agents = agent(slow)

    async def both() -> list[Any]:
        running = asyncio.create_task(agents.run("go", thread="t"))
        await asyncio.sleep(0.5)
        followed = await agents.resume("t")
        assert followed.status == "failed"
        with pytest.raises(ModelDenied):
            await running
        return [await agents.resume("t")]

    [result] = live(both())
    assert (result.answer, len(slow.seen)) == ("done", 2)


def test_other_ends_and_children_are_not_reopened():
    rejected = agent(scripted("a", ModelRejected("no such model")))
    with pytest.raises(ModelRejected):
        live(rejected.run("go", thread="t"))
    assert live(rejected.resume("t")).status == "failed"
    helper = Agent("Help.", name="helper", model=scripted("c", DENIED, says("never")))
    top = agent(scripted("b", calls(("helper", {"task": "x"})), says("done")), helper.as_tool())
    result = live(top.run("go", thread="t"))
    [child] = found(result, e.ChildStarted)
    alone = replace(helper, store=top.store, world=top.world)
    assert live(alone.resume(child.thread_id)).status == "failed"


def test_two_that_resume_it_at_once_make_one_turn():
    failed = down()
    other = replace(failed, model=scripted("b", says("done"), says("twice")))

    async def both() -> list[Any]:
        return await asyncio.gather(other.resume("t"), other.resume("t"), return_exceptions=True)

    results = live(both())
    assert any(getattr(each, "answer", "") == "done" for each in results)
    records = live(records_of(other))
    assert sum(isinstance(each.event, e.TurnEnded) for each in records) == 2
    assert live(replay(records)) is None


def test_a_rerun_leaves_the_outage_out():
    failed = down()
    other = replace(failed, model=scripted("b", says("done")))
    live(other.resume("t"))
    [result] = Recording(tuple(live(records_of(other)))).run(replace(other, model=None))
    assert result.answer == "done"
