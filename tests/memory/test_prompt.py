import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import legal_log
from treadle import Record
from treadle import events as e
from treadle.memory.prompt import Prompt, messages
from treadle.models.model import Message
from treadle.state import fold

CHOICES = st.lists(st.integers(0, 10_000), min_size=20, max_size=45)
BUDGETS = st.sampled_from([-50, 0, 40, 120, 300, 700, 10**9])


def assert_legal(shown: tuple[Message, ...]) -> None:
    """As strict providers want it: a system prompt first, every call followed at once by its results, in order."""
    waiting: list[str] = []
    for index, message in enumerate(shown):
        assert (message.role == "system") == (index == 0)
        if message.role == "tool":
            assert message.call_id == waiting.pop(0)
        else:
            assert waiting == []
            waiting = [call.id for call in message.calls]
            assert message.role == "assistant" or not message.calls
            assert message.text.strip() or message.calls or message.role == "user"
    assert waiting == []


@settings(max_examples=40)
@given(CHOICES, BUDGETS)
def test_any_log_has_a_legal_prompt_that_keeps_the_turn_s_own_message_and_fits(choices, budget):
    log = legal_log(choices)
    state = fold(log)
    if state.phase not in ("ready", "idle") or not any(isinstance(r.event, e.UserSaid) for r in log):
        return
    shown = messages(log, "be kind", budget)
    assert_legal(shown)
    own = log[state.turn.opened_seq - 1].event
    assert any(message.text == own.text and message.parts == own.parts for message in shown)
    if sum(message.tokens for message in shown) > budget:
        rest = [message for message in shown[1:] if message.text != own.text]
        assert sum(message.role == "assistant" for message in rest) <= 1, "there was more to leave out"


@settings(max_examples=40)
@given(CHOICES, BUDGETS)
def test_a_prompt_that_grows_is_the_prompt_made_at_once(choices, budget):
    log = legal_log(choices)
    growing = Prompt()
    for count, record in enumerate(log, 1):
        growing.add(record)
        assert growing.messages("s", budget) == messages(log[:count], "s", budget)


@settings(max_examples=40)
@given(CHOICES, BUDGETS)
def test_the_window_never_moves_back_and_its_prefix_stays_while_nothing_is_cut(choices, budget):
    log = legal_log(choices, avoid=(e.ModelFailed,))
    before: tuple[Message, ...] = ()
    dropped_before = 0
    growing = Prompt()
    for count, record in enumerate(log, 1):
        growing.add(record)
        if fold(log[:count]).phase != "ready":
            continue
        shown = growing.messages("s", budget)
        dropped = len(growing.messages("s", 10**9)) - len(shown)
        assert dropped >= dropped_before
        if dropped == dropped_before:
            assert shown[: len(before)] == before
        before, dropped_before = shown, dropped


def log_of(*events: e.Event) -> list[Record]:
    opening = (e.ThreadStarted("a", "k"), e.ThreadClaimed("w"))
    return [Record("t", seq, 0.0, event) for seq, event in enumerate((*opening, *events), 1)]


CALLED = e.ModelCalled("m", "h", 1, 1)


def replied(*wanted: e.Call, text: str = "", **more: object) -> e.ModelReplied:
    return e.ModelReplied(text, e.Usage(1, 9), 0.0, wanted, **more)


def texts(*events: e.Event, budget: int = 10**6) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in messages(log_of(*events), "", budget)]


def test_a_conversation_is_shown_oldest_first():
    said = (e.UserSaid("hi"), CALLED, replied(text="hello"), e.TurnEnded("answered"), e.UserSaid("more"))
    assert texts(*said) == [("user", "hi"), ("assistant", "hello"), ("user", "more")]


def test_an_empty_log_has_a_prompt_at_any_budget():
    for budget in (-10, 0, 10):
        assert Prompt().messages("be kind", budget, "note") == (Message("system", "be kind"), Message("user", "note"))


def test_calls_that_a_limit_or_an_end_cut_short_get_results_that_say_so():
    a, b = e.Call("a", "look", "{}"), e.Call("b", "look", "{}")
    asked = (e.UserSaid("go"), CALLED, replied(a, b), e.ToolStarted("a", "k"))
    for end in (e.LimitReached("steps", 1, 1), e.TurnEnded("cancelled")):
        shown = texts(*asked, end)
        assert [role for role, _ in shown] == ["user", "assistant", "tool", "tool"]
        assert "may have had its effect" in shown[2][1]
        assert "not run" in shown[3][1]


def test_the_provider_s_own_fields_go_back_verbatim():
    call = e.Call("a", "look", "{}", {"extra_content": {"signature": "abc"}})
    log = log_of(
        e.UserSaid("go"),
        CALLED,
        replied(call, opaque={"reasoning_content": "hm"}),
        e.ToolStarted("a", "k"),
        e.ToolReturned("a", "x", 0.0),
    )
    wire = messages(log, "", 10**6)[1].wire.decode()
    assert '"signature":"abc"' in wire
    assert '"reasoning_content":"hm"' in wire


@pytest.mark.parametrize(
    ("reply", "note"),
    [
        (replied(text=""), "Your last reply was empty"),
        (replied(e.Call("a", "x", "{"), finish_reason="length"), "cut off at 9 tokens"),
    ],
)
def test_a_reply_of_no_use_is_followed_by_a_word_to_the_model(reply, note):
    assert note in texts(e.UserSaid("go"), CALLED, reply)[-1][1]


def test_an_overflow_halves_the_window_until_the_next_turn():
    history = [event for n in range(20) for event in (CALLED, replied(text=f"{n}" + "x" * 300), e.AnswerRejected("no"))]

    def size(*more: e.Event) -> int:
        return sum(m.tokens for m in messages(log_of(e.UserSaid("go"), *history, *more), "", 3000))

    over = (CALLED, e.ModelFailed("overflow", "long"))
    assert 1500 < size() <= 3000
    assert size(*over) <= 1500
    assert size(*over, CALLED, replied(text="ok"), e.AnswerRejected("no")) <= 1500
    assert size(*over, CALLED, replied(text="ok"), e.TurnEnded("answered"), e.UserSaid("next")) > 1000


def test_a_picture_weighs_what_providers_charge_not_its_bytes():
    big = messages(log_of(e.UserSaid("look", (e.Image("data:image/png;base64," + "A" * 10**6),))), "", 10**6)
    assert 1000 < big[0].tokens < 1200


def test_of_earlier_turns_as_much_is_kept_as_fits_from_a_turn_s_beginning():
    turns = [
        event
        for n in range(40)
        for event in (e.UserSaid(f"question {n}"), CALLED, replied(text=f"answer {n}"), e.TurnEnded("answered"))
    ]
    shown = messages(log_of(*turns, e.UserSaid("now")), "", 600)
    assert 250 < sum(message.tokens for message in shown) <= 600
    assert (shown[0].role, shown[0].text.split()[0], shown[-1].text) == ("user", "question", "now")


def test_the_window_moves_in_blocks_so_that_the_provider_s_cache_holds_for_many_steps():
    growing, starts = Prompt(), []
    for record in log_of(
        e.UserSaid("go"), *(each for n in range(60) for each in (CALLED, replied(text=f"step {n} " * 5)))
    ):
        growing.add(record)
        starts.append(growing.messages("", 500)[1:2])
    moves = sum(before != after for before, after in itertools.pairwise(starts))
    assert 5 < moves < 20
