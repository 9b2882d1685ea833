import time

import pytest

from fakes import agent, found
from treadle import ScriptedModel
from treadle.core import events as e
from treadle.core.model import Reply
from treadle.core.thoughts import ThoughtStream, part_thoughts, split_thoughts
from treadle.models.chat.encode import encode_message
from treadle.models.scripted import says

SPLIT = [
    ("<think>secret</think>\n\nHello.", "secret", "Hello."),
    ("  <thinking>a\nb</thinking> Hello.", "a\nb", "Hello."),
    ("<think>a</think><think>b</think>c", "a\nb", "c"),
    ("<think>if a < b</think>c", "if a < b", "c"),
    ("<think></think>\n\nHi", "", "Hi"),
    ("<think>only</think>", "only", ""),
    ("<thank>you</thank>", "", "<thank>you</thank>"),
    ("The tag <think>x</think> is one.", "", "The tag <think>x</think> is one."),
    ("\n\nHello.", "", "\n\nHello."),
    ("<", "", "<"),
    ("", "", ""),
]


@pytest.mark.parametrize(("text", "thought", "said"), SPLIT)
def test_a_thought_at_the_beginning_is_kept_apart(text, thought, said):
    assert split_thoughts(text) == (thought, said)


@pytest.mark.parametrize(
    ("text", "thought", "said"),
    [
        ("It is 4.\n</think>\n\nFour.", "It is 4.", "Four."),
        ("Write </think> here.", "", "Write </think> here."),
        ("Like so:\n<think>\nx\n</think>\n", "", "Like so:\n<think>\nx\n</think>\n"),
        ("<think>never closed", "", "<think>never closed"),
    ],
)
def test_a_closing_tag_alone_counts_on_a_line_of_its_own(text, thought, said):
    assert split_thoughts(text) == (thought, said)


def test_a_thought_that_was_cut_off_is_no_answer():
    cut = Reply("<think>So far", finish_reason="length")
    result = agent(ScriptedModel([cut])).run_sync("go")
    assert (result.status, result.reason) == ("limit", "output")
    assert "So far" not in result.answer
    assert found(result, e.ModelReplied)[0].thinking == "So far"
    assert split_thoughts("Like <think>so", was_cut=True) == ("", "Like <think>so")


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize(("text", "thought", "said"), SPLIT)
def test_a_stream_says_and_thinks_the_same(text, thought, said, size):
    stream = ThoughtStream()
    shown: list[str | e.Thinking] = []
    for start in range(0, len(text), size):
        shown += stream.feed(text[start : start + size])
    shown += stream.finish()
    assert "".join(part for part in shown if isinstance(part, str)) == said
    thinking = [part.text for part in shown if isinstance(part, e.Thinking)]
    assert "".join(thinking) == thought.replace("a\nb", "a\nb" if "thinking" in text else "ab")


@pytest.mark.parametrize("unit", [" ", "\n", "<think>", "<", "</think"])
def test_a_stream_that_repeats_itself_takes_linear_time(unit):
    stream = ThoughtStream()
    started = time.process_time()
    for _ in range(20_000):
        stream.feed(unit)
    stream.finish()
    assert time.process_time() - started < 1


def test_blocks_and_fields_of_the_provider_stay():
    call = e.Call("c", "add", "{}")
    before = (e.Text("<think>t</think>so", {"id": "x"}), call)
    assert part_thoughts(before) == (e.Thinking("t"), e.Text("so", {"id": "x"}), call)
    assert part_thoughts((e.Thinking("t"), e.Text("so"), call)) == (
        e.Thinking("t"),
        e.Text("so"),
        call,
    )


def test_the_log_the_answer_and_later_prompts_have_it_apart():
    model = ScriptedModel([says("<think>They greet me.</think>\n\nHello."), says("Bye.")])
    made = agent(model)
    first = made.run_sync("Hi", thread="t")
    assert first.answer == "Hello."
    assert found(first, e.ModelReplied)[0].thinking == "They greet me."
    made.run_sync("Bye", thread="t")
    assert encode_message(model.seen[1].messages[1]) == b'{"role":"assistant","content":"Hello."}'
