import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fakes import legal_log
from treadle import Record
from treadle.core import events as e
from treadle.core.judged import as_judged
from treadle.core.legal import make_turns, tools_in_history
from treadle.core.model import Message, Request
from treadle.core.prompt import Prompt, messages
from treadle.core.prompt_hash import hash_prefixes, prompt_hash
from treadle.core.state import fold
from treadle.models.chat.encode import encode_message
from treadle.models.request_rules import find_faults

CHOICES = st.lists(st.integers(0, 10_000), min_size=20, max_size=45)


@settings(max_examples=60)
@example([*[0] * 14, 1, 2, 2, 2, 128, 223]).via("two refused messages, one of them pinned")
@given(CHOICES)
def test_any_log_has_a_legal_prompt_with_all_that_was_pinned_and_the_turn_s_own_message(choices):
    log = legal_log(choices)
    state = fold(log)
    said = [
        record.event
        for record in as_judged(log)
        if isinstance(record.event, e.UserSaid) and not record.event.answers
    ]
    if state.phase != "ready":
        return
    shown = messages(log, "be kind")
    asked = make_turns((*shown, Message("user", "go on")))  # a plan's note, for instance
    assert not find_faults(Request(asked, tools_in_history(asked)))
    own = as_judged(log)[state.turn.opened_seq - 1].event
    for event in (own, *(event for event in said if event.pinned)):
        words = event.text, event.parts
        assert sum((m.text, m.parts) == words for m in shown) == sum(
            (each.text, each.parts) == words for each in said
        )


@settings(max_examples=40)
@given(CHOICES)
def test_a_prompt_that_grows_is_the_prompt_made_at_once(choices):
    log = legal_log(choices)
    growing = Prompt()
    for count, record in enumerate(log, 1):
        growing.add(record)
        assert growing.messages("s") == messages(log[:count], "s")


@settings(max_examples=40)
@given(CHOICES)
def test_what_was_shown_stays_the_beginning_until_the_log_says_that_something_is_left_out(choices):
    log = legal_log(choices, avoid=(e.ContextCompacted, e.NotesRecalled))
    before: tuple[Message, ...] = ()
    asked: tuple[Message, ...] = ()
    growing = Prompt()
    for record in log:
        growing.add(record)
        shown = growing.messages("s")
        if not isinstance(record.event, e.Checked):  # it changes only what no model has seen
            assert shown[: len(before)] == before
        assert shown[: len(asked)] == asked
        before = shown
        if isinstance(record.event, e.ModelCalled):
            asked = shown


def log_of(*events: e.Event) -> list[Record]:
    opening = (e.ThreadStarted("a", "k"), e.ThreadClaimed("w"))
    return [Record("t", seq, 0.0, event) for seq, event in enumerate((*opening, *events), 1)]


def prompt_of(*events: e.Event) -> Prompt:
    prompt = Prompt()
    for record in log_of(*events):
        prompt.add(record)
    return prompt


CALLED = e.ModelCalled("m", "h", 1, 1)


def replied(*wanted: e.Block, text: str = "", **more: object) -> e.ModelReplied:
    said = (e.Text(text),) if text else ()
    content = (*said, *wanted) if wanted else text
    return e.ModelReplied(content, e.Usage(1, 9), 0.0, **more)


def texts(*events: e.Event) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in messages(log_of(*events), "")]


def test_a_conversation_is_shown_oldest_first():
    said = (
        e.UserSaid("hi"),
        CALLED,
        replied(text="hello"),
        e.TurnEnded("answered"),
        e.UserSaid("more"),
    )
    assert texts(*said) == [("user", "hi"), ("assistant", "hello"), ("user", "more")]


def test_an_empty_log_has_a_prompt():
    assert Prompt().messages("be kind", "note") == (
        Message("system", "be kind"),
        Message("user", "note"),
    )


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
        replied(e.Thinking("hm", {"reasoning_content": "hm"}), call),
        e.ToolStarted("a", "k"),
        e.ToolReturned("a", "x", 0.0),
    )
    wire = encode_message(messages(log, "")[1]).decode()
    assert '"signature":"abc"' in wire
    assert '"reasoning_content":"hm"' in wire


@pytest.mark.parametrize(
    ("reply", "note"),
    [
        (replied(text=""), "Your last reply was empty"),
        (replied(e.Call("a", "x", "{"), finish_reason="length"), "cut off at 9 tokens"),
        (
            replied(text="<function=x>", finish_reason="malformed_call", fault="no arguments"),
            "in a form that could not be read: no arguments.",
        ),
        (replied(text="", finish_reason="malformed_call"), "it is not valid JSON"),
    ],
)
def test_a_reply_of_no_use_is_followed_by_a_word_to_the_model(reply, note):
    assert note in texts(e.UserSaid("go"), CALLED, reply)[-1][1]


