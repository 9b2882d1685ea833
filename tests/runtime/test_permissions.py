"""What people allow beforehand: for one agent's tool, for what fits, until it is taken back."""

from typing import Annotated

import pytest
from pydantic import Field

from fakes import agent, live
from treadle import Always, ApprovalGiven, MemoryStore, tool
from treadle.core import events as e
from treadle.core.errors import IllegalEvent
from treadle.core.events import Record
from treadle.core.state import fold
from treadle.models.scripted import ScriptedModel, calls, says


def writer(ran, name="agent", store=None, replies=(), **settings):
    @tool(needs_approval=True)
    def write(path: str) -> str:
        """Writes."""
        ran.append(path)
        return "ok"

    model = ScriptedModel(list(replies))
    return agent(model, write, name=name, store=store or MemoryStore(), **settings)


def writes(*paths):
    return calls(*[("write", {"path": path}) for path in paths])


def allow(call, **always):
    return ApprovalGiven(call.id, True, "ann", always=Always(**always))


def test_a_permission_taken_back_runs_no_call_that_it_covered_before_it_started():
    ran = []
    agents = writer(ran, replies=[writes("a", "b"), says("x")])
    first, second = live(agents.run("go", thread="t")).waiting
    live(agents.post("t", allow(first)))
    live(agents.post("t", ApprovalGiven(first.id, False, "ann")))
    result = live(agents.resume("t"))
    assert (ran, [each.id for each in result.waiting]) == (["a"], [second.id])
    live(agents.post("t", ApprovalGiven(second.id, True, "ann")))
    assert live(agents.resume("t")).answer == "x"
    assert ran == ["a", "b"]


def test_a_permission_taken_back_while_a_call_runs_stops_the_next_one():
    ran, given = [], []

    @tool
    async def revoke() -> str:
        """Takes the permission back, as a person elsewhere may."""
        await both.post("t", ApprovalGiven(given[0], False, "bob"))
        return "ok"

    @tool(needs_approval=True)
    def write(path: str) -> str:
        """Writes."""
        ran.append(path)
        return "ok"

    replies = [writes("a"), calls("revoke", ("write", {"path": "b"})), says("x")]
    both = agent(ScriptedModel(replies), revoke, write)
    first = live(both.run("go", thread="t")).waiting[0]
    given.append(first.id)
    live(both.post("t", allow(first)))
    result = live(both.resume("t"))
    assert (ran, [each.name for each in result.waiting]) == (["a"], ["write"])


def test_a_permission_covers_what_waits_too_and_is_asked_about_no_more():
    ran = []
    agents = writer(ran, replies=[writes("docs/a", "docs/b", "etc/c"), says("x")])
    first, _, third = live(agents.run("go", thread="t")).waiting
    live(agents.post("t", allow(first, arguments={"path": "docs/*"})))
    result = live(agents.resume("t"))
    assert (ran, [each.id for each in result.waiting]) == (["docs/a", "docs/b"], [third.id])


@pytest.mark.parametrize("path", ["docs/../etc/passwd", "docs/a\n/etc/x.md", "docs/%2e%2e/x"])
@pytest.mark.parametrize("together", [True, False])
def test_a_pattern_covers_nothing_that_leaves_its_folder_or_its_line(path, together):
    ran = []
    replies = [writes("docs/a", path)] if together else [writes("docs/a"), writes(path)]
    agents = writer(ran, replies=[*replies, says("x")])
    first = live(agents.run("go", thread="t")).waiting[0]
    live(agents.post("t", allow(first, arguments={"path": "docs/*"})))
    result = live(agents.resume("t"))
    assert (ran, len(result.waiting)) == (["docs/a"], 1)


