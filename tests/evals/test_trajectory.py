import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import agent, live
from treadle import ApprovalGiven, OutcomeDecided, Record, Rule, UsageError, UserSaid, tool
from treadle.core import events as e
from treadle.evals.actual_calls import ActualCall, actual_calls
from treadle.evals.trajectory import (
    ExpectedCall,
    check_approvals_asked,
    check_never_called,
    check_no_errors,
    compare_calls,
)
from treadle.models.scripted import ScriptedModel, calls, says
from treadle.tools.ask import ask_user

ORDERS = ("strict", "in_order", "unordered", "subset", "superset")
ARGUMENTS = st.dictionaries(st.sampled_from("ab"), st.integers(0, 1), max_size=2)
WANTED = st.lists(
    st.builds(ExpectedCall, st.sampled_from(("x", "y")), st.none() | ARGUMENTS), max_size=5
)
CALLS = st.lists(st.tuples(st.sampled_from(("x", "y")), ARGUMENTS), max_size=5)
HOW = st.sampled_from(("exact", "subset", "ignored"))


def of(*wanted: Any) -> tuple[ActualCall, ...]:
    """Calls that returned: names, or names with arguments."""
    pairs = [(each, {}) if isinstance(each, str) else each for each in wanted]
    return tuple(
        ActualCall(f"c{n}", name, arguments, "returned", False, n)
        for n, (name, arguments) in enumerate(pairs)
    )


def fits(calls_made: Any, wanted: Any, order: Any, arguments: Any = "exact") -> bool:
    return compare_calls(of(*calls_made), wanted, order, arguments) == ""


def fits_by_trying(calls_made: Any, wanted: Any, order: str, how: Any) -> bool:
    """What each order means, said in another way.

    By trying every way to lay one row beside the other.
    """

    def each(left: Any, right: Any) -> bool:
        return len(left) == len(right) and all(
            fits([call], [want], "strict", how) for want, call in zip(left, right, strict=True)
        )

    few, many = sorted((len(wanted), len(calls_made)))
    if order == "strict":
        return each(wanted, calls_made)
    if order == "in_order":
        return any(each(wanted, some) for some in itertools.combinations(calls_made, len(wanted)))
    if order == "superset":
        return any(each(wanted, some) for some in itertools.permutations(calls_made, len(wanted)))
    if order == "subset":
        return any(
            each(some, calls_made) for some in itertools.permutations(wanted, len(calls_made))
        )
    return few == many and any(each(wanted, some) for some in itertools.permutations(calls_made))


@given(CALLS, WANTED, st.sampled_from(ORDERS), HOW)
def test_every_order_means_what_trying_all_ways_finds(calls_made, wanted, order, how):
    assert fits(calls_made, wanted, order, how) is fits_by_trying(calls_made, wanted, order, how)


@given(CALLS, WANTED, HOW)
def test_orders_imply_each_other(calls_made, wanted, how):
    held = {order: fits(calls_made, wanted, order, how) for order in ORDERS}
    assert held["strict"] <= min(held["in_order"], held["unordered"])
    assert held["in_order"] <= held["superset"]
    assert held["unordered"] is (held["subset"] and held["superset"])


@given(CALLS, WANTED, st.randoms(use_true_random=False))
def test_only_strict_and_in_order_care_about_the_order(calls_made, wanted, chance):
    other = chance.sample(calls_made, len(calls_made))
    for order in ("unordered", "subset", "superset"):
        assert fits(calls_made, wanted, order) is fits(other, wanted, order)


@given(CALLS)
def test_calls_are_their_own_trajectory_in_every_order(calls_made):
    wanted = [ExpectedCall(name, arguments) for name, arguments in calls_made]
    assert all(fits(calls_made, wanted, order) for order in ORDERS)


@given(CALLS, WANTED)
def test_looser_arguments_never_fit_less(calls_made, wanted):
    for order in ORDERS:
        exact, subset, ignored = (
            fits(calls_made, wanted, order, how) for how in ("exact", "subset", "ignored")
        )
        assert exact <= subset <= ignored


