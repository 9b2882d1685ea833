import pytest

from fakes import agent, found, live
from treadle import Limits, ModelRejected, ScriptedModel, tool
from treadle.core import events as e
from treadle.core.legal import (
    NO_SOUND,
    end_with_person,
    fill_empty,
    make_turns,
    put_beside_results,
    put_into_first,
    tell_of_sounds,
    tools_in_history,
    use_provider_ids,
)
from treadle.core.model import Message
from treadle.models.scripted import calls, says

PICTURE = e.Image("https://x.test/a.png")
OTHER = e.Image("https://x.test/b.png")
CALLS = Message("assistant", (e.Call("a", "look", "{}"), e.Call("b", "look", "{}")))


@tool(read_only=True)
def look(at: str = "") -> str:
    """Look."""
    return "seen"


def user(text: str) -> Message:
    return Message("user", text)


@pytest.mark.parametrize(
    ("messages", "joined"),
    [
        ((user("a"), user("b"), user("c")), (user("a\n\nb\n\nc"),)),
        ((user("a"), Message("user", ("b", PICTURE))), (Message("user", ("a", "b", PICTURE)),)),
        ((Message("user", (PICTURE,)), user("b")), (Message("user", (PICTURE, "b")),)),
        ((Message("system", "s"), user("a")), (Message("system", "s"), user("a"))),
        ((user(""), user("b")), (user("b"),)),
        ((user("a"), user("")), (user("a"),)),
        (
            (Message("assistant", "a"), Message("assistant", "b")),
            (Message("assistant", "a\n\nb"),),
        ),
        (
            (Message("assistant", "a"), Message("assistant", (e.Text("b"), e.Call("c", "d", "")))),
            (Message("assistant", (e.Text("a"), e.Text("\n\nb"), e.Call("c", "d", ""))),),
        ),
        (
            (CALLS, Message("tool", "1", "a"), Message("tool", "2", "b")),
            (CALLS, Message("tool", "1", "a"), Message("tool", "2", "b")),
        ),
    ],
)
def test_neighbours_of_one_role_become_one_message(messages, joined):
    assert make_turns(messages) == joined


def test_fields_of_the_provider_outlast_the_joining():
    first = Message("assistant", (e.Thinking("t", {"signature": "s"}), e.Text("a")), model="m")
    [joined] = make_turns((first, Message("assistant", "b")))
    assert (joined.model, joined.text) == ("m", "a\n\nb")
    assert joined.content[0] == e.Thinking("t", {"signature": "s"})


def test_words_stand_where_no_model_takes_sounds():
    sound = e.Audio("data:audio/wav;base64,AAAA")
    heard = Message("tool", ("heard", PICTURE, sound), "a")
    shown = tell_of_sounds((user("go"), Message("user", ("hear", sound)), CALLS, heard))
    assert shown[1].content == ("hear", NO_SOUND)
    assert shown[3].content == ("heard", PICTURE, NO_SOUND)
    assert (shown[3].role, shown[3].call_id) == ("tool", "a")
    assert shown[0] == user("go")


def test_pictures_of_results_go_beside_them_after_the_last_one():
    messages = (
        user("go"),
        CALLS,
        Message("tool", ("[picture 1]", PICTURE), "a"),
        Message("tool", ("[picture 1]", OTHER), "b"),
        user("and?"),
    )
    shown = put_beside_results(messages)
    assert [message.role for message in shown] == ["user", "assistant", "tool", "tool", "user"]
    assert shown[2] == Message("tool", "[picture 1]", "a")
    assert shown[-1].parts == (PICTURE, OTHER)
    assert shown[-1].text.endswith("and?")


def test_only_the_kinds_that_no_result_can_hold_go_beside_it():
    sound = e.Audio("data:audio/wav;base64,AAAA")
    messages = (CALLS, Message("tool", ("seen", PICTURE, sound), "a"), Message("tool", "x", "b"))
    shown = put_beside_results(messages, (e.Audio,))
    assert shown[1] == Message("tool", ("seen", PICTURE), "a")
    assert shown[3].parts == (sound,)
    assert put_beside_results(messages[:1] + shown[1:3], (e.Audio,)) == (CALLS, *shown[1:3])


def test_the_tools_of_a_history_are_named_once():
    assert [each.name for each in tools_in_history((user("x"), CALLS, CALLS))] == ["look"]


def roles(model: ScriptedModel) -> list[list[str]]:
    return [[message.role for message in request.messages] for request in model.seen]


def test_roles_take_turns_after_a_failed_turn():
    model = ScriptedModel([ModelRejected("no"), says("ok")])
    made = agent(model)
    with pytest.raises(ModelRejected):
        made.run_sync("one", thread="t")
    assert made.run_sync("two", thread="t").answer == "ok"
    assert roles(model) == [["user"], ["user"]]
    assert model.seen[1].messages[0].text == "one\n\ntwo"


def test_roles_take_turns_after_an_empty_reply_and_in_a_plan():
    model = ScriptedModel([says(""), says("1. Look."), says("ok")])
    assert agent(model, look, plan=True).run_sync("one").answer == "ok"
    assert roles(model) == [["user"], ["user"], ["user", "assistant", "user"]]


