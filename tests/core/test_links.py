"""Whose child a thread is, by the first record of its log."""

import pytest

from treadle.core import events as e
from treadle.core.links import (
    find_children,
    is_child,
    is_child_in,
    names_child,
    start_of_child,
)

STARTED = e.ChildStarted("c1", "child")


def log(thread: str, *events: e.Event) -> list[e.Record]:
    return [e.Record(thread, seq, 0.0, event) for seq, event in enumerate(events, 1)]


def child(of: str = "top", call: str = "c1", depth: int = 1) -> list[e.Record]:
    return log("child", e.ThreadStarted("helper", "k", of, call, depth))


TOP = log("top", e.ThreadStarted("desk", "k"), STARTED)
FORK = log("fork", e.ThreadStarted("desk", "k"), STARTED, e.ThreadForked("top", 2, "k2"))


@pytest.mark.parametrize(
    ("records", "right"),
    [
        (child(), True),
        (child(of="other"), False),
        (child(call="c2"), False),
        (child(depth=2), False),
        (child(depth=0), False),
        (log("child", e.ThreadStarted("helper", "k")), False),
        ([*child(), *log("child", e.ThreadForked("x", 1, "k"))], False),
        ([], False),
    ],
)
def test_a_child_names_its_parent_its_call_and_the_depth_below(records, right):
    assert is_child(records, "top", "c1", 0) is right
    assert is_child_in(TOP, STARTED, records) is right


def test_what_a_fork_shares_speaks_of_the_children_of_the_thread_before():
    assert is_child_in(FORK, STARTED, child())
    assert is_child_in(FORK, STARTED, child(of="fork"))
    assert not is_child_in(FORK, STARTED, child(of="other"))
    assert not is_child(child(), "fork", "c1", 0), "it isn't the fork's to drive or to end"


def test_a_thread_with_a_parent_and_no_call_works_for_nobody():
    """Such as the thread in which notes are looked for in another one."""
    assert start_of_child(log("t.notes7", e.ThreadStarted("extractor", "k", "t"))) is None


def test_the_parent_must_say_too_that_it_has_started_the_child():
    assert names_child(TOP, child())
    assert not names_child(log("top", e.ThreadStarted("desk", "k")), child())
    assert not names_child(TOP, log("child", e.ThreadStarted("desk", "k")))


def test_a_child_that_a_log_names_again_and_again_is_found_once():
    later = e.ChildStarted("c1", "child", tokens=5)
    other = e.ChildStarted("c2", "other")
    records = log("top", e.ThreadStarted("desk", "k"), STARTED, other, STARTED, later)
    assert find_children(records) == [later, other]
