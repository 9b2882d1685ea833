"""A line for every record, and what each turn took."""

from typing import get_args

import pytest

from treadle.core import events as e
from treadle.observe.short_text import WIDTH, call_text
from treadle.observe.timeline import Timeline
from treadle.observe.turns import split_turns
from treadle.runtime.local_time import format_time

CALL = e.Call("c1", "send", '{"to": "bob", "text": "hi"}')
ASKED = (
    e.ModelCalled("scripted", "hash", 10, 10),
    e.ModelReplied((CALL,), e.Usage(10, 5), 0.5, cost_usd=0.01),
)
OPENED = (e.ThreadStarted("demo", "k"), e.ThreadClaimed("w1"), e.UserSaid("send it"))


def records(*events: e.Event) -> list[e.Record]:
    return [e.Record("mine", seq, 100.0 + seq, event) for seq, event in enumerate(events, 1)]


def last_line(*events: e.Event) -> str:
    timeline = Timeline()
    return [str(timeline.line(record)) for record in records(*events)][-1]


def test_a_failure_after_which_the_model_is_not_asked_again_announces_no_wait():
    policy = e.PolicyDescription({"model_tries": 2}, {})
    described = e.AgentDescribed("agent", "one", "", policy=policy)
    failed = e.ModelFailed("unavailable", "busy", 2.0)
    first, second = (e.ModelCalled("one", "h", 1, 1, "step", attempt) for attempt in (1, 2))
    other = e.ModelCalled("two", "h", 1, 1, "step", 3)
    timeline = Timeline()
    events = (described, first, failed, second, failed, other, failed)
    lines = [str(timeline.line(record)) for record in records(*events)]
    told = [line for line in lines if "busy" in line]
    assert told == ["! busy; again in 2.0 s", "! busy", "! busy; again in 2.0 s"]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (e.ThreadForked("mum", 7, "k"), "· forked from mum after its record 7"),
        (e.UserSaid("blue", answers="c1"), "» c1: blue"),
        (e.ModelCalled("scripted", "h", 1, 1, "plan", 2), "· model call 2, plan: scripted (try 2)"),
        (
            e.ModelReplied("cut", e.Usage(3, 4), 1.0, finish_reason="length"),
            "« cut (length)  3 + 4 tokens, 1.0 s",
        ),
        (e.ModelFailed("unavailable", "busy", 2.0), "! busy; again in 2.0 s"),
        (e.ToolStarted("c1", "k", 2), '→ send(to="bob", text="hi")  (try 2)'),
        (
            e.ToolReturned("c1", "sent", 0.25, 1200),
            "← send: sent (1,200 characters left out)  250 ms",
        ),
        (e.ToolFailed("c1", "raised", "no", 0.1, 3.0), "← send: error: no; again in 3.0 s  100 ms"),
        (e.ApprovalAsked("c1", "it acts"), '? c1 send(to="bob", text="hi"): it acts'),
        (e.ApprovalGiven("c1", False, "ann", "too rude"), "✗ c1 send denied by ann: too rude"),
        (
            e.ApprovalGiven("c1", True, "ann", always=e.Always(lasts="thread")),
            "✓ c1 send allowed by ann, and from now on send with any arguments, for the rest of the"
            " thread",
        ),
        (
            e.ApprovalGiven("c1", True, "ann", always=e.Always({"to": "b*"})),
            "✓ c1 send allowed by ann, and from now on send where to is b*, until the turn ends",
        ),
        (
            e.ModelReplied(
                (
                    e.Thinking("is it so?"),
                    e.ProviderCall("search", "{}", "found", (e.Source("https://a.example"),)),
                    e.Text("yes"),
                ),
                e.Usage(3, 4),
                1.0,
            ),
            "« thinks is it so? | the provider ran search({}), from https://a.example | yes"
            "  3 + 4 tokens, 1.0 s",
        ),
        (
            e.AgentDescribed("billing", "m", "be kind", {"pay": e.ToolDescription("d", {})}),
            "· billing calls m, with pay",
        ),
        (e.TrustChanged(False, "ann", "a file"), "· imported by ann, and not adopted yet: a file"),
        (e.TrustChanged(True, "ann"), "· adopted by ann"),
        (e.QuestionAsked("c1", "Which colour?"), "? c1 asks: Which colour?"),
        (e.OutcomeDecided("c1", "ran", "ann", "sent"), "✓ c1 send: it ran, says ann: sent"),
        (e.NotesRecalled(("n1", "n2"), "Ann eats no nuts"), "· 2 notes recalled: Ann eats no nuts"),
        (
            e.ContextCompacted(9, "all is well"),
            "· the prompt leaves out records up to 9, in short: all is well",
        ),
        (
            e.ContextCompacted(results_upto_seq=7, result_chars=1600),
            "· results up to record 7 are cut to 1,600 characters",
        ),
        (e.StepAsked(e.Call("fetch", "fetch", '{"url": "x"}')), '· step fetch: fetch(url="x")'),
        (e.ChildStarted("c1", "mine.c1"), "· c1 runs as thread mine.c1"),
        (
            e.ChildWaits("c1", (e.PendingDecision("mine.c1", "c7", "pay", "{}", "waiting"),)),
            "? c1 waits for a person: pay in thread mine.c1",
        ),
        (e.CallNoted("c1", '{"job":7}'), '· c1 send has work elsewhere: {"job":7}'),
        (e.CallNoted("c1", '"j"', True), '? c1 send waits for "j"'),
        (
            e.CallNoted("c1", '"j"', True, 0.0, True),
            f'? c1 send waits for "j" (it is asked about {format_time(0.0)})',
        ),
        (e.ToolReturned("c1", "sent", 0.25, by="ci"), "← send: sent (posted by ci)  250 ms"),
        (e.ToolDeferred("c1", "it isn't over"), "· the model goes on without c1"),
        (e.UserSaid("and blue", steers=True), "» meanwhile: and blue"),
        (e.HandedOff("c1", "billing"), "⇒ billing is in charge from here on"),
        (e.AnswerRejected("no JSON"), "! the answer won't do: no JSON"),
        (e.LimitReached("tool_calls", 3, 2), "! the limit of tool calls is reached: 3 of 2"),
        (
            e.LimitReached("tokens", 1234567.0, 2e6, "turn:t#3", True),
            "! the limit of tokens of thread t and all that works for it is reached: 1,234,567 of"
            " 2,000,000; waits until that is raised",
        ),
        (
            e.LimitRaised("ann", "it is worth it", tokens=50_000, cost_usd=0.5),
            "· ann lets it use 50,000 tokens and 0.5 US dollars more: it is worth it",
        ),
        (e.LimitRaised("ann"), "· ann lets it try again"),
        (e.FeedbackGiven(True, "ann", "", 3), "· ann found the turn of record 3 good"),
        (e.FeedbackGiven(False, "bob", "rude", 3), "· bob found the turn of record 3 bad: rude"),
        (e.TurnEnded("cancelled", "by ann"), "! cancelled: by ann"),
    ],
)
def test_each_record_is_one_line(event: e.Event, line: str) -> None:
    assert last_line(*OPENED, *ASKED, event) == line