def test_a_picture_weighs_what_providers_charge_not_its_bytes():
    big = messages(
        log_of(e.UserSaid(("look", e.Image("data:image/png;base64," + "A" * 10**6)))), ""
    )
    assert 1000 < big[0].tokens < 1200


@pytest.mark.parametrize(
    ("part", "least"),
    [
        (e.File("a.txt", f"data:text/plain;base64,{'A' * 40_000}"), 30_000 / 4),
        (e.File("a.json", f"data:application/json;base64,{'A' * 40_000}"), 30_000 / 4),
        (e.File("a.pdf", f"data:application/pdf;base64,{'A' * 40_000}"), 2000),
        (e.Audio(f"data:audio/wav;base64,{'A' * 4_300_000}"), 100 * 32),
        (e.Audio(f"data:audio/mpeg;base64,{'A' * 1_100_000}"), 100 * 32),
    ],
)
def test_a_text_weighs_its_words_and_a_sound_its_seconds(part, least):
    assert least <= Message("user", ("look", part)).tokens <= 1.5 * least + 1100


DATA = "A" * 10**6


@pytest.mark.parametrize(
    "message",
    [
        Message("assistant", "see", opaque={"images": [{"url": f"data:image/png;base64,{DATA}"}]}),
        Message("assistant", "hear", opaque={"audio": {"data": DATA, "transcript": "hear"}}),
        Message(
            "assistant",
            (
                e.ProviderCall("i", opaque={"type": "image_generation_call", "result": DATA}),
                e.Text("see"),
            ),
        ),
    ],
)
def test_what_a_model_has_drawn_or_spoken_weighs_as_a_picture(message: Message):
    assert 1000 < message.tokens < 1200


def test_an_encrypted_thought_weighs_its_bytes():
    thought = e.Thinking("", {"type": "reasoning", "encrypted_content": DATA, "result": DATA})
    assert Message("assistant", (thought,)).tokens > 500_000


TURN = (CALLED, replied(text="it is"), e.TurnEnded("answered"))  # with its UserSaid, records 3 to 6


def test_what_is_left_out_goes_whole_and_its_summary_stands_before_what_is_left():
    said = (e.UserSaid("one"), *TURN, e.UserSaid("two"), *TURN, e.UserSaid("three"))
    shown = texts(*said, e.ContextCompacted(6, "it was one"))
    assert shown[0] == ("user", "What was said before, in short:\nit was one")
    assert shown[1:] == [("user", "two"), ("assistant", "it is"), ("user", "three")]
    later = texts(*said, e.ContextCompacted(6, "it was one"), e.ContextCompacted(10))
    assert later == [shown[0], ("user", "three")], (
        "what goes without a summary leaves the one before it"
    )


def test_the_message_that_opened_the_turn_and_pinned_ones_outlast_every_cut():
    said = (
        e.UserSaid("always in metres", pinned=True),
        *TURN,
        e.UserSaid("now"),
        CALLED,
        replied(text="hm"),
    )
    shown = texts(*said, e.AnswerRejected("no"), e.ContextCompacted(100, "short"))
    assert [text for _, text in shown] == [
        "always in metres",
        "What was said before, in short:\nshort",
        "now",
    ]


def test_recalled_notes_come_first_and_stay():
    shown = texts(
        e.NotesRecalled(("n1",), "Ann eats no nuts"),
        e.UserSaid("now"),
        e.ContextCompacted(100, "short"),
    )
    assert shown[0] == ("user", "Ann eats no nuts")
    assert shown[-1] == ("user", "now")


def test_a_result_is_cut_in_the_middle_and_its_call_stays():
    call = e.Call("a", "look", "{}")
    long = (
        replied(call),
        e.ToolStarted("a", "k"),
        e.ToolReturned("a", "begin" + "x" * 5000 + "end", 0.0),
    )
    shown = texts(
        e.UserSaid("go"), CALLED, *long, e.ContextCompacted(results_upto_seq=9, result_chars=100)
    )
    assert [role for role, _ in shown] == ["user", "assistant", "tool"]
    assert shown[2][1].startswith("begin")
    assert shown[2][1].endswith("end")
    assert "4908 of 5008 characters" in shown[2][1]
    assert len(shown[2][1]) < 200


def test_the_reply_of_a_compaction_is_no_answer():
    compacting = e.ModelCalled("m", "h", 1, 1, "compact", upto_seq=3)
    assert texts(e.UserSaid("one"), compacting, replied(text="minutes")) == [("user", "one")]


