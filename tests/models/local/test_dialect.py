import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core.errors import ModelUnavailable
from treadle.core.events import Call, Text, Thinking, Usage
from treadle.core.model import Message, Reply, Request, ToolSchema
from treadle.core.schema import read_signature
from treadle.models.local.dialect import (
    MAX_RESULT_CHARS,
    AnswerReader,
    build_body,
    render_messages,
    write_step,
    write_system_prompt,
)
from treadle.models.local.grammar_schema import build_reply_schema, keep_supported


def add(a: int, b: int = 1) -> int:
    """Add two numbers. It is exact.

    Args:
        a: The first.
    """
    return a + b


ADD = ToolSchema("add", add.__doc__ or "", read_signature(add).parameters)
CALCULATOR = ToolSchema(
    "calculator",
    "Work it out.",
    {
        "type": "object",
        "properties": {
            "expression": {"type": "string", "pattern": "^[0-9+]+$", "description": "Such as 1+1."}
        },
        "required": ["expression"],
        "additionalProperties": False,
    },
)
PERSON = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
SYSTEM = Message("system", "Be kind.")
ASKED = Message("user", "What is 1+1?")
CALLED = Message("assistant", (Thinking("A sum."), Call("c1", "add", '{"a": 1}')))
RESULT = Message("tool", "2", call_id="c1")
ANSWERED = Message("assistant", (Thinking("Done."), Text("It is 2.")))


def contents(
    *messages: Message, tools: tuple[ToolSchema, ...] = (ADD,), **more: Any
) -> list[tuple[str, str]]:
    return [(m["role"], m["content"]) for m in render_messages(Request(messages, tools, **more))]


def test_the_system_prompt_holds_tools_examples_and_the_agents_own_words():
    [(role, text)] = contents(SYSTEM, tools=(ADD, CALCULATOR))
    assert role == "system"
    assert "\n- add(a; b?): Add two numbers.\n" in text
    assert "\n- calculator(expression: Such as 1+1): Work it out.\n" in text
    assert "\n- final_answer(text): " in text
    assert '"tool": "calculator", "arguments": {"expression": "20% of 50 + 7"}}' in text
    assert text.endswith("\n\nBe kind.")


def test_no_example_names_a_tool_that_is_not_there():
    [(_, text)] = contents(SYSTEM)
    assert "calculator" not in text
    assert "I greet back; no tool." in text


def test_a_call_and_its_result_become_a_step_and_a_message_that_repeats_the_question():
    assert contents(ASKED, CALLED, RESULT)[1:] == [
        ("user", "What is 1+1?"),
        ("assistant", '{"thought": "A sum.", "tool": "add", "arguments": {"a": 1}}'),
        (
            "user",
            "Result of add: 2\n\nThe question: What is 1+1?\nNext step, or final_answer if this"
            " is enough.",
        ),
    ]


def test_where_there_is_a_calculator_every_result_reminds_of_it():
    assert contents(ASKED, CALLED, RESULT, tools=(ADD, CALCULATOR))[-1][1].endswith(
        " needs the calculator."
    )


def test_an_answer_becomes_the_step_that_gave_it():
    assert contents(ASKED, ANSWERED)[-1] == (
        "assistant",
        '{"thought": "Done.", "tool": "final_answer", "arguments": {"text": "It is 2."}}',
    )


def test_several_calls_of_another_model_stand_beside_their_results():
    both = Message("assistant", (Call("x", "add", '{"a": 1}'), Call("y", "add", "{bad")))
    shown = contents(
        ASKED, both, Message("tool", "2", call_id="x"), Message("tool", "no", call_id="y")
    )[2:]
    assert [role for role, _ in shown] == ["assistant", "user", "assistant", "user"]
    assert shown[2][1] == '{"thought": "", "tool": "add", "arguments": {"text": "{bad"}}'
    assert shown[3][1].startswith("Result of add: no\n")


def test_a_long_result_and_a_long_question_are_cut_with_a_notice():
    said = Message("user", "q" * 1000)
    text = contents(said, CALLED, Message("tool", "r" * (MAX_RESULT_CHARS + 5), call_id="c1"))[-1][
        1
    ]
    assert "r" * MAX_RESULT_CHARS + "\n[5 more characters are left out]" in text
    assert "q" * 600 + " [...]" in text
    assert "q" * 601 not in text


WORDS = st.text(max_size=30)
TURNS = st.lists(st.tuples(WORDS, st.lists(WORDS, max_size=3), WORDS), min_size=1, max_size=4)


@given(TURNS)
def test_a_longer_conversation_begins_with_the_shorter_ones_bytes(turns):
    messages, seen = [SYSTEM], [""]
    for said, results, answer in turns:
        messages.append(Message("user", said))
        for result in results:
            messages += [CALLED, Message("tool", result, call_id="c1")]
            seen.append(json.dumps(contents(*messages)))
        messages.append(Message("assistant", answer))
        seen.append(json.dumps(contents(*messages)))
    assert all(later.startswith(earlier.rstrip("]")) for earlier, later in pairwise(seen))


