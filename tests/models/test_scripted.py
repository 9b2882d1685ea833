import asyncio
import re

import pytest

from treadle import Agent, MemoryStore
from treadle.core.errors import ModelError, ModelUnavailable, UsageError
from treadle.core.events import Call, Usage
from treadle.core.model import Message, Model, Reply, Request
from treadle.models.scripted import ScriptedModel, ScriptEnded, calls, says

GO = Request((Message("system", "Be brief."), Message("user", "go")))


def ask(model: Model, request: Request = GO) -> tuple[Reply, list[str]]:
    pieces: list[str] = []
    return asyncio.run(model.reply(request, pieces.append)), pieces


def test_answers_come_in_order_and_what_was_asked_is_kept():
    model = ScriptedModel([says("one"), says("two")])
    assert [ask(model)[0].text, ask(model)[0].text] == ["one", "two"]
    assert model.seen == [GO, GO]


@pytest.mark.parametrize("text", ["", "one", "one two\n  three ", "\n lead", "  "])
def test_text_is_streamed_by_the_word_and_loses_nothing(text):
    reply, pieces = ask(ScriptedModel([says(text)]))
    assert "".join(pieces) == reply.text == text
    assert len(pieces) >= len(text.split())


def test_calls_may_repeat_a_name_bring_text_and_be_bad_json():
    reply = calls("now", ("add", {"a": 1}), ("add", '{"a": '), text="Let me see.")
    assert reply.calls == (
        Call("call_0", "now", "{}"),
        Call("call_1", "add", '{"a": 1}'),
        Call("call_2", "add", '{"a": '),
    )
    assert (reply.text, reply.finish_reason) == ("Let me see.", "tool_calls")


def test_an_exception_is_raised_and_counts_as_an_answer():
    model = ScriptedModel([ModelUnavailable("later"), says("now")])
    with pytest.raises(ModelUnavailable, match="later"):
        ask(model)
    assert ask(model)[0].text == "now"


def test_a_function_sees_the_request_and_gives_a_reply_or_an_exception():
    model = ScriptedModel(
        [lambda request: says(request.messages[-1].text.upper()), lambda request: ModelError("no")]
    )
    assert ask(model)[0].text == "GO"
    with pytest.raises(ModelError, match="no"):
        ask(model)


def test_the_end_of_the_script_says_how_many_answers_there_were_and_is_no_model_error():
    model = ScriptedModel([says("one")])
    ask(model)
    with pytest.raises(
        AssertionError, match=r"1 answers and the model was asked 2 times.*user's 'go'"
    ) as caught:
        ask(model)
    assert type(caught.value) is ScriptEnded
    assert not isinstance(caught.value, ModelError)


def test_tokens_are_the_same_each_time_and_a_reply_s_own_are_kept():
    first, again = (
        ask(ScriptedModel([says("one two three")])),
        ask(ScriptedModel([says("one two three")])),
    )
    assert first == again
    assert first[0].usage == Usage(sum(message.tokens for message in GO.messages), 3)
    assert ask(ScriptedModel([Reply("x", usage=Usage(5, 6))]))[0].usage == Usage(5, 6)
    assert ask(ScriptedModel([calls(("add", {"a": 1}))]))[0].usage.output_tokens > 0


def test_the_price_is_the_test_s_or_unknown():
    assert ScriptedModel([], price_usd=(0.5, 2.0)).cost_usd(Usage(4, 1)) == 4.0
    assert ScriptedModel([], price_usd=None).cost_usd(Usage(4, 1)) is None
    assert ScriptedModel([]).cost_usd(Usage(4, 1)) == 0.0


def test_it_knows_how_many_answers_nobody_has_asked_for():
    model = ScriptedModel([says("one"), says("two")])
    ask(model)
    assert model.answers_left == 1
    ask(model)
    with pytest.raises(ScriptEnded):
        ask(model)
    assert model.answers_left == 0


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: ScriptedModel(says("one")), "a script is a Reply; give a list of replies"),
        (lambda: ScriptedModel(["hi"]), "a script has the text 'hi'; give says(text)"),
        (lambda: ScriptedModel([ValueError]), "a script has the class ValueError; give says(text)"),
        (lambda: calls(5), "calls() was given an int; give a tool's name"),
        (lambda: calls(("add",)), "calls() was given a tuple; give a tool's name"),
    ],
)
def test_what_can_be_no_script_is_refused(make, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        make()


async def _replies(request):
    return says("hi")


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda request: "hi", "a function of a script gave the text 'hi'; give says(text)"),
        (lambda request: None, "a function of a script gave None; give says(text)"),
        (_replies, "a function of a script is async; write it with def"),
    ],
)
def test_a_function_that_gives_no_reply_is_named_as_that(function, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        Agent(model=ScriptedModel([function]), store=MemoryStore()).run_sync("go")