def test_an_empty_message_is_empty_and_a_picture_alone_is_none():
    assert texts(e.UserSaid(" \n")) == [("user", "")]
    picture = e.UserSaid((e.Image("https://x.test/a.png"),))
    [shown] = messages(log_of(picture), "")
    assert shown.text == ""
    assert b'"text"' not in encode_message(shown)


def test_pictures_that_come_with_an_answer_are_shown_after_the_results():
    ask, look = e.Call("a", "ask_user", "{}"), e.Call("b", "look", "{}")
    picture = e.Image("https://x.test/a.png")
    answer = e.UserSaid(("this one", picture), "a")
    done = (e.ToolStarted("b", "k"), e.ToolReturned("b", "seen", 0.0))
    log = log_of(
        e.UserSaid("go"), CALLED, replied(ask, look), e.QuestionAsked("a", "which?"), answer, *done
    )
    shown = messages(log, "")
    assert [(message.role, message.text) for message in shown[2:4]] == [
        ("tool", "this one"),
        ("tool", "seen"),
    ]
    assert (shown[4].role, shown[4].parts) == ("user", (picture,))
    assert not find_faults(Request(shown, tools_in_history(shown)))


def test_a_result_says_whether_its_call_failed():
    ended = [
        (e.ToolReturned("c", "error: of mine", 0.0), False),
        (e.ToolFailed("c", "failed", "no"), True),
        (e.TurnEnded("cancelled"), True),
    ]
    for event, is_error in ended:
        asks = e.ModelReplied((e.Call("c", "look", "{}"),), e.Usage(1, 1), 0.0)
        events = [e.UserSaid("go"), e.ModelCalled("m", "h", 1, 1), asks, event]
        log = [Record("t", seq, 0.0, each) for seq, each in enumerate(events, 1)]
        assert messages(log, "")[-1].is_error == is_error


def test_a_reply_with_fields_of_the_provider_s_own_knows_which_prompt_it_answers():
    thought = e.ModelReplied((e.Thinking("hm", {"a": 1}), e.Text("hi")), e.Usage(1, 1), 0.0)
    plain = e.ModelReplied("hi", e.Usage(1, 1), 0.0)
    for reply, known in ((thought, ("m", "said:7")), (plain, ("", ""))):
        events = [e.UserSaid("go"), e.ModelCalled("m", "said:7", 1, 1), reply]
        log = [Record("t", seq, 0.0, each) for seq, each in enumerate(events, 1)]
        last = messages(log, "")[-1]
        assert (last.model, last.prompt_hash) == known


@settings(max_examples=20)
@given(CHOICES)
def test_the_hashes_of_all_beginnings_are_those_of_each(choices):
    shown = messages(legal_log(choices), "s")
    tools = tools_in_history(shown)
    each = [prompt_hash(shown[:end], tools) for end in range(len(shown))]
    assert hash_prefixes(shown, tools) == each


# Messages in an open turn, and deferred calls

PAY = e.Call("c1", "pay", '{"n": 5}')
LOOK = e.Call("c2", "look", "{}")
MORE = e.UserSaid("and blue", steers=True)
LATE = 'This is what came of your earlier call c1, pay({"n":5}):\n'


def test_a_message_stands_after_the_round_that_was_open_when_it_came():
    asked = (e.UserSaid("go"), CALLED, replied(PAY, LOOK))
    begun = texts(*asked, e.ToolReturned("c2", "seen", 0.0), MORE)
    assert begun == [("user", "go")]
    whole = texts(
        *asked, e.ToolReturned("c2", "seen", 0.0), MORE, e.ToolReturned("c1", "paid", 0.0)
    )
    assert whole[1:] == [
        ("assistant", ""),
        ("tool", "paid"),
        ("tool", "seen"),
        ("user", "and blue"),
    ]


def test_a_message_that_came_while_the_model_wrote_stands_after_its_reply():
    assert texts(e.UserSaid("go"), CALLED, MORE, replied(text="so"))[1:] == [
        ("assistant", "so"),
        ("user", "and blue"),
    ]
    assert texts(e.UserSaid("go"), CALLED, MORE, replied(LOOK))[1:] == []
    failed = e.ModelFailed("unavailable", "busy", 1.0)
    assert texts(e.UserSaid("go"), CALLED, MORE, failed)[1:] == [("user", "and blue")]
    assert texts(e.UserSaid("go"), CALLED, MORE, e.ThreadClaimed("w2"))[1:] == [
        ("user", "and blue")
    ]


def test_nothing_comes_after_a_reply_that_the_provider_has_paused():
    paused = replied(e.ProviderCall("search"), finish_reason="pause_turn")
    said = (e.UserSaid("go"), CALLED, MORE, paused)
    assert [role for role, _ in texts(*said)] == ["user", "assistant"]
    whole = texts(*said, CALLED, replied(text="found"))
    assert [role for role, _ in whole] == ["user", "assistant", "assistant", "user"]
    assert texts(*said, e.TurnEnded("cancelled"))[-1] == ("user", "and blue")


