import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fakes import legal_log
from treadle import Record, UsageError
from treadle.core import events as e
from treadle.core.legal import make_turns, tools_in_history
from treadle.core.model import Message, Request
from treadle.core.prompt import Prompt
from treadle.core.state import State, apply, fold
from treadle.core.window import TARGET_SHARE, ContextWindow, Summarise, choose_compaction
from treadle.models.request_rules import find_faults

CHOICES = st.lists(st.integers(0, 10_000), min_size=20, max_size=45)


def fed(*events: e.Event) -> tuple[Prompt, State]:
    opening = (e.ThreadStarted("a", "k"), e.ThreadClaimed("w"))
    prompt, state = Prompt(), State()
    for seq, event in enumerate((*opening, *events), 1):
        record = Record("t", seq, 0.0, event)
        state = apply(state, record)
        prompt.add(record)
    return prompt, state


def fitted(
    prompt: Prompt, state: State, memory: ContextWindow, room: int
) -> list[e.ContextCompacted]:
    """Every cut, appended as a log would; the model summarises in a few words."""
    cuts = []
    while found := choose_compaction(prompt, memory, room, 500, True):
        event = (
            e.ContextCompacted(found.upto_seq, "in short")
            if isinstance(found, Summarise)
            else found
        )
        before = prompt.tokens
        record = Record("t", state.seq + 1, 0.0, event)
        state = apply(state, record)
        prompt.add(record)
        cuts.append(event)
        assert prompt.tokens < before or event.summary, (
            "a cut that saves nothing would be made for ever"
        )
        assert len(cuts) < 60
    return cuts


def shown_of(log, seq):
    """What the model is shown of a message: a check may have changed it, or refused it (None)."""
    said = log[seq - 1].event
    for record in log:
        match record.event:
            case e.Checked(what="message", said_seq=of, verdict="deny") if of == seq:
                return None
            case e.Checked(what="message", said_seq=of, content=content) if of == seq and content:
                said = e.UserSaid(content)
    return said


@settings(max_examples=80)
@example([*[0] * 18, 2, 77], -50, False, None).via("a check has changed the message")
@example([*[0] * 18, 2, 426], -50, False, None).via("a check has refused the message")
@example([0, *[1] * 13, 8, 21, 27, 5, 4], -50, False, None).via(
    "a round is pinned: leaving it out saves nothing"
)
@example([0, *[1] * 16, 7, 9, 9], -50, False, None).via(
    "messages that the model has yet to see stay"
)
@given(
    CHOICES,
    st.sampled_from([-50, 0, 40, 120, 300, 700, 10**9]),
    st.booleans(),
    st.sampled_from([None, 1, 2, 5, 12]),
)
def test_any_log_is_cut_until_it_fits_or_only_what_must_stay_is_left(
    choices, room, compact, window
):
    log = legal_log(choices)
    state, prompt = fold(log), Prompt()
    for record in log:
        prompt.add(record)
    if state.phase != "ready":
        return
    fitted(prompt, state, ContextWindow(window, summarize=compact), room)
    asked = make_turns((*prompt.messages("be kind"), Message("user", "go on")))
    assert not find_faults(Request(asked, tools_in_history(asked)))
    own = shown_of(log, state.turn.opened_seq)
    shown = prompt.messages("")
    if own is None:
        return
    assert any((message.text, message.parts) == (own.text, own.parts) for message in shown)
    if prompt.tokens > room or (window is not None and len(shown) > window):
        shown_before = [
            each for each in prompt.rounds if each.opens_turn or each.seq <= prompt.replied_seq
        ]
        seen = sum(not each.pinned for each in shown_before)
        assert seen <= 2, "there was more to leave out"
        assert all(
            len(message.text) < 300
            for message in shown
            if message.role == "tool" and prompt.tokens > room
        )


def asked(number: int, result: str, at: int) -> tuple[e.Event, ...]:
    call = e.Call(f"c{at}", "look", "{}")
    reply = e.ModelReplied((e.Text(f"step {number}"), call), e.Usage(1, 1), 0.0)
    return (
        e.ModelCalled("m", "h", 1, 1),
        reply,
        e.ToolStarted(call.id, "k"),
        e.ToolReturned(call.id, result, 0.0),
    )


def answered(number: int, text: str) -> tuple[e.Event, ...]:
    reply = e.ModelReplied(text, e.Usage(1, 1), 0.0)
    return (
        e.UserSaid(f"question {number}"),
        e.ModelCalled("m", "h", 1, 1),
        reply,
        e.TurnEnded("answered"),
    )


def test_long_old_results_are_cut_before_anything_that_was_said_goes():
    steps = [event for number in range(10) for event in asked(number, "x" * 4000, number)]
    prompt, state = fed(e.UserSaid("go"), *steps)
    cuts = fitted(prompt, state, ContextWindow(), 9000)
    assert [(each.upto_seq, bool(each.results_upto_seq)) for each in cuts] == [(0, True)]
    texts = [message.text for message in prompt.messages("")]
    assert [text for text in texts if text.startswith("step")] == [
        f"step {number}" for number in range(10)
    ]
    lengths = [len(text) for text in texts if "x" in text]
    assert max(lengths[:5]) < 700
    assert lengths[-2:] == [4000, 4000]
    assert 9000 * TARGET_SHARE * 0.7 < prompt.tokens < 9000 * TARGET_SHARE


