from typing import Any

import pytest

from fakes import agent
from treadle import File, Image, MemoryStore, ScriptedModel, UsageError, UserSaid, run_sync
from treadle.models.chat.encode import encode_message
from treadle.models.scripted import calls, says
from treadle.runtime.said import take_said
from treadle.tools.ask import ask_user

PICTURE = Image("https://x.test/a.png")


def test_a_text_and_parts_in_a_list_are_taken():
    assert take_said("hi") == UserSaid("hi")
    assert take_said(UserSaid(["hi", PICTURE])) == UserSaid(("hi", PICTURE))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ([{"type": "text", "text": "hello"}], "must be a text or a UserSaid"),
        (None, "must be a text or a UserSaid"),
        (UserSaid("see?", (PICTURE,)), "pictures and files stand in the content"),
        (UserSaid(7), "UserSaid.content must be a text"),
        (UserSaid(("see?", Image("photos/lamp.png"))), r"Image\.of\(…\) reads a path or bytes"),
        (UserSaid((Image(b"\x89PNG"),)), r"Image\.of\(…\) reads a path or bytes"),
        (UserSaid((File("a.pdf", "a.pdf"),)), r"File\.of\(…\) reads a path or bytes"),
        (UserSaid(({"type": "text"},)), "a part of a message must be"),
    ],
)
def test_what_would_kill_a_thread_is_refused_and_nothing_is_written(said: Any, words: str):
    store = MemoryStore()
    with pytest.raises(UsageError, match=words):
        agent(ScriptedModel([]), store=store).run_sync(said, thread="t")
    assert run_sync(store.read("t")) == []


def test_an_answer_is_checked_too():
    model = ScriptedModel([calls(("ask_user", {"question": "Which?"}))])
    made = agent(model, ask_user)
    [waiting] = made.run_sync("go", thread="t").waiting
    with pytest.raises(UsageError, match=r"Image\.of"):
        run_sync(made.post("t", UserSaid((Image("a.png"),), waiting.id)))


@pytest.mark.parametrize("verb", ["run", "start", "submit", "steer"])
def test_an_answer_is_posted_and_not_said(verb: str):
    model = ScriptedModel([calls(("ask_user", {"question": "Which?"})), says("done")])
    made = agent(model, ask_user)
    [waiting] = made.run_sync("go", thread="t").waiting
    said = UserSaid("the red one", answers=waiting.id)
    say = {
        "run": lambda: made.run(said, thread="t"),
        "start": lambda: made.start(said, thread="t"),
        "submit": lambda: made.submit(said, thread="t"),
        "steer": lambda: made.steer("t", said),
    }[verb]
    with pytest.raises(UsageError, match=r"answers call \w+: hand it to agent\.post"):
        run_sync(say())
    run_sync(made.post("t", said))
    assert run_sync(made.resume("t")).answer == "done"


def test_a_message_that_says_that_it_steers_opens_a_turn_where_none_is_open():
    made = agent(ScriptedModel([says("done")]))
    assert made.run_sync(UserSaid("go", steers=True), thread="t").answer == "done"


def test_a_file_by_its_address_is_named_to_a_model_that_takes_none():
    model = ScriptedModel([says("ok")])
    agent(model).run_sync(UserSaid(("see?", File.of("https://x.test/a.pdf"))))
    assert b"The file a.pdf is at https://x.test/a.pdf" in encode_message(model.seen[0].messages[0])