def test_a_deferred_call_has_words_in_the_place_of_its_result_which_comes_later():
    told = (e.UserSaid("go"), CALLED, replied(PAY), MORE, e.ToolDeferred("c1", "still open"))
    assert texts(*told)[1:] == [("assistant", ""), ("tool", "still open"), ("user", "and blue")]
    done = (*told, CALLED, replied(text="wait"), e.ToolReturned("c1", "paid", 0.0))
    assert texts(*done)[-2:] == [("assistant", "wait"), ("user", f"{LATE}paid")]
    refused = (*told, CALLED, replied(text="wait"), e.ToolFailed("c1", "denied", "no"))
    assert texts(*refused)[-1] == ("user", f"{LATE}error: no")


def test_a_late_result_waits_for_the_round_that_is_open_then():
    told = (e.UserSaid("go"), CALLED, replied(PAY), MORE, e.ToolDeferred("c1", "still open"))
    then = (*told, CALLED, replied(LOOK), e.ToolReturned("c1", "paid", 0.0))
    assert texts(*then) == texts(*told)
    assert texts(*then, e.ToolReturned("c2", "seen", 0.0))[-3:] == [
        ("assistant", ""),
        ("tool", "seen"),
        ("user", f"{LATE}paid"),
    ]


def test_a_result_that_comes_before_its_round_was_shown_stands_in_it():
    told = (e.UserSaid("go"), CALLED, replied(PAY, LOOK), e.ToolDeferred("c1", "still open"))
    done = (*told, e.ToolReturned("c1", "paid", 0.0), e.ToolReturned("c2", "seen", 0.0))
    assert texts(*done)[1:] == [("assistant", ""), ("tool", "paid"), ("tool", "seen")]


def test_what_came_of_an_edited_deferred_call_says_what_ran():
    told = (e.UserSaid("go"), CALLED, replied(PAY), MORE, e.ToolDeferred("c1", "still open"))
    edited = e.ApprovalGiven("c1", True, "ann", arguments='{"n": 4}')
    (_, text) = texts(*told, edited, e.ToolReturned("c1", "paid", 0.0))[-1]
    assert text.startswith(LATE)
    assert '{"n":4}\npaid' in text


def test_the_end_of_a_turn_says_what_became_of_deferred_calls():
    told = (e.UserSaid("go"), CALLED, replied(PAY), MORE, e.ToolDeferred("c1", "still open"))
    ended = texts(*told, e.TurnEnded("cancelled"), e.UserSaid("again"))
    assert ended[-2:] == [
        ("user", f"{LATE}not run: the turn ended before this call"),
        ("user", "again"),
    ]


def test_what_is_deferred_outlasts_an_outage_and_is_cut_off_where_another_turn_begins():
    told = (e.UserSaid("go"), CALLED, replied(PAY), MORE, e.ToolDeferred("c1", "still open"))
    down = (*told, CALLED, e.ModelFailed("denied", "no"), e.TurnEnded("failed", "no"))
    assert texts(*down) == texts(*told)
    back = (*down, e.ThreadClaimed("w2", reopens=True), e.ToolReturned("c1", "paid", 0.0))
    assert texts(*back)[3:] == [("user", "and blue"), ("user", f"{LATE}paid")]
    again = messages(log_of(*down, e.UserSaid("again")), "")
    cut = ("user", f"{LATE}not run: the turn ended before this call")
    assert [(each.role, each.text) for each in again[-2:]] == [cut, ("user", "again")]
    seqs = [each.seq for each in prompt_of(*down, e.UserSaid("again")).rounds]
    assert len(set(seqs)) == len(seqs)


def test_pictures_of_a_late_answer_are_shown_in_its_message():
    told = (e.UserSaid("go"), CALLED, replied(PAY), MORE, e.ToolDeferred("c1", "still open"))
    answer = e.UserSaid(("look", e.Image("data:image/png;base64,AAAA")), answers="c1")
    last = messages(log_of(*told, answer), "")[-1]
    assert (last.role, len(last.parts), last.text) == ("user", 1, f"{LATE}look")


def test_a_pinned_message_outlasts_the_round_that_it_came_in():
    pinned = e.UserSaid("never red", pinned=True, steers=True)
    said = (e.UserSaid("go"), CALLED, replied(LOOK), pinned, e.ToolReturned("c2", "seen", 0.0))
    done = (*said, CALLED, replied(text="ok"), e.TurnEnded("answered"), e.UserSaid("next"))
    assert ("user", "never red") in texts(*done, e.ContextCompacted(9))
    assert ("tool", "seen") not in texts(*done, e.ContextCompacted(9))
