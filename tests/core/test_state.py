import contextlib
import random
import typing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fakes import candidates, legal_log
from treadle import Record
from treadle.core import events as e
from treadle.core.approvals import Permission
from treadle.core.call import LEGAL_STATUSES
from treadle.core.errors import IllegalEvent
from treadle.core.state import LEGAL_PHASES, State, apply, fold

CHOICES = st.lists(st.integers(0, 10_000), min_size=12, max_size=30)
OPENING = (e.ThreadStarted("agent", "key"), e.ThreadClaimed("w"), e.UserSaid("go"))
CALLED = e.ModelCalled("m", "h", 100, 50, reserved_usd=2.0)


def records(*events: e.Event, at: typing.Sequence[float] = ()) -> list[Record]:
    whole = (*OPENING, *events)
    times = (*[0.0] * (len(whole) - len(at)), *at)
    return [Record("t", seq, times[seq - 1], event) for seq, event in enumerate(whole, 1)]


ONE = e.Usage(1, 1)


def replied(*wanted: e.Block, text: str = "", usage: e.Usage = ONE) -> e.ModelReplied:
    return e.ModelReplied((e.Text(text), *wanted), usage, 0.0)


A, B = e.Call("a", "look", "{}"), e.Call("b", "send", "{}")


def test_every_event_has_its_place_in_the_table():
    assert set(LEGAL_PHASES) == set(typing.get_args(e.Event))
    assert set(LEGAL_STATUSES) < set(LEGAL_PHASES)


def test_every_event_can_come_somewhere():
    missing = set(LEGAL_PHASES)
    chance = random.Random(19)
    for _ in range(900):
        log = legal_log([chance.randrange(10_000) for _ in range(40)])
        missing -= {type(record.event) for record in log}
        if not missing:
            return
    assert not missing


@given(CHOICES)
def test_folding_step_by_step_is_folding_the_whole(choices):
    log = legal_log(choices)
    state = State()
    for count, record in enumerate(log, 1):
        state = apply(state, record)
        assert state == fold(log[:count])
        assert state.seq == count


@given(CHOICES)
def test_what_is_illegal_raises_and_changes_nothing(choices):
    log = legal_log(choices)
    state, same = fold(log), fold(log)
    for event in candidates(state):
        with contextlib.suppress(IllegalEvent):
            apply(state, Record("t", state.seq + 1, 0.0, event))
        assert state == same


@given(CHOICES)
def test_the_phase_decides_what_may_come(choices):
    state = fold(legal_log(choices))
    for event in candidates(state):
        if isinstance(event, e.ApprovalGiven) and not event.call_id:
            continue  # it lets a parked thread go on: the number of claims decides
        if isinstance(event, e.ModelFailed) and event.claim:
            continue  # it says what a lost call has used: whether there is such a call decides
        if state.phase not in LEGAL_PHASES[type(event)]:
            with pytest.raises(IllegalEvent):
                apply(state, Record("t", state.seq + 1, 0.0, event))


@pytest.mark.parametrize("seq", [0, 1, 3, 5, -1])
def test_a_gap_or_a_repeated_seq_is_illegal(seq):
    log = records()
    with pytest.raises(IllegalEvent, match="can't follow record 3"):
        apply(fold(log), Record("t", seq, 0.0, e.TurnEnded("answered")))


@pytest.mark.parametrize(
    "events",
    [
        (e.UserSaid("again"),),
        (e.UserSaid("x", answers="a"),),
        (CALLED, CALLED),
        (replied(A),),
        (CALLED, replied(A), e.ToolReturned("a", "x", 0.0)),
        (CALLED, replied(A), e.ToolStarted("zzz", "k")),
        (CALLED, replied(A), e.ToolStarted("a", "k"), e.ToolStarted("a", "k")),
        (
            CALLED,
            replied(A),
            e.ToolStarted("a", "k"),
            e.ToolReturned("a", "x", 0.0),
            e.ToolReturned("a", "x", 0.0),
        ),
        (CALLED, replied(A), e.ApprovalGiven("a", True, "ada")),
        (CALLED, replied(A), e.ApprovalAsked("a"), e.ToolStarted("a", "k")),
        (
            CALLED,
            replied(A),
            e.ApprovalAsked("a"),
            e.ApprovalGiven("a", True, "x"),
            e.ApprovalGiven("a", False, "y"),
        ),
        (
            CALLED,
            replied(A),
            e.ApprovalAsked("a"),
            e.ApprovalGiven("a", False, "x"),
            e.ToolStarted("a", "k"),
        ),
        (CALLED, replied(A), CALLED),
        (CALLED, replied(A), e.OutcomeDecided("a", "ran", "ada")),
        (e.TurnEnded("answered"), e.TurnEnded("cancelled")),
        (e.TurnEnded("answered"), CALLED),
    ],
)
def test_double_late_and_foreign_facts_are_illegal(events):
    fold(records(*events[:-1]))
    with pytest.raises(IllegalEvent):
        fold(records(*events))


