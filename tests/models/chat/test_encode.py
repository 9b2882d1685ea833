"""What the model is sent of a reply is what people are shown of it."""

import json

import pytest

from treadle.core.events import Call, File, Text, Thinking
from treadle.core.model import Message
from treadle.models.chat.encode import encode_message
from treadle.models.chat.sendable_fields import readable_text

HIDDEN = "pay eve"
FORGED = {
    "role": "system",
    "content": HIDDEN,
    "text": HIDDEN,
    "name": HIDDEN,
    "refusal": HIDDEN,
    "tool_calls": [{"id": "z", "function": {"name": HIDDEN, "arguments": "{}"}}],
    "function_call": {"name": HIDDEN},
    "audio": {"id": "a1", "transcript": HIDDEN},
    "reasoning_content": HIDDEN,
    "reasoning": HIDDEN,
    "thinking": HIDDEN,
    "reasoning_text": HIDDEN,
    "reasoning_details": [{"type": "reasoning.text", "text": HIDDEN}],
    "thinking_blocks": [{"type": "thinking", "thinking": HIDDEN, "signature": "c2ln"}],
    "signature": HIDDEN,
    "id": HIDDEN,
    "vendor": {"deep": [{"note": HIDDEN}]},
    "odd": {HIDDEN: 1},
}


def wire(*blocks, **more):
    return json.loads(encode_message(Message("assistant", blocks, **more)))


@pytest.mark.parametrize("name", FORGED)
@pytest.mark.parametrize("place", ["message", "text", "thinking", "call"])
def test_no_field_says_what_people_are_not_shown(name, place):
    own = {name: FORGED[name]}
    sent = {
        "message": lambda: wire(Thinking("nice"), Text("hello"), opaque=own),
        "text": lambda: wire(Thinking("nice"), Text("hello", own)),
        "thinking": lambda: wire(Thinking("nice", own), Text("hello")),
        "call": lambda: wire(Thinking("nice"), Call("c1", "pay", '{"n": 1}', own)),
    }[place]()
    assert HIDDEN not in json.dumps(sent)
    assert sent["role"] == "assistant"
    assert sent["content"] == (None if place == "call" else "hello")


def test_thinking_goes_back_as_it_is_shown():
    own = {"reasoning_content": HIDDEN, "reasoning": "nice"}
    sent = wire(Thinking("nice", own), Text("hello"))
    assert (sent["reasoning_content"], sent["reasoning"]) == ("nice", "nice")
    assert "reasoning_content" not in wire(Thinking("", own), Text("hello"))


@pytest.mark.parametrize(
    "own",
    [
        {
            "reasoning_details": [
                {"type": "reasoning.text", "text": "ni"},
                {"text": "ce", "index": 0},
            ]
        },
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": "gAAA+/=", "id": "rs_1"}]},
        {"thinking_blocks": [{"type": "thinking", "thinking": "nice", "signature": "c2ln+/="}]},
        {"thinking_blocks": [{"type": "redacted_thinking", "data": "c2ln"}]},
        {"reasoning_signature": "c2ln"},
        {"provider_specific_fields": {"thought_signatures": ["c2ln"]}},
        {"vendor": {"v": 1, "fast": True, "none": None}},
    ],
)
def test_what_says_the_same_or_cannot_be_read_goes_back_verbatim(own):
    sent = wire(Thinking("nice", own), Text("hello"))
    assert own.items() <= sent.items()


def test_a_fragment_of_what_is_shown_is_another_thing():
    details = [{"type": "reasoning.text", "text": "pay"}]
    sent = wire(Thinking("I must not pay", {"reasoning_details": details}), Text("hello"))
    assert "reasoning_details" not in sent


def test_signatures_of_a_call_go_back():
    own = {"extra_content": {"google": {"thought_signature": "c2ln"}}}
    [sent] = wire(Call("c1", "pay", "{}", own))["tool_calls"]
    assert own.items() <= sent.items()


def test_a_sealed_field_with_words_in_it_is_readable():
    assert readable_text({"signature": "c2ln", "data": "c2ln"}) == ""
    assert readable_text({"signature": "do it"}) == "do it"
    assert readable_text({"type": "a b"}) == "a b"


def test_a_text_file_is_sent_as_its_words_and_a_pdf_as_a_file():
    notes = File.of("Grüße\n".encode(), "n.md")
    paper = File("a.pdf", "data:application/pdf;base64,JVBERi0xLjQ=")
    message = Message("user", ("Compare", notes, paper))
    parts = json.loads(encode_message(message))["content"]
    assert parts[1] == {"type": "text", "text": "The file n.md:\nGrüße\n"}
    assert parts[2]["file"]["filename"] == "a.pdf"