def test_without_tools_the_prompt_is_plain():
    assert contents(SYSTEM, ASKED, ANSWERED, tools=()) == [
        ("system", "Be kind."),
        ("user", "What is 1+1?"),
        ("assistant", "It is 2."),
    ]
    assert "response_format" not in build_body(Request((ASKED,)))
    assert build_body(Request((ASKED,), max_output_tokens=7))["max_tokens"] == 7


def test_a_step_is_bound_to_the_known_tools_and_the_answer_thought_first():
    schema = build_body(Request((ASKED,), (ADD,)))["response_format"]["json_schema"]["schema"]
    assert [form["properties"]["tool"] for form in schema["anyOf"]] == [
        {"const": "add"},
        {"const": "final_answer"},
    ]
    assert [list(form["properties"]) for form in schema["anyOf"]] == [
        ["thought", "tool", "arguments"]
    ] * 2
    assert schema["anyOf"][0]["properties"]["arguments"] == {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a"],
        "additionalProperties": False,
    }


def test_a_structured_answer_is_the_arguments_of_the_last_step():
    request = Request(
        (SYSTEM, ASKED, Message("assistant", '{"name":"Ada"}')), (ADD,), output_schema=PERSON
    )
    assert build_reply_schema(request)["anyOf"][-1]["properties"]["arguments"] == PERSON
    assert list(render_messages(request))[-1]["content"] == write_step(
        "", "final_answer", {"name": "Ada"}
    )
    assert build_reply_schema(Request((ASKED,), output_schema=PERSON)) == PERSON


@pytest.mark.parametrize(
    ("part", "kept"),
    [
        ({"$ref": "#/definitions/Who"}, {"$ref": "#/$defs/book.Who"}),
        ({"$ref": "#/properties/other"}, {}),
        ({"$ref": "#/$defs/Nobody"}, {}),
        ({"$ref": "#"}, {}),
        ({"$ref": "https://example.org/who.json"}, {}),
        (True, {}),
        ({"items": [True, {"format": "uuid"}]}, {"items": [{}, {}]}),
        ({"type": "string", "minLength": 10**6}, {"type": "string"}),
        ({"type": "string", "maxLength": 10.0}, {"type": "string"}),
        ({"type": "integer", "maximum": 2**64}, {"type": "integer"}),
        ({"type": "integer", "minimum": 1}, {"type": "integer", "minimum": 1}),
        ({"additionalProperties": False}, {"additionalProperties": False}),
    ],
)
def test_what_would_have_the_whole_request_refused_is_left_out(part, kept):
    parameters = {
        "type": "object",
        "properties": {"part": part},
        "definitions": {"Who": {"type": "string"}},
    }
    request = Request((ASKED,), (ToolSchema("book", "Book it.", parameters),))
    schema = build_reply_schema(request)
    assert schema["anyOf"][0]["properties"]["arguments"]["properties"] == {"part": kept}
    assert schema["$defs"] == {"book.Who": {"type": "string"}}
    assert "- book(part?): Book it." in write_system_prompt(request)


def test_what_a_grammar_cannot_hold_is_left_out_and_definitions_move_to_the_root():
    tool = ToolSchema(
        "book",
        "Book it.",
        {
            "type": "object",
            "properties": {
                "who": {"$ref": "#/$defs/Who", "description": "x"},
                "code": {
                    "type": "string",
                    "pattern": "^(?!0)\\d+$",
                    "maxLength": 10**6,
                    "format": "uuid",
                },
                "pattern": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]+$"}},
            },
            "$defs": {
                "Who": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/Who"}], "title": "Who"}
            },
        },
    )
    schema = build_reply_schema(Request((ASKED,), (tool,)))
    assert schema["anyOf"][0]["properties"]["arguments"]["properties"] == {
        "who": {"$ref": "#/$defs/book.Who"},
        "code": {"type": "string"},
        "pattern": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]+$"}},
    }
    assert schema["$defs"] == {
        "book.Who": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/book.Who"}]}
    }


@pytest.mark.parametrize("pattern", ["[0-9]", "^a", "a$", "^(?i)a$", "^\\bA$", "^a+?$", "^a\\$"])
def test_a_pattern_beyond_the_grammar_is_left_out(pattern):
    assert keep_supported({"type": "string", "pattern": pattern}) == {"type": "string"}


def read(
    text: str, request: Request, finish: str = "stop", pieces: int = 1
) -> tuple[Reply, list[str]]:
    shown: list[str] = []
    reader = AnswerReader(request, shown.append)
    for start in range(0, len(text), pieces):
        reader.feed(text[start : start + pieces])
    return reader.finish(Reply(text, usage=Usage(5, 3), finish_reason=finish)), shown


