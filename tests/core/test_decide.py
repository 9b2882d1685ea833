import pytest
from msgspec.structs import replace

from fakes import agent, found, live, names
from treadle import Limits, MemoryStore, Rule, ScriptedModel, tool
from treadle.core import events as e
from treadle.core.decide import Append, CallModel, RunTools, Wait, decide
from treadle.core.errors import TurnFailed
from treadle.core.events import Call, Record, Usage
from treadle.core.model import Reply
from treadle.core.policy import Policy
from treadle.core.prompt_words import NO_CALLS
from treadle.core.state import State, fold
from treadle.models.scripted import calls, says


@tool
def look(at: str = "") -> str:
    """Look."""
    return f"seen {at}"


def state(*events: e.Event) -> State:
    opening = (e.ThreadStarted("agent", "key"), e.ThreadClaimed("w"), e.UserSaid("go"))
    return fold(Record("t", seq, 0.0, event) for seq, event in enumerate((*opening, *events), 1))


CALLED = e.ModelCalled("m", "h", 10, 100)


def replied(*wanted: Call, text: str = "", reason: str = "stop") -> e.ModelReplied:
    return e.ModelReplied((e.Text(text), *wanted), Usage(1, 1), 0.0, reason)


SETUP = Policy({"look": look})


def test_nothing_is_to_be_done_where_no_turn_is_open():
    assert decide(State(), SETUP) == Wait()
    assert decide(state(e.TurnEnded("answered")), SETUP) == Wait()
    assert decide(state(CALLED), SETUP) == Wait()


def test_a_turn_begins_with_the_model_and_ends_with_its_text():
    assert decide(state(), SETUP) == CallModel()
    assert decide(state(CALLED, replied(text="hi")), SETUP) == Append((e.TurnEnded("answered"),))


def test_calls_that_may_run_side_by_side_do_and_then_the_model_is_asked_again():
    asked = (CALLED, replied(Call("a", "look", "{}"), Call("b", "look", '{"at":"x"}')))
    side_by_side = Policy({"look": tool(read_only=True)(look.function)})
    now = decide(state(*asked), side_by_side)
    assert isinstance(now, RunTools)
    assert [call.id for call in now.calls] == ["a", "b"]
    done = (e.ToolStarted("a", "k"), e.ToolReturned("a", "x", 0.0), e.ToolStarted("b", "k"))
    assert decide(state(*asked, *done), SETUP) == Wait()
    assert decide(state(*asked, *done, e.ToolReturned("b", "x", 0.0)), SETUP) == CallModel()


def test_a_plan_is_asked_for_first_and_carried_out_then():
    plan = Policy({"look": look}, plan=True)
    assert decide(state(), plan) == CallModel("plan")
    called = e.ModelCalled("m", "h", 10, 100, "plan")
    assert decide(state(called, replied(text="1. look")), plan) == CallModel("step")
    assert decide(state(called, replied(text=" ")), plan) == CallModel("plan")
    assert decide(state(called, e.ThreadClaimed("w2")), plan) == CallModel("plan")
    after_crash = (called, e.ThreadClaimed("w2"), called, replied(text="1. look"))
    assert decide(state(*after_crash), plan) == CallModel("step")
    said = (called, replied(text="1. look"), CALLED, replied(text="done"))
    assert decide(state(*said), plan) == Append((e.TurnEnded("answered"),))


def test_a_call_of_unknown_outcome_waits_unless_the_policy_is_to_tell():
    asked = (
        CALLED,
        replied(Call("a", "look", "{}")),
        e.ToolStarted("a", "k"),
        e.ThreadClaimed("w2"),
    )
    assert decide(state(*asked), SETUP) == Wait()
    told = decide(state(*asked), Policy({"look": look}, unknown="tell"))
    assert told == Append((e.OutcomeDecided("a", "tell", "policy"),))


def test_a_call_of_unknown_outcome_runs_again_under_its_key_where_that_is_safe():
    safe = tool(read_only=True)(look.function)
    asked = (
        CALLED,
        replied(Call("a", "look", "{}")),
        e.ToolStarted("a", "k"),
        e.ThreadClaimed("w2"),
    )
    before = state(*asked[:2]).turn.calls["a"]
    now = decide(state(*asked), Policy({"look": safe}))
    assert isinstance(now, RunTools)
    assert (now.calls[0].key, now.calls[0].attempt) == (before.key, 1)


