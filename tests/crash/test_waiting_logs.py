"""In any log that a driver leaves, `decide` says Wait exactly where something is listed for a person.

The result, `explain` and the parent list the same, and a resume of what waits appends nothing.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crash.scripts import (
    CALLS,
    LIMITS,
    REPLIES,
    Ordered,
    Plot,
    Stage,
    add_up,
    decided,
    finished,
    meddled,
    settled,
)
from crash.test_prefixes import ENDS
from fakes import live
from treadle import Agent, ApprovalGiven, Limits, Record
from treadle.core import events as e
from treadle.core.decide import Wait, decide
from treadle.core.errors import IllegalEvent
from treadle.core.prompt import messages
from treadle.core.result import read_result
from treadle.core.state import State, apply, fold
from treadle.core.turn_after import failed_by_outage
from treadle.core.waits import after_claim, find_tree_waits, find_waits, is_held
from treadle.models.scripted import calls, says
from treadle.observe.explain import explain
from treadle.runtime.settings import RunSettings

WAYS = ("one by one", "all", "cancel")
SIDE_BY_SIDE = ("once", "sure", "later", "weak", "helper")
GUARDED = [("guarded", {"number": number}) for number in range(3)]
HELPERS = [("helper", {"task": task}) for task in "ab"]
ASKS = ("ask_user", {"question": "which?"})
MIXED = st.lists(
    st.sampled_from([*GUARDED, *HELPERS * 3, "hand_to_clerk", ASKS, *CALLS]),
    min_size=1,
    max_size=5,
).map(lambda some: calls(*some))
BELOW = st.lists(st.sampled_from([*GUARDED, ASKS, *CALLS]), min_size=1, max_size=4).map(
    lambda some: calls(*some)
)
SHORT_OF_TIME = st.sampled_from([Limits(seconds=2.0), Limits(seconds=4.0)])


def plots(replies: Any) -> Any:
    return st.builds(
        Plot,
        st.lists(st.one_of(replies, replies, replies, REPLIES), min_size=1, max_size=3).map(tuple),
        st.one_of(LIMITS, SHORT_OF_TIME),
        st.lists(st.sampled_from([0.0, 0.01, 0.35, 2.0]), min_size=1, max_size=4).map(tuple),
        st.lists(st.sampled_from([0.0, 0.3, 1.0]), max_size=3).map(tuple),
        st.sampled_from(["ask", "tell"]),
    )


def team(
    top: Plot, below: Plot, store: Ordered, effects: Sequence[list[str]] | None = None
) -> Agent:
    """A lead that gives work to a helper and hands over to a clerk, who hands back.

    What changes something notes its key in `effects`: first the lead's and clerk's, then the helper's.
    """
    above, beneath = effects or ([], [])
    helper = Stage(below, store, beneath).agent(name="helper")
    clerk = Stage(top, store, above).agent(name="clerk", handoffs=["lead"])
    lead = Stage(top, store, above).agent(name="lead", handoffs=[clerk])
    return replace(lead, tools=[*lead.tools, helper.as_tool()])


def settings_of(lead: Agent) -> Mapping[str, RunSettings]:
    own = lead.run_settings
    helper = own.policy.tools["helper"].child.agent
    assert helper
    return {**own.team, "helper": helper.run_settings}


def agrees(records: Sequence[Record], by_name: Mapping[str, RunSettings]) -> None:
    """What a new driver would find, and what is listed of it, are the same."""
    thread_id = records[0].thread_id
    state = fold(records)
    claimed = after_claim(state, thread_id)
    if is_held(claimed) and not is_held(state):
        return  # the next driver would be the last: the one after it finds the thread parked
    policy = by_name[state.agent].policy
    waits = find_waits(claimed, thread_id)
    is_open = state.turn is not None and not state.turn.ended
    assert isinstance(decide(claimed, policy), Wait) == (bool(waits) or not is_open)
    result = read_result(records, state)
    assert (result.status == "waiting") == bool(result.waiting)
    assert (result.status in ("waiting", "unfinished")) == is_open
    turn = state.turn
    at_work = turn and (
        turn.called or any(call.status == "started" for call in turn.calls.values())
    )
    if is_held(state):  # its words say how many have tried
        assert [call.status for call in result.waiting] == ["parked"]
    else:
        assert result.waiting == (() if at_work else waits)
    told = explain(records, by_name[state.agent])
    assert told.status == result.status
    if waits:  # else others can go on beside calls for which people will be asked still
        assert len(told.waits_for) == len(waits)
    if not failed_by_outage(state.turn):  # a resume makes that one go on
        assert told.next.startswith("nothing") == isinstance(decide(claimed, policy), Wait)


def in_order(records: Sequence[Record]) -> None:
    """Calls that change something start in the order asked for, each after the end of the last."""
    state = State()
    asked: dict[str, int] = {}
    last = 0
    for record in records:
        event = record.event
        if isinstance(event, e.ModelReplied):
            asked, last = {call.id: place for place, call in enumerate(event.calls)}, -1
        if isinstance(event, e.ToolStarted) and state.turn:
            running = [call for call in state.turn.calls.values() if call.status == "started"]
            call = state.turn.calls[event.call_id]
            if call.name not in SIDE_BY_SIDE:
                assert not [one for one in running if one.name not in SIDE_BY_SIDE]
                assert asked[call.id] >= last
                last = asked[call.id]
        state = apply(state, record)


def edits_are_told(records: Sequence[Record]) -> None:
    """Wherever the model sees the result of a call whose arguments a person changed."""
    edited: set[str] = set()
    for record in records:
        match record.event:
            case e.ApprovalGiven(call_id=call_id, allowed=True, arguments=str()):
                edited.add(call_id)
    for message in messages(records, ""):
        if message.call_id in edited and not message.text.startswith("not run"):
            assert message.text.startswith("A person changed the arguments of this call")


def tree_agrees(logs: Sequence[Sequence[Record]]) -> None:
    """A parent whose driver has gone to sleep lists what its children wait for."""
    states = {records[0].thread_id: fold(records) for records in logs}
    for thread_id, state in states.items():
        turn = state.turn
        if not find_waits(state, thread_id) or not turn:
            continue
        assert find_tree_waits(thread_id, states) == find_waits(state, thread_id)
        for call in turn.calls.values():
            if call.status == "child":
                assert call.child
                assert call.waiting == find_tree_waits(call.child.thread_id, states)
                assert call.waiting


async def played(top: Plot, below: Plot) -> Ordered:
    store = Ordered()
    lead = team(top, below, store)
    people = asyncio.create_task(meddled(lead, top.meddle_s))
    result = await settled(lead.run("go", thread="t"), lead)
    await people
    await finished(lead, result)
    return store


async def goes_on(
    top: Plot,
    below: Plot,
    store: Ordered,
    way: str,
    effects: Sequence[list[str]] | None = None,
) -> None:
    """Bring it to an end, and look at all logs whenever it waits.

    `way`: whoever looks decides on all that waits, or on one call at a time, or cancels the turn.
    """
    lead = team(top, below, store, effects)
    by_name = settings_of(lead)
    result = await settled(lead.resume("t"), lead)
    for _ in range(60):
        for records in await store.logs():
            agrees(records, by_name)
            in_order(records)
            edits_are_told(records)
        assert result.status in (*ENDS, "waiting", "cancelled")
        if result.status != "waiting":
            add_up(await store.logs())
            return
        tree_agrees(await store.logs())
        count = len(store.appends)
        again = await settled(lead.resume("t"), lead)
        assert again.waiting == result.waiting
        assert len(store.appends) == count
        if way == "cancel":
            await lead.post("t", e.TurnEnded("cancelled", "by ann"))
            assert {fold(records).phase for records in await store.logs()} == {"idle"}
            result = await lead.resume("t")
            continue
        for call in result.waiting[: 1 if way == "one by one" else None]:
            if call.status == "waiting":
                other = ApprovalGiven(call.id, True, "ann", digest="that of something else")
                with pytest.raises(IllegalEvent):
                    await lead.post(call.thread_id, other)
            await decided(lead, call, call.thread_id, "ran")
        for records in await store.logs():
            agrees(records, by_name)
        result = await settled(lead.resume("t"), lead)
    raise AssertionError(f"it waits for ever: {result.waiting}")


GUARDED_AND_HANDOVER = Plot(
    (calls("hand_to_clerk", GUARDED[1], HELPERS[0]), says("done")), Limits(), (0.01,), ()
)
GUARDED_BELOW = Plot((calls(GUARDED[1], GUARDED[2], "alone"), says("did")), Limits(), (0.35,), ())


@pytest.mark.slow
@example(GUARDED_AND_HANDOVER, GUARDED_BELOW, WAYS[0])
@given(plots(MIXED), plots(BELOW), st.sampled_from(WAYS))
@settings(max_examples=8)
def test_a_driver_waits_exactly_where_something_is_listed(top: Plot, below: Plot, way: str) -> None:
    async def whole() -> None:
        store = await played(top, below)
        by_name = settings_of(team(top, below, store))
        for records in await store.logs():
            in_order(records)
        for end in range(1, len(store.appends) + 1):
            cut = await Ordered(store.appends[:end]).lived()
            for records in await cut.logs():
                agrees(records, by_name)
            if end % 3 == 0:
                await goes_on(top, below, cut, way)

    live(whole())


def test_such_teams_hand_over_wait_and_give_work() -> None:
    """Or the test above would say nothing."""
    logs: Any = live(_logs_of(GUARDED_AND_HANDOVER, GUARDED_BELOW))
    events = [record.event for records in logs for record in records]
    assert {type(event) for event in events} >= {
        e.HandedOff,
        e.ApprovalAsked,
        e.ApprovalGiven,
        e.ChildWaits,
    }


async def _logs_of(top: Plot, below: Plot) -> list[list[Record]]:
    return await (await played(top, below)).logs()