TOOLS = Request((ASKED,), (ADD,))


def test_a_step_becomes_a_call_and_nothing_of_it_is_shown():
    reply, shown = read(write_step("A sum.", "add", {"a": "é"}), TOOLS)
    assert reply == Reply(
        (Thinking("A sum."), Call("", "add", '{"a": "é"}')), Usage(5, 3), "tool_calls"
    )
    assert shown == []


@given(st.text(min_size=1), st.integers(1, 9), st.booleans())
def test_an_answer_is_shown_as_it_is_written_whatever_is_in_it(text, pieces, escaped):
    raw = (
        write_step("Say it.", "final_answer", {"text": text})
        if not escaped
        else json.dumps({"thought": "t", "tool": "final_answer", "arguments": {"text": text}})
    )
    reply, shown = read(raw, TOOLS, pieces=pieces)
    assert (reply.text, "".join(shown), reply.calls) == (text, text, ())


def test_an_answer_is_shown_before_it_is_whole():
    shown: list[str] = []
    AnswerReader(TOOLS, shown.append).feed(
        '{"thought": "t", "tool": "final_answer", "arguments": {"text": "Two a'
    )
    assert shown == ["Two a"]


def test_an_answer_that_was_cut_is_a_partial_text_and_a_cut_call_is_none():
    whole = write_step("t", "final_answer", {"text": "one two three"})
    reply, shown = read(whole[:-9], TOOLS, "length")
    assert (reply.text, "".join(shown), reply.finish_reason, reply.calls) == (
        "one two",
        "one two",
        "length",
        (),
    )
    cut = read(write_step("t", "add", {"a": 123})[:-3], TOOLS, "length")[0]
    assert (cut.text, cut.calls, cut.finish_reason) == ("", (), "length")
    assert read("", TOOLS, "length")[0].text == ""


def test_a_structured_answer_is_json_and_shown_at_once():
    request = Request((ASKED,), (ADD,), output_schema=PERSON)
    reply, shown = read(write_step("t", "final_answer", {"name": "Ada"}), request)
    assert (reply.text, shown) == ('{"name": "Ada"}', ['{"name": "Ada"}'])


def test_without_tools_the_text_is_the_answer():
    reply, shown = read("plain", Request((ASKED,)), pieces=2)
    assert (reply.text, shown) == ("plain", ["pl", "ai", "n"])


HALF_PAIR = '{"thought": "t", "tool": "add", "arguments": {"a": "\\ud83d"}}'


@pytest.mark.parametrize(
    "text", ["", "Hello", "[1]", '{"thought": "t"}', '{"thought": "t", "tool": "add"', HALF_PAIR]
)
def test_what_is_no_step_is_an_error_that_may_pass(text):
    with pytest.raises(ModelUnavailable, match="is no step"):
        read(text, TOOLS)


def test_without_tools_past_calls_are_told_in_prose_so_that_prose_comes_back():
    call = Call("c1", "calculator", '{"expression": "1 + 1"}')
    asked = Message("assistant", (call,), "", {"thought": "I add."})
    shown = list(
        render_messages(
            Request((Message("user", "1 + 1?"), asked, Message("tool", "2", call_id="c1")))
        )
    )
    assert shown[1] == {
        "role": "assistant",
        "content": 'I use calculator({"expression": "1 + 1"}).',
    }
    assert "final_answer" not in shown[2]["content"]


def test_a_tool_that_was_called_twice_alike_is_no_choice_any_more_in_this_turn():
    def called(number, city):
        call = Call(f"c{number}", "weather", f'{{"city": "{city}"}}')
        return Message("assistant", (call,)), Message("tool", "no such city", call_id=call.id)

    tools = (
        ToolSchema("weather", "", {"type": "object"}),
        ToolSchema("clock", "", {"type": "object"}),
    )

    def choices(*messages):
        schema = build_reply_schema(Request((Message("user", "Oslo?"), *messages), tools))
        return [step["properties"]["tool"]["const"] for step in schema["anyOf"]]

    assert choices(*called(1, "Oslo")) == ["weather", "clock", "final_answer"]
    assert choices(*called(1, "Oslo"), *called(2, "Oslo")) == ["clock", "final_answer"]
    assert choices(*called(1, "Oslo"), *called(2, "Bergen")) == ["weather", "clock", "final_answer"]
    assert choices(*called(1, "Oslo"), *called(2, "Bergen"), *called(3, "Oslo")) == [
        "clock",
        "final_answer",
    ]
    again = (*called(1, "Oslo"), *called(2, "Oslo"), Message("user", "And now?"))
    assert choices(*again) == ["weather", "clock", "final_answer"]