def test_a_single_result_that_is_larger_than_the_room_is_cut_to_fit():
    prompt, state = fed(e.UserSaid("go"), *asked(0, "x" * 40_000, 0))
    fitted(prompt, state, ContextWindow(), 2000)
    assert 1000 < prompt.tokens <= 2000


def test_what_was_said_goes_from_its_oldest_end_from_turn_to_turn_and_a_summary_is_asked_for():
    turns = [event for number in range(40) for event in answered(number, f"answer {number} " * 9)]
    prompt, _ = fed(*turns, e.UserSaid("now"))
    whole = prompt.tokens
    found = choose_compaction(prompt, ContextWindow(), whole // 2, 10_000, True)
    assert isinstance(found, Summarise)
    dropped = choose_compaction(prompt, ContextWindow(summarize=False), whole // 2, 10_000, True)
    assert dropped == e.ContextCompacted(found.upto_seq)
    instead = choose_compaction(prompt, ContextWindow(), whole // 2, 10_000, may_summarise=False)
    assert instead == dropped, "the model has failed to"
    prompt.add(Record("t", 999, 0.0, dropped))
    texts = [message.text for message in prompt.messages("")]
    assert texts[0].startswith("question")
    assert texts[-1] == "now"
    assert whole * 0.2 < prompt.tokens < whole * 0.3


def test_no_more_is_summarised_at_once_than_the_model_can_read():
    turns = [event for number in range(40) for event in answered(number, f"answer {number} " * 60)]
    prompt, state = fed(*turns, e.UserSaid("now"))
    cuts = fitted(prompt, state, ContextWindow(), 1200)
    assert len(cuts) > 5
    assert [each.upto_seq for each in cuts] == sorted({each.upto_seq for each in cuts})
    assert prompt.tokens <= 1200


def test_a_window_counts_messages():
    turns = [event for number in range(40) for event in answered(number, "yes")]
    prompt, state = fed(*turns, e.UserSaid("now"))
    assert not choose_compaction(prompt, ContextWindow(max_messages=81), 10**9, 10**9, True)
    [only] = fitted(prompt, state, ContextWindow(max_messages=50, summarize=False), 10**9)
    assert only.summary == ""
    assert 20 <= len(prompt.messages("")) <= 25


def test_the_turn_under_way_stays_whole_as_long_as_it_fits_by_itself():
    talk = [event for number in range(8) for event in answered(number, f"answer {number} " * 30)]
    steps = [
        event for number in range(4) for event in asked(number, f"result {number} " * 60, number)
    ]
    prompt, state = fed(*talk, e.UserSaid("now"), *steps)
    own = [message.text for message in prompt.messages("")][-9:]
    room = int(sum(each.tokens for each in prompt.rounds[-5:]) / 0.6)
    fitted(prompt, state, ContextWindow(), room)
    texts = [message.text for message in prompt.messages("")]
    assert texts[-9:] == own
    assert texts[0] == "What was said before, in short:\nin short"
    assert texts[-11] == "question 7", "and of the turn before as much as there is room for"


@pytest.mark.parametrize("bad", [{"max_messages": 0}, {"max_tokens": -5}])
def test_a_memory_of_nothing_is_refused(bad):
    with pytest.raises(UsageError, match="a whole number, 1 or more, or None"):
        ContextWindow(**bad)


def test_what_the_model_has_yet_to_be_shown_outlasts_every_cut():
    called = e.ModelCalled("m", "h", 10, 100)
    asks = e.ModelReplied((e.Call("c1", "look", "{}"),), e.Usage(1, 1), 0.0)
    prompt, state = fed(
        e.UserSaid("go " + "x" * 200),
        *(called, e.ModelReplied("seen before", e.Usage(1, 1), 0.0)),
        e.UserSaid("said before " + "y" * 200, steers=True),
        *(called, asks, e.ToolStarted("c1", "k")),
        e.UserSaid("first " + "z" * 400, steers=True),
        e.ToolReturned("c1", "r" * 400, 0.0),
        e.UserSaid("second " + "z" * 400, steers=True),
    )
    fitted(prompt, state, ContextWindow(summarize=False), 50)
    shown = [message.text.partition(" ")[0] for message in prompt.messages("")]
    assert [text for text in shown if text in ("go", "first", "second")] == [
        "go",
        "first",
        "second",
    ]
    assert "said" not in shown


def test_a_late_result_is_cut_as_any_other():
    called = e.ModelCalled("m", "h", 10, 100)
    asks = e.ModelReplied((e.Call("c1", "pay", "{}"),), e.Usage(1, 1), 0.0)
    prompt, state = fed(
        *(e.UserSaid("go"), called, asks, e.ToolDeferred("c1", "it isn't over")),
        *(called, e.ModelReplied("so", e.Usage(1, 1), 0.0)),
        *(e.ToolStarted("c1", "k"), e.ToolReturned("c1", "r" * 9000, 0.0)),
    )
    fitted(prompt, state, ContextWindow(), 400)
    last = prompt.messages("")[-1]
    assert last.text.startswith("This is what came of your earlier call c1, pay({}):")
    assert 100 < len(last.text) < 2000