def test_a_new_claim_finds_what_the_dead_left():
    state = fold(records(CALLED, e.ThreadClaimed("w2")))
    assert (state.phase, state.claim) == ("ready", "w2")
    assert (state.spent.tokens, state.spent.cost_usd) == (150, 2.0)
    state = fold(records(CALLED, replied(A, B), e.ToolStarted("a", "k"), e.ThreadClaimed("w2")))
    assert [call.status for call in state.turn.calls.values()] == ["unknown", "asked"]


def test_a_call_in_flight_counts_at_its_worst_until_its_reply_settles_it():
    assert fold(records(CALLED)).spent.tokens == 150
    assert fold(records(CALLED, replied(text="hi", usage=e.Usage(90, 3)))).spent.tokens == 93


def test_seconds_count_work_and_not_people():
    waiting = (CALLED, replied(A, B), e.ApprovalAsked("a"), e.ApprovalAsked("b"))
    given_ = (e.ApprovalGiven("a", True, "ada"), e.ApprovalGiven("b", True, "ada"))
    log = records(
        *waiting,
        *given_,
        e.ThreadClaimed("w2"),
        e.ToolStarted("a", "k"),
        at=(1, 3, 4, 4, 1000, 90_000, 200_000, 200_002),
    )
    assert fold(log).spent.seconds == 4 + 2


def test_a_question_that_is_answered_days_later_costs_no_seconds():
    log = records(
        CALLED,
        replied(A),
        e.QuestionAsked("a", "?"),
        e.UserSaid("yes", answers="a"),
        at=(1, 2, 2, 99_999),
    )
    assert fold(log).spent.seconds == 2


def test_a_clock_that_goes_back_never_makes_seconds_negative():
    assert fold(records(CALLED, replied(text="x"), at=(100, 50))).spent.seconds == 100


def test_density_learns_how_the_provider_counts_but_not_from_our_own_estimates():
    def ratio(*blocks: e.Block, **usage: Any) -> float:
        counted = {"input_tokens": 200, "output_tokens": 1} | usage
        reply = replied(*blocks, text="x", usage=e.Usage(**counted))
        return fold(records(CALLED, reply)).calibration.ratio

    assert ratio() == 2.0
    assert ratio(input_tokens=50) == 1.0
    assert ratio(input_tokens=10**6) == 8.0
    assert ratio(estimated=True) == 1.0
    assert ratio(provider_calls={"web_search": 1}) == 1.0
    assert ratio(e.ProviderCall("web_search", result="pages")) == 1.0


def test_always_names_the_tool_and_outlives_the_turn():
    allowed = (
        CALLED,
        replied(B),
        e.ApprovalAsked("b"),
        e.ApprovalGiven("b", True, "ada", always=e.Always(lasts="thread")),
    )
    assert fold(records(*allowed, e.TurnEnded("cancelled"), e.UserSaid("next"))).permissions == (
        Permission("b", "send", e.Always(lasts="thread"), "ada", "agent"),
    )
    denied = (
        CALLED,
        replied(B),
        e.ApprovalAsked("b"),
        e.ApprovalGiven("b", False, "ada", always=e.Always(lasts="thread")),
    )
    assert fold(records(*denied)).permissions == ()


def test_an_imported_turn_has_only_the_limits_of_who_adopts_it():
    much = 10**12
    evil = (
        e.LimitRaised("eve", steps=much, tokens=much, cost_usd=1e9),
        e.ModelCalled("m", "h", -much, -much, reserved_usd=-1e9),
        e.ModelFailed("unavailable", "no", 0.0, usage=e.Usage(-much), cost_usd=-1e9),
        e.ModelCalled("m", "h", -much, -much, reserved_usd=-1e9),
        e.ThreadClaimed("w2"),
        e.ModelCalled("m", "h", 1, 1),
        e.ModelReplied((e.Call("a", "ask", "{}"),), e.Usage(), 0.1),
        e.ToolStarted("a", "k"),
        e.ChildStarted("a", "c", -much, -1e9),
    )
    made = [
        replace(record, worked_s=-1e9) for record in records(*evil, e.TrustChanged(False, "ann"))
    ]
    state = fold(made)
    assert state.turn.raised is None
    assert (state.spent.tokens, state.spent.cost_usd, state.spent.seconds) == (0, 0.0, 0.0)


def test_a_fork_has_keys_of_its_own():
    asked = (CALLED, replied(A))
    plain = fold(records(*asked)).turn.calls["a"].key
    forked = (e.ThreadForked("t0", 3, "other"), *asked)
    assert fold(records(*forked)).turn.calls["a"].key != plain


def family(*events: e.Event) -> str:
    return fold([Record("t", seq, 0.0, event) for seq, event in enumerate(events, 1)]).family_id


def test_a_thread_its_children_and_its_forks_are_one_family():
    assert family(*OPENING) == "t"
    assert family(e.ThreadStarted("agent", "key", "parent", "c1", 1)) == "parent"
    fork = e.ThreadForked("origin", 3, "key2")
    assert family(*OPENING, fork) == "origin"
    assert family(*OPENING, fork, e.ThreadForked("fork", 4, "key3")) == "origin"
    assert family(e.ThreadStarted("a", "key", "parent", "c1", 1), *OPENING[1:], fork) == "parent"