# Repetition


def run(script: list[Reply], **settings) -> tuple[object, ScriptedModel, list[str]]:
    ran: list[str] = []

    @tool(name="look")
    def counted(at: str = "") -> str:
        ran.append(at)
        return f"seen {at}"

    model = ScriptedModel(script)
    return live(agent(model, counted, **settings).run("go")), model, ran


def test_the_same_call_runs_twice_is_advised_once_and_then_ends_the_turn():
    result, model, ran = run([calls(("look", {"at": "x"}))] * 9, limits=Limits(last_word=False))
    assert ran == ["x", "x"]
    assert [event.kind for event in found(result, e.ToolFailed)] == ["repeated"]
    assert "Use them, change the arguments" in model.seen[3].messages[-1].text
    assert (result.status, result.reason) == ("limit", "repeats")
    assert len(model.seen) == 4


def test_order_and_spacing_of_the_arguments_do_not_make_another_call():
    same = ['{"at":"x"}', '{ "at": "x" }', '{"at": "\\u0078"}']
    result, _, ran = run([calls(("look", text)) for text in same] + [says("ok")])
    assert ran == ["x", "x"]
    assert result.answer == "ok"


def test_other_arguments_are_another_call():
    _, _, ran = run([calls(("look", {"at": str(number)})) for number in range(6)] + [says("ok")])
    assert len(ran) == 6


@pytest.mark.parametrize("count", [3, 4, 7])
def test_of_equal_calls_in_one_reply_two_run_and_the_others_are_advised(count):
    result, model, ran = run([calls(*[("look", {"at": "x"})] * count), says("ok")])
    assert ran == ["x", "x"]
    shown = [message.text for message in model.seen[1].messages[-count:]]
    assert shown[:2] == ["seen x", "seen x"]
    assert all("not run" in text for text in shown[2:])
    assert (result.status, result.answer) == ("answered", "ok")


def test_whoever_repeats_after_the_advice_ends_the_turn():
    result, _, ran = run(
        [calls(*[("look", {"at": "x"})] * 3), calls(("look", {"at": "x"})), says("ok")]
    )
    assert ran == ["x", "x"]
    assert result.reason == "repeats"


def test_a_new_turn_may_make_the_same_call_again():
    store = MemoryStore()
    for _ in range(3):
        result, _, ran = run([calls(("look", {"at": "x"})), says("ok")], store=store)
        assert (ran, result.answer) == (["x"], "ok")


def test_repeats_none_lifts_the_limit():
    result, _, ran = run(
        [calls(("look", {"at": "x"}))] * 6 + [says("ok")], limits=Limits(repeats=None)
    )
    assert (len(ran), result.answer) == (6, "ok")


# Limits of number and time


def test_steps_bind_and_retries_are_no_steps():
    result, model, _ = run(
        [calls(("look", {"at": str(n)})) for n in range(9)], limits=Limits(steps=3, last_word=False)
    )
    assert (result.status, result.reason, result.steps) == ("limit", "steps", 3)
    assert len(model.seen) == 3


def test_tool_calls_bind_before_any_of_the_round_starts():
    script = [calls(("look", {"at": "1"})), calls(("look", {"at": "2"}), ("look", {"at": "3"}))]
    result, _, ran = run(script, limits=Limits(tool_calls=2, last_word=False))
    assert (result.reason, ran) == ("tool_calls", ["1"])


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(steps=2), "steps"),
        (Limits(tool_calls=1), "tool_calls"),
        (Limits(repeats=1), "repeats"),
    ],
)
def test_the_last_word_is_asked_for_with_tools_that_can_t_be_called_and_the_limit_is_still_named(
    limits, reason
):
    asked: list[object] = []

    def spoken(request):
        asked.append(request)
        return (
            says("best so far") if request.tool_choice == "none" else calls(("look", {"at": "x"}))
        )

    result, _, _ = run([spoken] * 9, limits=limits)
    assert (result.status, result.reason, result.answer) == ("limit", reason, "best so far")
    assert asked[-1].tools == asked[0].tools
    assert asked[-1].messages[-1].role == "user"
    assert "No more tools" in asked[-1].messages[-1].text
    assert names(result.records)[-4:] == [
        "LimitReached",
        "ModelCalled",
        "ModelReplied",
        "TurnEnded",
    ]


