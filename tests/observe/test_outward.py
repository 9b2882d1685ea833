import asyncio

from taint.tools import SEND, Box
from treadle.core import events as e
from treadle.models.scripted import calls
from treadle.observe.explain import explain
from treadle.observe.folded import fold_thread
from treadle.observe.outward import OutwardCalls
from treadle.observe.timeline import Timeline
from treadle.runtime.log import open_log
from treadle.runtime.world import World

MAIL, THEFT = calls("read_mail"), calls(SEND)
WHY = (
    "send_mail acts outward, and this thread holds untrusted text (from read_mail, call c00005000)"
    " and private data (from read_mail, call c00005000)"
)


def records(box):
    return asyncio.run(open_log("t", box.store, World())).records


def test_show_and_explain_say_why_a_call_waits():
    box = Box()
    box.run(MAIL, THEFT)
    [shown] = [str(line) for line in map(Timeline().line, records(box)) if WHY in str(line)]
    assert shown.startswith("?")
    [waits] = explain(records(box), box.agent().run_settings).waits_for
    assert waits.startswith("approve or deny")
    assert WHY in waits


def test_a_call_that_ran_all_the_same_is_shown_with_who_let_it():
    box = Box()
    box.run(MAIL, THEFT, taint="warn")
    told = f"{WHY}: nobody was asked, as the agent says taint='warn'"
    assert explain(records(box), box.agent().run_settings).outward == (told,)
    assert any(told in str(line) for line in map(Timeline().line, records(box)))


def test_a_call_that_a_person_has_allowed_is_shown_so():
    box = Box()
    agent = box.agent(MAIL, THEFT)

    async def go():
        [call] = (await agent.run("go", thread="t")).waiting
        await agent.post("t", e.ApprovalGiven(call.id, True, "ann"))
        await agent.resume("t")

    asyncio.run(go())
    told = f"{WHY}: a person has allowed it"
    assert explain(records(box), box.agent().run_settings).outward == (told,)


def test_the_middle_of_a_log_says_nothing_of_labels():
    box = Box()
    box.run(MAIL, THEFT, taint="warn")
    assert not any(WHY in str(line) for line in map(Timeline().line, records(box)[4:]))


def test_who_goes_on_from_a_folded_log_says_the_same_of_each_record():
    box = Box()
    box.run(MAIL, THEFT, taint="warn")
    log = records(box)
    every = [str(line) for line in map(Timeline().line, log)]
    folded = fold_thread(log)
    for shown_from in range(len(log) + 1):
        calls = OutwardCalls()
        calls.know("t", folded.state, folded.outward)
        timeline = Timeline(calls)
        for record in log[:shown_from]:
            timeline.learn(record)
        assert [str(timeline.line(record)) for record in log[shown_from:]] == every[shown_from:]