def test_a_last_word_and_a_plan_keep_the_tools_that_the_history_has_called():
    script = [calls("look"), calls("look"), says("best")]
    model = ScriptedModel(script)
    result = live(agent(model, look, limits=Limits(steps=2, last_word=True)).run("q"))
    assert (result.status, result.answer) == ("limit", "best")
    assert [(len(each.tools), each.tool_choice) for each in model.seen] == [
        (1, "auto"),
        (1, "auto"),
        (1, "none"),
    ]


def test_an_agent_without_tools_goes_on_with_a_history_that_has_calls():
    model = ScriptedModel([calls("look"), says("seen"), says("ok")])
    first = agent(model, look)
    first.run_sync("q", thread="t")
    assert agent(model, store=first.store).run_sync("and now?", thread="t").answer == "ok"
    last = model.seen[-1]
    assert ([each.name for each in last.tools], last.tool_choice) == (["look"], "none")


def test_a_call_that_comes_all_the_same_is_not_run():
    model = ScriptedModel([calls("look"), says("seen"), calls("look"), says("ok")])
    first = agent(model, look)
    first.run_sync("q", thread="t")
    result = agent(model, store=first.store).run_sync("and now?", thread="t")
    assert (result.answer, [each.kind for each in found(result, e.ToolFailed)]) == (
        "ok",
        ["unknown_tool"],
    )


def test_what_a_provider_goes_on_with_stays_as_it_came():
    search = e.ProviderCall("web_search", opaque={"blocks": [{"type": "server_tool_use"}]})
    paused = Message("assistant", (e.Text("I look"), search), "", {}, "m", "said:1")
    goes_on = Message("assistant", (e.Text("Found"),), "", {}, "m", "said:2")
    [joined] = make_turns((paused, goes_on))
    assert joined.content == (e.Text("I look"), search, e.Text("Found"))
    assert (joined.model, joined.prompt_hash) == ("m", "said:1")
    assert end_with_person((joined,)) == (joined,)


def test_another_model_is_asked_to_go_on_with_what_a_provider_has_paused():
    search = e.ProviderCall("web_search", opaque={"blocks": [{"type": "server_tool_use"}]})
    paused = Message("assistant", (e.Text("I look"), search), "", {}, "m")
    silent = Message("assistant", (search,), "", {}, "m")
    for message, shown in ((paused, [("assistant", "I look"), ("user", "Go on.")]), (silent, [])):
        messages = end_with_person(make_turns([message.for_model("other")]))
        assert [(each.role, each.text) for each in messages] == shown


def test_only_messages_of_a_person_that_say_nothing_are_filled():
    picture = Message("user", (PICTURE,))
    messages = (user(""), picture, CALLS, Message("tool", "", "a"), user("b"))
    assert fill_empty(messages) == (user("(nothing was said)"), *messages[1:])
    assert fill_empty(messages[1:]) == messages[1:]


def test_a_system_prompt_can_stand_before_the_first_words_of_a_person():
    reply = Message("assistant", "hi")
    told = (Message("system", "Be brief."), user("a"), reply, user("b"))
    assert put_into_first(told) == (user("Be brief.\n\na"), reply, user("b"))
    assert put_into_first(told[1:]) == told[1:]
    assert put_into_first(()) == ()
    assert put_into_first(told[:1]) == (user("Be brief."),)


def asks(*ids: tuple[str, str]) -> Message:
    """A reply with calls: our own ids and the provider's."""
    blocks = tuple(e.Call(own, "look", "{}", {}, given) for own, given in ids)
    return Message("assistant", blocks, model="m")


def sent_ids(*messages: Message) -> list[list[str]]:
    sent, _ = use_provider_ids(messages)
    return [[call.id for call in each.calls] or [each.call_id] for each in sent]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (("functions.look:0", "functions.look:1"), ["functions.look:0", "functions.look:1"]),
        (("toolu_01", ""), ["toolu_01", "b"]),
        (("x", "x"), ["x", "b"]),
        (("", ""), ["a", "b"]),
        (("über", "line\nbreak"), ["a", "b"]),
        (("x" * 256, "y" * 257), ["x" * 256, "b"]),
    ],
)
def test_calls_go_back_under_the_provider_s_own_ids_where_those_are_legal(given, sent):
    reply = asks(("a", given[0]), ("b", given[1]))
    results = (Message("tool", "1", "a"), Message("tool", "2", "b"))
    assert sent_ids(user("go"), reply, *results) == [[""], sent, [sent[0]], [sent[1]]]


def test_an_id_that_a_provider_repeats_names_the_first_call_alone():
    first = (asks(("a", "call_0")), Message("tool", "1", "a"))
    second = (asks(("b", "call_0")), Message("tool", "2", "b"))
    assert sent_ids(*first, *second) == [["call_0"], ["call_0"], ["b"], ["b"]]


def test_a_message_with_other_ids_is_made_once():
    messages = (asks(("a", "x")), Message("tool", "1", "a"))
    for one, other in zip(
        use_provider_ids(messages)[0], use_provider_ids(messages)[0], strict=True
    ):
        assert one is other, "it would be encoded again at every step"


def test_another_model_is_not_sent_the_ids_of_this_one():
    message = asks(("a", "x"))
    assert sent_ids(message.for_model("other")) == [["a"]]
    assert sent_ids(message.for_model("m")) == [["x"]]