def test_calls_in_the_last_word_are_not_run():
    script = [calls(("look", {"at": str(number)})) for number in (1, 2, 3)]
    result, model, ran = run([*script[:2], says("one")], limits=Limits(steps=1))
    assert (ran, result.status, result.reason, result.answer) == (["1"], "limit", "steps", "one")
    assert NO_CALLS in model.seen[2].messages[-1].text
    result, _, ran = run(script, limits=Limits(steps=1))
    assert (ran, result.reason, result.steps) == (["1"], "steps", 1)
    assert result.answer == (
        "[Stopped before an answer, at the limit: 1 steps. Results by then: look (1).]"
    )


def test_three_useless_replies_fail_but_progress_between_them_counts():
    script = [says(""), says(""), calls(("look", {"at": "1"})), says(""), says(""), says("ok")]
    assert run(script)[0].answer == "ok"
    with pytest.raises(TurnFailed):
        run([says("")] * 3)


def test_an_answer_that_fails_its_check_three_times_fails_the_turn():
    script = [says("a"), says("b"), says("c"), says("d")]
    with pytest.raises(TurnFailed, match="unfit"):
        run(script, output=int)


def test_rules_come_before_the_tool_s_own_wish():
    asked = (CALLED, replied(Call("a", "look", "{}")))
    wants = tool(needs_approval=True)(look.function)
    assert decide(state(*asked), Policy({"look": wants})) == Append(
        (e.ApprovalAsked("a", "look needs approval"),)
    )
    allow = Policy({"look": wants}, rules=(Rule("*", "allow"),))
    assert isinstance(decide(state(*asked), allow), RunTools)


SEARCH = e.ProviderCall("web_search", opaque={"blocks": [{"type": "server_tool_use", "id": "s1"}]})


def test_a_turn_that_the_provider_has_paused_is_asked_on_with_the_same_content():
    silent = e.ModelReplied((SEARCH,), Usage(1, 1), 0.0, "pause_turn")
    spoken = replied(SEARCH, text="I look", reason="pause_turn")  # type: ignore[arg-type]
    for paused in (silent, spoken):
        assert decide(state(*[CALLED, paused] * 5), SETUP) == CallModel()
    done = (CALLED, spoken, CALLED, replied(text="found"))
    assert decide(state(*done), SETUP) == Append((e.TurnEnded("answered"),))


def test_the_model_gets_back_what_it_has_paused_and_nothing_after_it():
    paused = Reply((SEARCH,), Usage(1, 1), "pause_turn")
    model = ScriptedModel([paused, says("found")])
    result = live(agent(model, look).run("go"))
    assert (result.status, result.answer) == ("answered", "found")
    assert [message.role for message in model.seen[1].messages] == ["user", "assistant"]
    assert model.seen[1].messages[-1].content == (SEARCH,)


def test_pauses_without_end_reach_the_limit_on_steps():
    model = ScriptedModel([Reply((SEARCH,), Usage(1, 1), "pause_turn")] * 9)
    result = live(agent(model, look, limits=Limits(steps=4, last_word=False)).run("go"))
    assert (result.status, len(model.seen)) == ("limit", 4)


@pytest.mark.parametrize(
    ("before", "then"),
    [
        ((e.LimitReached("steps", 1, 1),), e.TurnEnded("limit", "steps")),
        ((CALLED, e.ModelFailed("overflow", "too long")), e.LimitReached("seconds", 9.0, 8.0)),
        ((CALLED, e.ModelFailed("unavailable", "503", 0.5)), e.LimitReached("seconds", 9.5, 8.0)),
    ],
)
def test_no_model_is_asked_once_the_time_is_up_whatever_for(before, then):
    begun = state(*before)
    late = replace(begun, turn=replace(begun.turn, active_s=9.0))
    assert decide(late, Policy(limits=Limits(seconds=8.0))) == Append((then,))
    assert isinstance(decide(late, Policy(limits=Limits(seconds=10.0))), CallModel)