@given(CALLS, WANTED, st.sampled_from(ORDERS), HOW)
def test_every_call_has_a_line_and_the_first_that_is_wrong_is_named(calls_made, wanted, order, how):
    text = compare_calls(of(*calls_made), wanted, order, how)
    if not text:
        return
    head, *lines = text.split("\n")
    marks = [line[2] for line in lines]
    assert sum(mark in "✓≠" for mark in marks) * 2 + sum(mark not in "✓≠" for mark in marks) == len(
        calls_made
    ) + len(wanted)
    assert head.endswith(
        f"they part at line {next(n for n, mark in enumerate(marks, 1) if mark not in '✓·')}"
    )


def test_a_wanted_call_with_any_arguments_does_not_take_the_only_call_of_another():
    assert fits(
        [("x", {"a": 1}), "x"], [ExpectedCall("x"), ExpectedCall("x", {"a": 1})], "unordered"
    )
    assert fits(
        [("x", {"a": 1, "b": 2}), ("x", {"a": 1})],
        [ExpectedCall("x", {"a": 1}), ExpectedCall("x", {"b": 2})][::-1],
        "unordered",
        "subset",
    )


def test_a_difference_reads_line_by_line():
    calls_made = of(
        ("search", {"q": "lamps"}), ("calculator", {"expression": "1+1"}), ("delete", {"id": 3})
    )
    wanted = [
        ExpectedCall("search"),
        ExpectedCall("calculator", {"expression": "1+2"}),
        ExpectedCall("finish", {}),
    ]
    assert compare_calls(calls_made, wanted) == (
        "wanted the same calls in the same order, arguments exact: 3 wanted, 3 made; they part"
        " at line 2\n"
        '  ✓ search(q="lamps")\n'
        '  ≠ calculator: expression is "1+1", wanted "1+2"\n'
        "  + delete(id=3)\n"
        "  \u2212 finish()"
    )


def test_a_call_that_is_missing_stands_where_it_belongs():
    text = compare_calls(
        of("a", "c", "d"), [ExpectedCall("a"), ExpectedCall("b"), ExpectedCall("c")], "in_order"
    )
    assert [line[2:5] for line in text.split("\n")[1:]] == ["✓ a", "\u2212 b", "✓ c", "· d"]


def test_a_swap_is_told_as_one():
    text = compare_calls(of("b", "a"), [ExpectedCall("a"), ExpectedCall("b")])
    assert [line[2:5] for line in text.split("\n")[1:]] == ["\u2212 a", "✓ b", "+ a"]


@pytest.mark.parametrize("wrong", [{"order": "sorted"}, {"arguments": "loose"}])
def test_an_order_that_is_none_is_a_usage_error(wrong):
    with pytest.raises(UsageError, match="there are order: strict, in_order"):
        compare_calls((), (), **wrong)


@tool
def send(to: str) -> str:
    """Send."""
    return f"sent to {to}"


@tool
def fail() -> str:
    """Fail."""
    raise ValueError("no such thing")


def statuses(records: Any) -> list[tuple[str, Any, str, bool]]:
    return [
        (call.name, call.arguments, call.status, call.asked_approval)
        for call in actual_calls(records)
    ]


def test_what_became_of_each_call_is_read_from_the_log():
    async def whole() -> None:
        asked = calls(
            ("send", {"to": "bob"}),
            ("ask_user", {"question": "?"}),
            "fail",
            "nope",
            ("fail", "{bad"),
        )
        rules = [Rule("send", "ask"), Rule("*", "allow")]
        model = ScriptedModel([asked, says("done")])
        desk = agent(model, send, fail, ask_user, rules=rules, parallel=True)
        result = await desk.run("go", thread="t")
        assert statuses(result.records) == [
            ("send", {"to": "bob"}, "waiting", True),
            ("ask_user", {"question": "?"}, "waiting", False),
            ("fail", {}, "failed:raised", False),
            ("nope", {}, "failed:unknown_tool", False),
            ("fail", "{bad", "failed:arguments", False),
        ]
        sent, question = result.waiting
        await desk.post("t", ApprovalGiven(sent.id, True, "ann", arguments='{"to": "eve"}'))
        await desk.post("t", UserSaid("yes", answers=question.id))
        after = actual_calls((await desk.resume("t")).records)
        assert [(call.arguments, call.status, call.result) for call in after[:3]] == [
            ({"to": "eve"}, "returned", "sent to eve"),
            ({"question": "?"}, "returned", "yes"),
            ({}, "failed:raised", "ValueError: no such thing"),
        ]
        assert "failed call; there were 3" in check_no_errors(after)
        assert "ValueError: no such thing" in check_no_errors(after)

    live(whole())