def test_no_event_is_forgotten() -> None:
    assert len(get_args(e.Event)) == 30  # a new one needs a line of its own here and above


def test_a_reply_says_what_it_wants_and_what_it_took() -> None:
    assert (
        last_line(*OPENED, *ASKED)
        == '« wants c1 send(to="bob", text="hi")  10 + 5 tokens, $0.01, 500 ms'
    )


def test_edited_arguments_are_those_that_started() -> None:
    edited = e.ApprovalGiven("c1", True, "ann", arguments='{"to": "eve"}')
    assert (
        last_line(*OPENED, *ASKED, e.ApprovalAsked("c1"), edited, e.ToolStarted("c1", "k"))
        == '→ send(to="eve")'
    )


def test_a_long_text_is_cut_in_its_line_and_kept_whole_beside_it() -> None:
    line = Timeline().line(records(e.UserSaid("word\n" * 100))[0])
    assert len(line.text) == WIDTH
    assert line.whole == "word\n" * 100


def test_names_with_newlines_stay_in_one_line() -> None:
    assert last_line(e.ThreadStarted("a\nb", "k")) == "· started with the agent a b"


def test_arguments_that_are_no_object_are_shown_as_written() -> None:
    assert call_text(e.Call("c1", "send", '{"to": ')) == 'send({"to":)'
    assert call_text(e.Call("c1", "send", r'{"to": "\ud800"}')) == r'send({"to": "\ud800"})'


def test_turns_have_the_records_that_led_to_them_and_their_own_totals() -> None:
    answered = (
        e.ModelCalled("m", "h", 1, 1),
        e.ModelReplied("yes", e.Usage(1, 2), 0.1),
        e.TurnEnded("answered"),
    )
    log = records(
        *OPENED,
        *answered,
        e.ThreadClaimed("w2"),
        e.UserSaid("more"),
        *answered[:2],
        e.TurnEnded("failed"),
    )
    first, second = split_turns(log)
    assert [first.number, second.number] == [1, 2]
    assert [line.record.seq for line in second.lines] == [7, 8, 9, 10, 11]
    assert (first.took.tokens, first.took.seconds, second.result.status) == (3, 3.0, "failed")


def test_a_turn_that_went_on_after_its_end_is_one_turn() -> None:
    log = records(
        *OPENED,
        e.LimitReached("steps", 1, 1),
        e.TurnEnded("limit", "steps"),
        e.LimitRaised("ann", steps=5),
        e.ThreadClaimed("w2", reopens=True),
        *ASKED[:1],
        e.ModelReplied("yes", e.Usage(1, 2), 0.1),
        e.TurnEnded("answered"),
        e.FeedbackGiven(True, "ann", turn_seq=3),
    )
    turn, rest = split_turns(log)
    assert (turn.number, turn.result.status, turn.result.records[0].seq) == (1, "answered", 3)
    assert (rest.number, len(turn.lines)) == (0, 10)


def test_what_follows_the_last_turn_is_no_turn() -> None:
    answered = (
        e.ModelCalled("m", "h", 1, 1),
        e.ModelReplied("yes", e.Usage(1, 2), 0.1),
        e.TurnEnded("answered"),
    )
    _, rest = split_turns(records(*OPENED, *answered, e.ThreadForked("mum", 6, "k")))
    assert (rest.number, rest.took.seconds) == (0, 0.0)
