"""What people find of turns: a fact of each turn that has ended, which changes nothing else."""

import pytest

from fakes import agent, live
from treadle import FeedbackGiven, IllegalEvent, ScriptedModel, UsageError, tool
from treadle.core import events as e
from treadle.core.feedback import is_rated, last_ended, read_feedback
from treadle.core.prompt import Prompt
from treadle.core.state import fold
from treadle.core.status import find_status
from treadle.models.scripted import calls, says
from treadle.runtime.log import open_log
from treadle.runtime.world import World


@tool(needs_approval=True)
def write(path: str) -> str:
    """Writes."""
    return "ok"


def read(agents, thread="t"):
    return live(open_log(thread, agents.store, World())).records


def test_feedback_is_of_the_last_turn_that_has_ended_and_a_later_word_holds():
    agents = agent(ScriptedModel([says("one"), says("two")]))
    opened = [live(agents.run("hi", thread="t")).records[0].seq for _ in range(2)]
    live(agents.post("t", FeedbackGiven(False, "ann", "too short")))
    live(agents.post("t", FeedbackGiven(True, "ben", turn_seq=opened[0])))
    assert is_rated(read(agents), "bad")
    live(agents.post("t", FeedbackGiven(True, "ann", turn_seq=opened[1])))
    live(agents.post("t", FeedbackGiven(True, "ann")))  # the same again
    records = read(agents)
    assert sum(isinstance(record.event, e.FeedbackGiven) for record in records) == 3
    assert {(said.by, said.turn_seq) for said in read_feedback(records)} == {
        ("ann", opened[1]),
        ("ben", opened[0]),
    }
    assert is_rated(records, "good")
    assert not is_rated(records, "bad")


def test_feedback_changes_neither_prompt_nor_status_nor_replay():
    agents = agent(
        ScriptedModel([calls(("write", {"path": "a"})), says("done"), says("and")]), write
    )
    waiting = live(agents.run("go", thread="t"))
    call = waiting.waiting[0].id
    live(agents.post("t", e.ApprovalGiven(call, True, "ann")))
    live(agents.resume("t"))
    before = read(agents)
    live(agents.post("t", FeedbackGiven(False, "ann", "no")))
    after = read(agents)
    assert find_status(fold(after)) == find_status(fold(before)) == "answered"
    prompts = []
    for records in (before, after):
        prompt = Prompt()
        for record in records:
            prompt.add(record)
        prompts.append(prompt.messages(""))
    assert prompts[0] == prompts[1]
    live(agents.run("more", thread="t"))
    assert live(agents.replay("t")) is None


def test_an_earlier_turn_can_be_rated_while_the_next_one_waits_and_the_open_one_cannot():
    agents = agent(
        ScriptedModel([says("one"), calls(("write", {"path": "a"})), says("done")]), write
    )
    first = live(agents.run("hi", thread="t")).records[0].seq
    waiting = live(agents.run("go", thread="t"))
    opened = waiting.records[0].seq
    with pytest.raises(IllegalEvent, match="hasn't ended"):
        live(agents.post("t", FeedbackGiven(True, "ann", turn_seq=opened)))
    live(agents.post("t", FeedbackGiven(True, "ann")))
    [said] = read_feedback(read(agents))
    assert said.turn_seq == first
    live(agents.post("t", e.ApprovalGiven(waiting.waiting[0].id, True, "ann")))
    assert live(agents.resume("t")).answer == "done"
    assert live(agents.replay("t")) is None


@pytest.mark.parametrize("seq", [1, 2, 4, 99, -1, -(2**63), 2**63 - 1])
def test_only_a_message_that_opened_a_turn_names_one(seq):
    agents = agent(ScriptedModel([says("one")]))
    assert live(agents.run("hi", thread="t")).records[0].seq == 3
    with pytest.raises(IllegalEvent, match="opened a turn"):
        live(agents.post("t", FeedbackGiven(True, "ann", turn_seq=seq)))


def test_a_thread_in_its_first_turn_has_nothing_to_rate_yet():
    agents = agent(ScriptedModel([calls(("write", {"path": "a"}))]), write)
    live(agents.run("go", thread="t"))
    state = fold(read(agents))
    assert last_ended(state.openings, state.turn) == 0
    with pytest.raises(UsageError, match="no turn"):
        live(agents.post("t", FeedbackGiven(True, "ann")))
    assert state.claims == fold(read(agents)).claims