def test_a_permission_is_for_the_agent_whose_tool_it_was_given_for():
    store, ran_a, ran_b = MemoryStore(), [], []
    second = writer(ran_b, "b", store, [writes("b1"), says("done")])
    first = writer(
        ran_a,
        "a",
        store,
        [writes("a1"), calls("hand_to_b")],
        handoffs=[second],
    )
    result = live(first.run("go", thread="t"))
    live(first.post("t", allow(result.waiting[0])))
    result = live(first.resume("t"))
    assert (result.status, ran_a, ran_b) == ("waiting", ["a1"], [])
    assert result.waiting[0].name == "write"


def test_a_log_in_which_such_a_call_ran_stays_readable():
    asked = (
        e.Call("c1", "write", '{"path": "docs/a"}'),
        e.Call("c2", "write", '{"path": "docs/../b"}'),
    )
    happened = (
        e.ThreadStarted("a", "k"),
        e.ThreadClaimed("w"),
        e.UserSaid("go"),
        e.ModelCalled("m", "h", 1, 1),
        e.ModelReplied(asked, e.Usage(), 0.1, "tool_calls"),
        e.ApprovalAsked("c1"),
        e.ApprovalAsked("c2"),
        e.ApprovalGiven("c1", True, "ann", always=Always({"path": "docs/*"})),
        e.ApprovalGiven("c1", False, "ann"),
        e.ToolStarted("c1", "k"),
        e.ToolStarted("c2", "k"),
    )
    records = [Record("t", seq, 1.0, event) for seq, event in enumerate(happened, 1)]
    assert fold(records).turn.calls["c2"].status == "started"


def test_a_call_that_a_permission_covers_is_decided_on_by_taking_that_back():
    agents = writer([], replies=[writes("a", "b"), says("x")])
    first, second = live(agents.run("go", thread="t")).waiting
    live(agents.post("t", allow(first)))
    with pytest.raises(IllegalEvent, match="which is asked"):
        live(agents.post("t", ApprovalGiven(second.id, False, "ann")))


def test_a_permission_taken_back_stays_so_in_a_fork_of_the_time_before():
    ran = []
    agents = writer(ran, replies=[writes("a"), says("x"), says("y"), writes("b")])
    [first] = live(agents.run("go", thread="t")).waiting
    live(agents.post("t", allow(first, lasts="thread")))
    end = live(agents.resume("t")).records[-1].seq
    live(agents.run("more", thread="t"))
    live(agents.post("t", ApprovalGiven(first.id, False, "ann")))
    fork = live(agents.fork("t", at=end)).thread_id
    assert live(agents.run("again", thread=fork)).status == "waiting"
    assert ran == ["a"]


def test_an_approval_is_for_the_call_of_its_own_thread_and_not_for_that_of_a_fork():
    ran = []
    agents = writer(ran, replies=[writes("a"), says("x"), says("y")])
    [first] = live(agents.run("go", thread="t")).waiting
    live(agents.post("t", ApprovalGiven(first.id, True, "ann", arguments='{"path": "b"}')))
    result = live(agents.resume("t"))
    approved = next(each.seq for each in result.records if isinstance(each.event, ApprovalGiven))
    fork = live(agents.fork("t", at=approved)).thread_id
    [again] = live(agents.resume(fork)).waiting
    assert (ran, again.final_arguments) == (["b"], '{"path": "b"}')
    live(agents.post(fork, ApprovalGiven(again.id, True, "ann")))
    assert live(agents.resume(fork)).answer == "y"
    assert ran == ["b", "b"]


def test_a_permission_names_arguments_as_the_person_is_shown_them():
    ran = []

    @tool(needs_approval=True)
    def write(target: Annotated[str, Field(alias="path")]) -> str:
        """Writes."""
        ran.append(target)
        return "ok"

    agents = agent(ScriptedModel([writes("docs/a"), writes("docs/b"), writes("c")]), write)
    [first] = live(agents.run("go", thread="t")).waiting
    live(agents.post("t", allow(first, arguments={"path": "docs/*"})))
    [last] = live(agents.resume("t")).waiting
    assert (ran, last.final_arguments) == (["docs/a", "docs/b"], '{"path": "c"}')
