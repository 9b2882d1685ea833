"""What a model thinks is shown, in whatever field its server sends it; what is encrypted is not."""

import json

import pytest

from server import delta, stream
from treadle.core.events import Thinking
from treadle.core.model import Message
from treadle.models.chat.content_parts import ContentParts
from treadle.models.chat.dialect import CHAT
from treadle.models.chat.encode import encode_message
from treadle.models.chat.thought_text import read_thought
from treadle.models.reply_reader import ReplyReader


@pytest.mark.parametrize(
    ("message", "thought"),
    [
        ({"reasoning": "I see"}, "I see"),
        ({"reasoning": "I see", "reasoning_content": "I see"}, "I see"),
        ({"reasoning_details": [{"type": "reasoning.text", "text": "I see"}]}, "I see"),
        ({"reasoning_details": [{"type": "reasoning.summary", "summary": "I see"}]}, "I see"),
        ({"reasoning": "", "reasoning_details": [{"type": "reasoning.text", "text": "a"}]}, "a"),
        ({"thinking_blocks": [{"type": "thinking", "thinking": "I see"}]}, "I see"),
        ({"content": [{"type": "text", "text": "said"}]}, ""),
        ({"reasoning_details": [{"type": "reasoning.encrypted", "data": "c2ln"}]}, ""),
        ({"reasoning_details": [None, 5, {"type": 5}, {"type": "thinking", "text": 5}]}, ""),
        ({"reasoning": 5, "thinking_blocks": "odd", "content": "said"}, ""),
    ],
)
def test_a_piece_of_thinking_is_found_in_every_field(message, thought):
    assert read_thought(message) == thought


@pytest.mark.parametrize(
    "part",
    [
        {"type": "thinking", "thinking": [{"type": "text", "text": "I see"}]},
        {"type": "reasoning", "summary": [{"text": "I "}, {"text": "see"}]},
    ],
)
def test_thinking_among_the_parts_of_a_content_is_found(part):
    assert ContentParts().add_part(part) == Thinking("I see")


@pytest.mark.parametrize(
    "pieces",
    [
        [{"reasoning_details": [{"type": "reasoning.text", "text": t}]} for t in ("I ", "see")],
        [{"content": [{"type": "thinking", "thinking": [{"text": t}]}]} for t in ("I ", "see")],
    ],
)
def test_thinking_in_parts_is_told_piece_by_piece_and_is_no_part_of_the_answer(pieces):
    reader = ReplyReader(CHAT)
    told = [shown for piece in pieces for shown in reader.feed(stream(delta(**piece), done=False))]
    assert told == [Thinking("I "), Thinking("see")]
    reader.feed(stream(delta("stop", content="144")))
    reply = reader.finish(100)
    assert reply.text == "144"
    assert [part.text for part in reply.content if isinstance(part, Thinking)] == ["I see"]
    wire = json.loads(encode_message(Message("assistant", reply.content, opaque=reply.opaque)))
    said = wire["content"]
    if "content" in pieces[0]:  # such a server wants its parts back
        thought, said = said[0], said[1]["text"]
        assert thought == {"type": "thinking", "thinking": [{"text": "I see"}]}
    assert said == "144"
