"""Which request follows from a log."""

import pytest

from fakes import agent, found, live
from treadle import MemoryStore
from treadle.core.events import Call, ModelCalled, Thinking
from treadle.core.model import Message, Reply
from treadle.core.tokens import find_token_counter
from treadle.models.chat.encode import encode_message
from treadle.models.scripted import ScriptedModel, says


def test_what_only_one_provider_understands_goes_back_to_it_and_to_no_other():
    signed = Reply(
        (
            Thinking("r", {"reasoning": "r"}),
            Call("", "nope", "{}", {"extra_content": {"signature": "s"}}),
        )
    )
    store = MemoryStore()
    first = ScriptedModel([signed, says("a")], name="first")
    live(agent(first, store=store).run("go", thread="t"))
    assert [
        b"reasoning" in encode_message(m) and b"signature" in encode_message(m)
        for m in first.seen[1].messages
    ][1]
    other, again = (
        ScriptedModel([says("b")], name="other"),
        ScriptedModel([says("c")], name="first"),
    )
    live(agent(other, store=store).run("more", thread="t"))
    assert not any(
        b"reasoning" in encode_message(m) or b"signature" in encode_message(m)
        for m in other.seen[0].messages
    )
    live(agent(again, store=store).run("more", thread="t"))
    assert any(
        b"reasoning" in encode_message(m) and b"signature" in encode_message(m)
        for m in again.seen[0].messages
    )


def test_what_another_model_may_see_of_a_message_is_made_once():
    message = Message("assistant", "hi", "", {"reasoning": "r"}, "first")
    assert message.for_model("first") is message
    other, third = message.for_model("other"), message.for_model("third")
    assert other is third, "it would be encoded again at every step"
    assert message.for_model("other").said == Message("assistant", "hi").said


def test_fields_of_a_model_go_to_no_model_of_that_name_at_another_address():
    message = Message("assistant", "hi", opaque={"reasoning": "r"}, model="m", place="here")
    assert message.for_model("m", "here") is message
    assert message.for_model("m", "") is message, "a model that hides its address"
    assert message.for_model("m", "there").opaque == {}
    old = Message("assistant", "hi", opaque={"reasoning": "r"}, model="m")
    assert old.for_model("m", "there") is old, "a log that doesn't have the address"


@pytest.mark.slow
def test_only_a_prompt_that_is_not_small_is_counted_by_the_vocabulary():
    pytest.importorskip("toktok")
    count = find_token_counter("openai:gpt-4o")
    assert count
    for text, is_counted in (("hello", False), ("words " * 2000, True)):
        model = ScriptedModel([says("ok")], name="openai:gpt-4o")
        result = live(agent(model).run(text))
        request = model.seen[0]
        tokens = request.exact_tokens(count) if is_counted else request.tokens
        assert [called.prompt_tokens for called in found(result, ModelCalled)] == [tokens + 1]
