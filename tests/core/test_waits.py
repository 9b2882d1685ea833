"""What a tree of threads waits for, also where its logs name each other's children."""

import itertools

from treadle.core import events as e
from treadle.core.state import State, fold
from treadle.core.waits import find_tree_waits, find_waits

MANY = 60


def waiting(thread: str, depth: int, *children: str) -> State:
    """A thread whose calls run as these children; without any, it waits for an approval."""
    calls = tuple(e.Call(f"c{number}", "t", "{}") for number in range(len(children) or 1))
    happened: list[e.Event] = [
        e.ThreadStarted("a", "k", "parent" if depth else "", "c0" if depth else "", depth),
        e.ThreadClaimed("w"),
        e.UserSaid("go"),
        e.ModelCalled("m", "h", 1, 1),
        e.ModelReplied(calls, e.Usage(), 0.1, "tool_calls"),
    ]
    if not children:
        happened.append(e.ApprovalAsked("c0"))
    for number, child in enumerate(children):
        told = e.PendingDecision(child, "told", "t", "{}", "waiting")
        happened += [
            e.ToolStarted(f"c{number}", "k"),
            e.ChildStarted(f"c{number}", child),
            e.ChildWaits(f"c{number}", (told,)),
        ]
    return fold(e.Record(thread, seq, 0.0, event, 0.0) for seq, event in enumerate(happened, 1))


def ids(waits):
    return [(each.thread_id, each.id) for each in waits]


def test_the_children_are_asked_at_every_depth():
    states = {
        "top": waiting("top", 0, "left", "right"),
        "left": waiting("left", 1, "deep"),
        "deep": waiting("deep", 2),
    }
    assert ids(find_tree_waits("top", states)) == [("deep", "c0"), ("right", "told")]


def test_threads_that_name_the_children_of_others_twice_are_looked_at_once():
    names = [f"x{number}" for number in range(MANY)]
    states = {"top": waiting("top", 0, *names), names[-1]: waiting(names[-1], 1)}
    for name, after in itertools.pairwise(names):
        states[name] = waiting(name, 1, after, after)
    assert len(find_tree_waits("top", states)) == 2 * (MANY - 1) + 1


def test_a_shared_chain_comes_to_its_end():
    states = {
        f"x{depth}": waiting(f"x{depth}", depth, *[f"x{depth + 1}"] * 2) for depth in range(MANY)
    }
    states[f"x{MANY}"] = waiting(f"x{MANY}", MANY)
    assert (f"x{MANY}", "c0") in ids(find_tree_waits("x0", states))


def test_a_thread_that_is_its_own_child_comes_to_its_end():
    assert ids(find_tree_waits("top", {"top": waiting("top", 0, "top")})) == [("top", "told")]


def test_on_a_clock_behind_the_last_record_a_thread_waits_no_longer_than_its_log_says():
    """Else its status, which goes by the log alone, and its next driver would disagree."""
    late = e.CallNoted("c0", '{"job":2}', pending=True, until=10.0)
    happened = [
        e.ThreadStarted("a", "k"),
        e.UserSaid("go"),
        e.ModelCalled("m", "h", 1, 1),
        e.ModelReplied((e.Call("c0", "t", "{}"),), e.Usage(), 0.1, "tool_calls"),
        e.ToolStarted("c0", "k"),
        e.CallNoted("c0", '{"job":1}', pending=True, until=10.0),
    ]
    records = [e.Record("x", seq, 1.0, event, 0.0) for seq, event in enumerate(happened, 1)]
    assert find_waits(fold(records), "x", now=9.0)
    assert not find_waits(fold(records), "x", now=10.0)

    ahead = fold([*records, e.Record("x", 7, 11.0, late, 0.0)])
    assert not find_waits(ahead, "x")
    assert not find_waits(ahead, "x", now=9.0)
