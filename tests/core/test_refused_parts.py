"""What a provider has refused of a message isn't sent to it again and again."""

from typing import Any

import pytest

from fakes import agent, found
from treadle import (
    Audio,
    ContextOverflow,
    File,
    Image,
    ModelRejected,
    ModelUnavailable,
    ScriptedModel,
    UserSaid,
    run_sync,
    tool,
)
from treadle.core import events as e
from treadle.core.model import Message
from treadle.core.refused_parts import find_refused_part, find_too_large
from treadle.models.scripted import calls, says

PICTURE = Image("https://x.test/bad.png")
OTHER = Image("https://x.test/good.png")
SOUND = Audio("data:audio/wav;base64,AAA=")
BILL = File("a.pdf", "data:application/pdf;base64,AAA=")


@pytest.mark.parametrize(
    ("error", "part", "refused"),
    [
        ("Could not process image", PICTURE, "image"),
        ("Invalid image_url", PICTURE, "image"),
        ("unknown variant `image_url`, expected `text`", PICTURE, "image"),
        ("messages[0].content must be a string", PICTURE, "image"),
        ("This model does not support vision", PICTURE, "image"),
        ("Audio input is not enabled for this model", SOUND, "audio"),
        ("Invalid file_data", BILL, "file"),
        ("The PDF specified was not valid", BILL, "file"),
        ("Could not process image", BILL, None),
        ("messages.0.content.0.document.source: invalid", BILL, "file"),
        ("invalid temperature", PICTURE, None),
        ("The model `gpt-image-1` does not exist", PICTURE, None),
        ("llama-3.2-90b-vision-preview is overloaded: not supported now", PICTURE, None),
        ("gpt-4o-audio-preview takes no top_k", SOUND, None),
        ("gpt-image-1 takes no such image", PICTURE, "image"),
        ("invalid max_tokens; see the documentation at https://docs.x.test", BILL, None),
    ],
)
def test_a_refusal_names_what_the_request_holds(error: str, part: Any, refused: Any):
    assert find_refused_part(error, (Message("user", ("look", part)),)) == refused


def test_words_stand_for_a_refused_picture_and_the_thread_goes_on():
    no = ModelRejected("Could not process image (HTTP 400)")
    model = ScriptedModel([says("fine"), no, says("4"), says("yes")])
    made = agent(model)
    made.run_sync(UserSaid(("first", OTHER)), thread="t")
    with pytest.raises(ModelRejected, match="the picture is left out of this thread's later"):
        made.run_sync(UserSaid(("what is it?", PICTURE)), thread="t")
    result = made.run_sync("never mind; 2+2?", thread="t")
    assert result.answer == "4"
    assert model.seen[-1].messages[0].parts == (OTHER,)  # that one was taken
    assert model.seen[-1].messages[-1].parts == ()
    assert "what is it?\n[a picture was here, which the provider refused" in (
        model.seen[-1].messages[-1].text
    )
    assert made.run_sync("still there?", thread="t").answer == "yes"
    assert run_sync(made.replay("t")) is None


def test_a_model_that_sees_no_pictures_leaves_them_to_another_that_does():
    """Both of one agent's: the second is asked while the first is away."""
    away = ModelUnavailable("down", retry_after_s=600)
    sees = ScriptedModel([away, says("A lamp."), away], name="sees")
    blind = ScriptedModel([ModelRejected("no vision here"), says("I see none.")], name="blind")
    made = agent([sees, blind])
    with pytest.raises(ModelRejected, match="left out of this thread's later requests to this"):
        made.run_sync(UserSaid(("what is it?", PICTURE)), thread="t")
    assert made.run_sync("and now?", thread="t").answer == "A lamp."
    assert sees.seen[-1].messages[0].parts == (PICTURE,)
    assert made.run_sync("once more", thread="t").answer == "I see none."
    assert [each.parts for each in blind.seen[-1].messages if each.role == "user"] == [(), ()]
    assert run_sync(made.replay("t")) is None


def test_where_no_picture_is_new_all_are_left_out():
    taken = agent(ScriptedModel([says("fine")]))
    taken.run_sync(UserSaid(("first", PICTURE), pinned=True), thread="t")
    model = ScriptedModel([ModelRejected("no vision here"), says("ok")])
    other = agent(model, store=taken.store)
    with pytest.raises(ModelRejected):
        other.run_sync("and?", thread="t")
    assert other.run_sync("go on", thread="t").answer == "ok"
    assert [message.parts for message in model.seen[-1].messages] == [(), (), ()]


def test_a_picture_of_a_tool_is_left_out_too():
    @tool(read_only=True)
    def screenshot() -> Image:
        return PICTURE

    model = ScriptedModel([calls("screenshot"), ModelRejected("bad image"), says("ok")])
    made = agent(model, screenshot)
    with pytest.raises(ModelRejected):
        made.run_sync("look", thread="t")
    assert made.run_sync("go on", thread="t").answer == "ok"
    [result] = [each for each in model.seen[-1].messages if each.role == "tool"]
    assert result.parts == ()
    assert result.text.startswith("[picture 1]\n[a picture was here")


def test_a_server_that_says_so_with_a_500_is_asked_again_without_it():
    model = ScriptedModel([ModelUnavailable("image input is not supported"), says("I see none.")])
    result = agent(model).run_sync(UserSaid(("what is it?", PICTURE)))
    assert result.answer == "I see none."
    assert found(result, e.ModelFailed)[0].refused == "image"


def test_an_outage_leaves_nothing_out():
    model = ScriptedModel([ModelUnavailable("the image service is down"), says("A lamp.")])
    agent(model).run_sync(UserSaid(("what is it?", PICTURE)))
    assert model.seen[1].messages[0].parts == (PICTURE,)


LARGE = File("a.pdf", f"data:application/pdf;base64,{'A' * 9000}")


def too_large(words: str = "413 Request Entity Too Large") -> ContextOverflow:
    error = ContextOverflow(words)
    error.status = 413
    return error


def test_a_new_file_that_makes_a_request_too_large_is_left_out_and_nothing_else():
    model = ScriptedModel([says("fine"), too_large(), says("4")])
    made = agent(model)
    made.run_sync("first " * 100, thread="t")
    with pytest.raises(ModelRejected, match="the file is left out of this thread's later"):
        made.run_sync(UserSaid(("read it", LARGE)), thread="t")
    assert made.run_sync("never mind; 2+2?", thread="t").answer == "4"
    first, *_, last = model.seen[-1].messages
    assert (first.text, last.parts) == ("first " * 100, ())


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ((Message("user", ("read it", LARGE)),), "413 too many tokens in a minute"),
        ((Message("user", "x" * 9999), Message("user", ("read it", LARGE))), "too large"),
        ((Message("user", (LARGE,)), Message("assistant", "ok"), Message("user", "go")), "large"),
    ],
)
def test_what_is_too_large_otherwise_is_made_less(messages: tuple[Message, ...], words: str):
    assert find_too_large(words, messages) is None
