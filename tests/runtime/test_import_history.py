"""A conversation that was kept elsewhere goes on as a thread, and nothing of it runs."""

import json
import re
from typing import Any

import pytest

from fakes import agent, live, names
from treadle import MemoryStore, ScriptedModel, UserSaid, tool
from treadle.core import events as e
from treadle.core.errors import UsageError
from treadle.models.chat.history_file import read_histories
from treadle.models.chat.write_history import write_history
from treadle.models.scripted import calls, says
from treadle.runtime.log import open_log

ran: list[str] = []


@tool
def order(item: str) -> str:
    """Order it."""
    ran.append(item)
    return f"ordered {item}"


CALL = {"id": "x1", "type": "function", "function": {"name": "order", "arguments": '{"item": "a"}'}}
TALK: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Order a."},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "x1", "content": "ordered"},
    {"role": "assistant", "content": "Done."},
]


def asker(*script: Any, **settings: Any) -> Any:
    return agent(ScriptedModel(script), order, instructions="Be brief.", **settings)


def read(store: MemoryStore, thread: str) -> list[e.Record]:
    log = live(open_log(thread, store, agent(None).world))
    return log.records


def test_the_conversation_goes_on_and_the_model_sees_all_of_it():
    ran.clear()
    own = asker(says("Again?"))
    done = live(own.import_history(TALK, thread="t"))
    assert (done.thread_id, done.lost) == ("t", ())
    result = live(own.run("Order a again.", thread="t"))
    assert (result.status, result.answer) == ("answered", "Again?")
    roles = [message.role for message in own.model.seen[0].messages]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "user"]
    assert own.model.seen[0].messages[2].calls[0].name == "order"
    assert ran == []
    assert "TrustChanged" not in names(read(own.store, "t"))


def test_a_message_that_waits_for_a_reply_gets_it_by_resuming():
    own = asker(calls(("order", {"item": "b"})), says("Done."))
    ran.clear()
    live(own.import_history(TALK[:2], thread="t"))
    assert live(own.resume("t")).answer == "Done."
    assert ran == ["b"]


def test_a_call_without_a_result_at_the_end_is_not_run_and_asked_about():
    own = asker(says("Done."))
    ran.clear()
    live(own.import_history(TALK[:3], thread="t"))
    waits = live(own.resume("t"))
    assert (waits.status, [each.status for each in waits.waiting]) == ("waiting", ["unknown"])
    decided = e.OutcomeDecided(waits.waiting[0].id, "ran", "ann", "it came")
    live(own.post("t", decided))
    assert live(own.resume("t")).answer == "Done."
    assert own.model.seen[0].messages[-1].text == "it came"
    assert ran == []


def test_instructions_of_others_are_kept_in_the_thread():
    other = agent(ScriptedModel([says("Yes.")]), order, instructions="Be long.")
    live(other.import_history(TALK, thread="t"))
    live(other.run("Go on.", thread="t"))
    system, first = other.model.seen[0].messages[:2]
    assert system.text == "Be long."
    assert "as it was brought here:\nBe brief." in first.text


def test_a_thread_that_is_there_stays_as_it_is():
    own = asker(says("Hi."))
    live(own.run(UserSaid("Hello"), thread="t"))
    with pytest.raises(UsageError, match="'t' is already in this store"):
        live(own.import_history(TALK, thread="t"))


def test_what_was_brought_in_cannot_be_run_again_and_says_so():
    own = asker()
    live(own.import_history(TALK, thread="t"))
    with pytest.raises(UsageError, match="record 4 is a model call that was brought in"):
        live(own.replay("t"))


def test_a_thread_goes_out_as_messages_and_comes_back_the_same():
    own = asker(calls(("order", {"item": "b"}), text="I order."), says("Done."))
    live(own.run(UserSaid(("This?", e.Image("data:image/png;base64,AAAA"))), thread="t"))
    written = write_history(read(own.store, "t"))
    [history] = read_histories(written)
    live(own.import_history(history.messages, thread="again"))
    assert messages_of(write_history(read(own.store, "again"))) == messages_of(written)


def messages_of(history: bytes) -> str:
    """The messages, with the same id for every call."""
    return re.sub(r"c\d{8}", "id", json.dumps(json.loads(history)["messages"]))
