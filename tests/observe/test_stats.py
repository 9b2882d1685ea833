"""Times, errors, retries: what the records say, and nothing twice."""

import dataclasses
import math

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fakes import legal_log
from treadle.core import events as e
from treadle.core.result import make_summary
from treadle.observe.cost import cost_entries, sum_costs
from treadle.observe.stats import Percentiles, compute_stats, percentiles

ADD, SEND = e.Call("c1", "add", "{}"), e.Call("c2", "send", "{}")
OPENED = (e.ThreadStarted("demo", "k"), e.ThreadClaimed("w"), e.UserSaid("go"))
ASKED = e.ModelCalled("m", "h", 10, 10)


def thread(*events: e.Event, name: str = "t") -> list[e.Record]:
    return [
        e.Record(name, seq, float(seq), event) for seq, event in enumerate((*OPENED, *events), 1)
    ]


def answered(latency_s: float = 1.0) -> e.ModelReplied:
    return e.ModelReplied("yes", e.Usage(100, 20, 25), latency_s, first_token_s=latency_s / 4)


def test_percentiles_are_values_that_were_measured() -> None:
    assert percentiles([float(n) for n in range(1, 101)]) == Percentiles(
        100, 50.0, 90.0, 99.0, 100.0
    )
    assert percentiles([3.0, 1.0]) == Percentiles(2, 1.0, 3.0, 3.0, 3.0)
    assert percentiles([]) == Percentiles(0, 0.0, 0.0, 0.0, 0.0)


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_at_least_so_many_per_cent_are_not_above_a_percentile_and_no_smaller_value_will_do(values):
    found = percentiles(values)
    for percent, value in ((50, found.p50), (90, found.p90), (99, found.p99), (100, found.most)):
        needed = math.ceil(percent * len(values) / 100)
        assert sum(each <= value for each in values) >= needed
        assert sum(each < value for each in values) < needed


def test_tools_by_name_with_their_errors_by_kind() -> None:
    calls = e.ModelReplied((ADD, SEND), e.Usage(100, 10), 1.0)
    events = (
        *(ASKED, calls),
        e.ToolStarted("c1", "k"),
        e.ToolFailed("c1", "raised", "busy", 0.5, 1.0),
        e.ToolStarted("c1", "k", 2),
        e.ToolReturned("c1", "3", 0.25),
        e.ToolFailed("c2", "denied", "no"),
        *(ASKED, answered(), e.TurnEnded("answered")),
    )
    found = compute_stats(thread(*events))
    assert found.turns == {"answered": 1}
    assert found.steps == Percentiles(1, 2, 2, 2, 2)
    add, send = found.tools["add"], found.tools["send"]
    assert (add.calls, add.errors, add.error_rate, add.retries) == (1, {}, 0.0, 1)
    assert (add.duration_s.count, add.duration_s.p50, add.duration_s.most) == (2, 0.25, 0.5)
    assert (send.calls, send.errors, send.error_rate, send.duration_s.count) == (
        1,
        {"denied": 1},
        1.0,
        0,
    )
    assert found.cached_share == 25 / 200
    assert found.tokens_per_s == 15.0


def test_failures_and_retries_of_the_model() -> None:
    busy = e.ModelFailed("unavailable", "busy", 1.0)
    found = compute_stats(thread(ASKED, busy, replace(ASKED, attempt=2), answered(2.0)))
    assert (found.model_failures, found.model_retries, found.turns) == (
        {"unavailable": 1},
        1,
        {"open": 1},
    )
    assert (found.latency_s.p50, found.first_token_s.p50) == (2.0, 0.5)


def test_a_call_of_unknown_outcome_counts_once_decided() -> None:
    calls = e.ModelReplied((ADD, SEND), e.Usage(1, 1), 1.0)
    started = (
        ASKED,
        calls,
        e.ToolStarted("c1", "k"),
        e.ToolStarted("c2", "k"),
        e.ThreadClaimed("w2"),
    )
    decided = (e.OutcomeDecided("c1", "ran", "ann", "3"), e.OutcomeDecided("c2", "tell", "ann"))
    found = compute_stats(thread(*started, *decided)).tools
    assert (found["add"].calls, found["add"].errors) == (1, {})
    assert (found["send"].calls, found["send"].errors) == (1, {"unknown": 1})