def log(*events: e.Event) -> list[Record]:
    return [Record("t", seq, 0.0, event) for seq, event in enumerate(events, 1)]


def asking(*ids: str, finish: str = "tool_calls") -> e.ModelReplied:
    return e.ModelReplied(tuple(e.Call(each, "pay", "{}") for each in ids), e.Usage(), 0.0, finish)


ASKED = (e.ApprovalAsked("c1"), e.ApprovalAsked("c2"))


@pytest.mark.parametrize(
    ("events", "found"),
    [
        ([asking("c1")], ["unanswered"]),
        ([asking("c1", finish="length")], []),
        (
            [
                asking("c1"),
                e.ToolStarted("c1", "k"),
                e.ToolFailed("c1", "raised", "busy", 0.0, 1.0),
            ],
            ["unanswered"],
        ),
        ([asking("c1"), OutcomeDecided("c1", "ran", "ann", "paid")], ["returned"]),
        ([asking("c1"), OutcomeDecided("c1", "not_run", "ann")], ["unanswered"]),
        ([asking("c1"), OutcomeDecided("c1", "tell", "policy")], ["failed:unknown"]),
        (
            [e.ToolReturned("c0", "of a turn before these records", 0.0), asking("c1")],
            ["unanswered"],
        ),
        (
            [asking("c1", "c2"), *ASKED, ApprovalGiven("c1", True, "a", always=e.Always())],
            ["unanswered", "unanswered"],
        ),
        ([asking("c1", "c2"), *ASKED, ApprovalGiven("c1", True, "a")], ["unanswered", "waiting"]),
        (
            [asking("c1", "c2"), e.ApprovalAsked("c1"), ApprovalGiven("c1", False, "a")],
            ["unanswered", "unanswered"],
        ),
    ],
)
def test_the_rarer_fates_of_a_call(events, found):
    assert [call.status for call in actual_calls(log(*events))] == found


def test_calls_of_several_threads_are_kept_apart():
    records = [Record(thread, 1, 0.0, asking("c1")) for thread in ("a", "b")]
    records.append(Record("b", 2, 0.0, e.ToolReturned("c1", "x", 0.0)))
    assert [call.status for call in actual_calls(records)] == ["unanswered", "returned"]


def test_never_called_takes_globs_and_shows_the_calls():
    found = of("read_file", ("delete_file", {"path": "a"}))
    assert check_never_called(found, "write_*", "pay") == ""
    assert (
        check_never_called(found, "delete_*")
        == 'wanted no call of delete_*; there were 1\n  + delete_file(path="a")'
    )


@pytest.mark.parametrize(
    ("tools", "said"),
    [
        (("pay",), ""),
        ((), "they were for pay"),
        (("pay", "send"), "for pay, send; they were for pay"),
    ],
)
def test_approvals_are_asked_for_these_tools_and_no_others(tools, said):
    found = actual_calls(log(asking("c1", "c2"), e.ApprovalAsked("c1"), e.ApprovalAsked("c2")))
    text = check_approvals_asked(found, *tools)
    assert (said in text) if said else text == ""
    assert check_approvals_asked((), *tools).endswith("there were none" if tools else "")


def test_the_steps_of_a_flow_are_calls_too():
    said = [
        e.StepAsked(e.Call("charge", "charge", '{"euros":5}')),
        e.ToolStarted("charge", "k"),
        e.ToolReturned("charge", '"paid"', 0.1),
    ]
    records = [Record("t", seq, 0.0, event) for seq, event in enumerate(said, 1)]
    assert actual_calls(records) == (
        ActualCall("charge", "charge", {"euros": 5}, "returned", False, 1, '"paid"'),
    )
