"""Costs: an entry for each request, and sums that lose no digit."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fakes import legal_log
from treadle.core import events as e
from treadle.core.state import State, apply
from treadle.observe.cost import KEYS, Total, cost_entries, group_costs, sum_costs

ASKED = e.ModelCalled("m", "h", 100, 50, reserved_usd=0.5)
DAY_S = 86_400.0


def thread(*events: e.Event, name: str = "t", at: float = 0.0) -> list[e.Record]:
    opening = (e.ThreadStarted("demo", "k"), e.ThreadClaimed("w"), e.UserSaid("hello"))
    return [
        e.Record(name, seq, at + seq, event) for seq, event in enumerate((*opening, *events), 1)
    ]


def replied(cost_usd: float | None, tokens: int = 10) -> e.ModelReplied:
    return e.ModelReplied("yes", e.Usage(tokens, 1, 3, 1), 0.1, cost_usd=cost_usd)


def test_tenths_of_cents_add_up_as_on_paper() -> None:
    log = thread(*(event for _ in range(10) for event in (ASKED, replied(0.1))))
    assert str(sum_costs(cost_entries(log)).cost_usd) == "1.0"  # as floats: 0.9999999999999999


def test_one_unpriced_call_makes_the_cost_unknown_and_keeps_what_is_known() -> None:
    found = sum_costs(cost_entries(thread(ASKED, replied(0.25), ASKED, replied(None))))
    assert (found.cost_usd, str(found.known_usd), found.unpriced, found.calls) == (
        None,
        "0.25",
        1,
        2,
    )
    assert found.usage == e.Usage(20, 2, 6, 2)


def test_a_failure_costs_what_it_had_used() -> None:
    busy = e.ModelFailed("unavailable", "busy", 1.0)
    broken = e.ModelFailed("unavailable", "cut", 1.0, e.Usage(5, 5, estimated=True), 0.25)
    unknown = replace(broken, cost_usd=None)
    again = replace(ASKED, attempt=2)
    found = cost_entries(thread(ASKED, busy, again, broken, again, unknown, again, replied(0.0)))
    assert [(each.outcome, each.cost_usd, each.step) for each in found] == [
        ("failed", 0.0, 1),
        ("failed", 0.25, 1),
        ("failed", None, 1),
        ("replied", 0.0, 1),
    ]


@pytest.mark.parametrize("end", [e.ThreadClaimed("w2"), e.TurnEnded("cancelled")])
def test_a_call_whose_reply_never_came_is_lost_and_not_free(end: e.Event) -> None:
    found = sum_costs(cost_entries(thread(ASKED, end)))
    assert (found.lost, str(found.lost_usd), str(found.cost_usd), found.calls) == (
        1,
        "0.5",
        "0.0",
        0,
    )


def test_what_a_fork_shares_is_paid_once() -> None:
    log = thread(ASKED, replied(0.25), e.TurnEnded("answered"))
    fork = [replace(record, thread_id="fork") for record in log]
    events = (e.ThreadForked("t", 6, "k2"), e.UserSaid("again"), ASKED, replied(0.5))
    fork += [e.Record("fork", 6 + seq, 50.0, event) for seq, event in enumerate(events, 1)]
    costs = {
        key: str(each.cost_usd)
        for key, each in group_costs(cost_entries([*log, *fork]), "thread").items()
    }
    assert costs == {"t": "0.25", "fork": "0.5"}
    assert group_costs(cost_entries(fork), "turn").keys() == {"fork 2"}


def test_a_tree_is_what_a_thread_and_all_that_it_began_have_cost() -> None:
    def child(name: str, parent: str) -> list[e.Record]:
        first, *rest = thread(ASKED, replied(0.25), name=name)
        return [replace(first, event=e.ThreadStarted("helper", "k", parent, "c1")), *rest]

    whole = [
        *child("grandchild", "child"),
        *child("child", "t"),
        *thread(ASKED, replied(0.5)),
        *child("lone", "gone"),
        *child("fork", "t"),
        e.Record("fork", 6, 50.0, e.ThreadForked("child", 5, "k2")),
        e.Record("fork", 7, 51.0, e.UserSaid("again")),
        e.Record("fork", 8, 52.0, ASKED),
        e.Record("fork", 9, 53.0, replied(2.0)),
    ]
    assert {
        key: str(each.cost_usd) for key, each in group_costs(cost_entries(whole), "tree").items()
    } == {
        "t": "1.00",
        "gone": "0.25",
        "fork": "2.0",
    }
    assert group_costs(cost_entries(whole), "agent")["helper"].calls == 4
    ring = [*child("a", "b"), *child("b", "a")]
    assert sum_costs(cost_entries(ring)).calls == 2


def test_groups_by_day_model_purpose_and_step() -> None:
    plan = replace(ASKED, purpose="plan", model="n")
    log = [
        *thread(plan, replied(0.5), ASKED, replied(0.25)),
        *thread(ASKED, replied(1.0), name="u", at=DAY_S),
    ]
    found = {
        by: {key: str(each.cost_usd) for key, each in group_costs(cost_entries(log), by).items()}
        for by in KEYS
    }
    assert found["day"] == {"1970-01-01": "0.75", "1970-01-02": "1.0"}
    assert found["model"] == {"n": "0.5", "m": "1.25"}
    assert found["purpose"] == {"plan": "0.5", "step": "1.25"}
    assert found["step"] == {"t 1.1": "0.5", "t 1.2": "0.25", "u 1.1": "1.0"}


def test_an_agent_that_is_handed_the_thread_pays_from_there_on_also_after_a_claim() -> None:
    call = e.ModelReplied((e.Call("c1", "hand_to_poet", "{}"),), e.Usage(1, 1), 0.1, cost_usd=1.0)
    claim = e.ThreadClaimed("w2", identity=e.Identity("demo", "m", "h"))
    events = (
        ASKED,
        call,
        e.HandedOff("c1", "poet"),
        ASKED,
        replied(0.25),
        claim,
        ASKED,
        replied(0.5),
    )
    found = group_costs(cost_entries(thread(*events)), "agent")
    assert {key: str(each.cost_usd) for key, each in found.items()} == {
        "demo": "1.0",
        "poet": "0.75",
    }


def test_a_time_that_no_calendar_has_is_no_day() -> None:
    assert group_costs(cost_entries(thread(ASKED, replied(0.5), at=1e20)), "day").keys() == {""}


def test_a_summary_is_paid_and_is_no_step() -> None:
    summing = replace(ASKED, purpose="compact", upto_seq=2)
    found = cost_entries(
        thread(summing, replied(0.5), e.ContextCompacted(2, "yes"), ASKED, replied(0.25))
    )
    assert [(each.purpose, each.step, each.cost_usd) for each in found] == [
        ("compact", 0, 0.5),
        ("step", 1, 0.25),
    ]


def test_an_agent_that_takes_over_pays_from_there_on() -> None:
    claim = e.ThreadClaimed("w2", identity=e.Identity("other", "m", "h"))
    found = group_costs(
        cost_entries(thread(ASKED, replied(0.25), claim, ASKED, replied(0.5))), "agent"
    )
    assert {key: str(each.cost_usd) for key, each in found.items()} == {
        "demo": "0.25",
        "other": "0.5",
    }


prices = st.one_of(
    st.none(), st.floats(0, 1e6, allow_nan=False), st.sampled_from([0.1, 1e-9, 5e-324, 1e300])
)


@given(st.lists(st.integers(0, 10**6), max_size=60), st.lists(prices, min_size=60, max_size=60))
def test_every_way_of_grouping_adds_up_to_the_steps_to_the_last_digit(choices, costs):
    log = legal_log(choices)
    for index, record in enumerate(log):
        if isinstance(record.event, e.ModelReplied | e.ModelFailed):
            log[index] = replace(record, event=replace(record.event, cost_usd=costs[index]))
    found = cost_entries(log)
    settled = [
        record.event for record in log if isinstance(record.event, e.ModelReplied | e.ModelFailed)
    ]
    exact = sum(
        (Fraction(repr(event.cost_usd)) for event in settled if event.cost_usd is not None),
        Fraction(),
    )
    shared = max(
        (record.event.at_seq for record in log if isinstance(record.event, e.ThreadForked)),
        default=0,
    )
    if not shared:
        assert Fraction(sum_costs(found).known_usd) == exact
        assert sum_costs(found).usage == sum((event.usage for event in settled), e.Usage())
    for by in KEYS:
        groups = group_costs(found, by)
        assert sum(groups.values(), Total()) == sum_costs(found)
        assert all((each.cost_usd is None) == bool(each.unpriced) for each in groups.values())


@given(st.lists(st.integers(0, 10**6), max_size=60))
def test_a_turn_s_entries_use_what_the_fold_says_that_it_used(choices):
    log = legal_log(choices, avoid=(e.ThreadForked,))
    state = State()
    for record in log:
        state = apply(state, record)
    if state.turn:
        last = group_costs(cost_entries(log), "turn").get(f"t {state.turns}", Total())
        turn = [record.event for record in log if record.seq >= state.turn.opened_seq]
        below = [event.usage for event in turn if isinstance(event, e.ToolReturned | e.ToolFailed)]
        assert (
            sum(below, last.usage) == state.turn.usage
        )  # what a called agent used is its own thread's
        steps = max(
            (each.step for each in cost_entries(log) if each.turn == state.turns), default=0
        )
        last_words = [
            event
            for event in turn
            if isinstance(event, e.ModelCalled) and event.purpose == "answer" and event.attempt == 1
        ]
        all_steps = state.turn.steps + len(last_words)
        assert steps in (all_steps, all_steps - 1)  # one may be in flight