def test_since_leaves_out_what_was_before_and_still_knows_the_names() -> None:
    calls = e.ModelReplied((ADD,), e.Usage(1, 1), 9.0)
    log = thread(
        ASKED, calls, e.ToolStarted("c1", "k"), e.ToolReturned("c1", "3", 0.5), ASKED, answered()
    )
    found = compute_stats([*log, *thread(ASKED, answered(), name="old")], since=6.0)
    assert (
        found.threads,
        found.latency_s.count,
        found.latency_s.most,
        found.tools["add"].calls,
    ) == (1, 1, 1.0, 1)


def test_what_a_fork_shares_counts_once() -> None:
    log = thread(ASKED, answered(), e.TurnEnded("answered"))
    fork = [replace(record, thread_id="fork") for record in log]
    fork += [e.Record("fork", 7, 9.0, e.ThreadForked("t", 6, "k"))]
    assert compute_stats([*log, *fork]) == dataclasses.replace(compute_stats(log), threads=2)


def test_nothing_gives_nothing() -> None:
    found = compute_stats([])
    assert (found.threads, found.turns, found.cached_share, found.tokens_per_s) == (0, {}, 0.0, 0.0)


@given(st.lists(st.integers(0, 10**6), max_size=60))
def test_it_counts_what_a_result_s_summary_counts(choices):
    log = legal_log(choices, avoid=(e.ThreadForked,))
    found, totals = compute_stats(log), make_summary(log, 0.0)
    assert sum(tool.calls for tool in found.tools.values()) == totals.tool_calls
    assert sum(sum(tool.errors.values()) for tool in found.tools.values()) == totals.tool_errors
    assert sum(tool.retries for tool in found.tools.values()) == totals.tool_retries
    assert (found.latency_s.count, found.model_retries) == (
        totals.model_calls,
        totals.model_retries,
    )


def test_replies_that_were_brought_in_are_neither_counted_nor_timed() -> None:
    brought_in = e.ModelReplied("hi", e.Usage(estimated=True), 0.0)
    asked = e.ModelCalled("imported", "", 0, 0)
    found = compute_stats(thread(asked, brought_in, ASKED, answered(), e.TurnEnded("answered")))
    assert (found.latency_s.count, found.latency_s.p50) == (1, 1.0)


def test_a_tool_whose_calls_have_come_to_no_end_has_no_line():
    call = e.Call("c1", "pay", "{}")
    events = [
        e.ThreadStarted("clerk", "key"),
        e.UserSaid("go"),
        e.ModelCalled("m", "h", 1, 1),
        e.ModelReplied((call,), e.Usage(1, 1), 0.1, "tool_calls"),
        e.ToolStarted("c1", "key"),
        e.TurnEnded("cancelled"),
    ]
    records = [e.Record("t", seq, 1.0, event) for seq, event in enumerate(events, 1)]
    assert compute_stats(records).tools == {}


def test_the_tokens_of_a_call_that_was_cut_or_came_late_count_as_in_costs() -> None:
    cut = e.ModelFailed("unavailable", "cut", 1.0, usage=e.Usage(50, 7))
    late = e.ModelFailed("late", "late", usage=e.Usage(50, 9), claim="w")
    taken = e.ThreadClaimed("w2")
    log = thread(ASKED, cut, ASKED, taken, late, ASKED, answered(2.0), e.TurnEnded("answered"))
    found = compute_stats(log)
    costs = sum_costs(cost_entries(log))
    assert found.usage == costs.usage == e.Usage(200, 36, 25)
    assert (found.tokens_per_s, found.model_failures) == (10.0, {"unavailable": 1})
