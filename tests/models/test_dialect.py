"""A dialect of its own, as small as can be: whoever adds one needs nothing but a Dialect."""

import asyncio
import json
import tracemalloc
from collections.abc import Callable

import pytest

from server import http, serving
from treadle.core.events import Call, Text, Thinking, Usage
from treadle.core.model import Message, Reply, Request, ToolSchema
from treadle.core.prompt_hash import prompt_hash
from treadle.models.chat.encode import encode_message
from treadle.models.dialect import Dialect, RequestFields, join_body
from treadle.models.remote_model import RemoteModel


class SpelledReply:
    """`event: letter` adds a letter, `event: end` ends the reply."""

    def __init__(self) -> None:
        self.pieces: list[str | Thinking] = []
        self.usage: Usage | None = None
        self.done = False
        self._letters: list[str] = []

    @property
    def whole(self) -> bool:
        return self.done

    def add(self, name: bytes, data: bytes) -> None:
        if name == b"end":
            self.done = True
            self.usage = Usage(3, len(self._letters))
            return
        self._letters.append(json.loads(data))
        self.pieces.append(self._letters[-1])

    def add_body(self, body: bytes) -> None:
        self._letters = list(json.loads(body)["letters"])
        self.done = True

    def reply(self, usage: Usage) -> Reply:
        return Reply((Thinking("hm"), Text("".join(self._letters))), self.usage or usage)


def spell(request: Request, fields: RequestFields) -> bytes:
    said = [message.encoded(spell_message) for message in request.messages]
    return join_body(json.dumps({"to": fields.model}).encode(), {"say": said})


def spell_message(message: Message) -> bytes:
    return json.dumps(list(message.text)).encode()


SPELLED = Dialect("spelled", "/spell", spell, SpelledReply)


def test_a_model_speaks_a_dialect_of_its_own():
    stream = b'event: letter\ndata: "h"\n\nevent: letter\ndata: "i"\n\nevent: end\ndata: {}\n\n'

    async def main() -> None:
        async with serving(
            http(200, stream, {"content-type": "text/event-stream"}),
            http(200, b'{"letters": "ok"}'),
        ) as server:
            model = RemoteModel("m", base_url=server.url, api_key="k", dialect=SPELLED)
            pieces: list[str | Thinking] = []
            reply = await model.reply(Request((Message("user", "ab"),)), pieces.append)
            assert reply == Reply((Thinking("hm"), Text("hi")), Usage(3, 2))
            assert "".join(str(piece) for piece in pieces) == "hi"
            assert server.asked[0].line == "POST /v1/spell HTTP/1.1"
            assert server.asked[0].body == {"to": "m", "say": [["a", "b"]]}
            assert (await model.reply(Request((Message("user", "ab"),)), print)).text == "ok"

    asyncio.run(main())


def test_a_message_is_encoded_once_for_each_dialect():
    asked: list[str] = []

    def encoder(name: str) -> Callable[[Message], bytes]:
        def encode(message: Message) -> bytes:
            asked.append(name)
            return name.encode()

        return encode

    one, other = encoder("one"), encoder("other")
    message = Message("user", "hi")
    assert [message.encoded(each) for each in (one, other, one, other)] == [
        b"one",
        b"other",
        b"one",
        b"other",
    ]
    assert asked == ["one", "other"]


def test_the_hash_is_of_what_was_said_and_of_no_dialect_s_bytes():
    # Chat completions can't say in which order these came; the hash can.
    thought, text, call = Thinking("hm"), Text("I look"), Call("c1", "add", "{}")
    one = Message("assistant", (thought, text, call))
    other = Message("assistant", (text, thought, call))
    assert encode_message(one) == encode_message(other)
    assert prompt_hash([one], ()) != prompt_hash([other], ())
    assert prompt_hash([one], ()) == prompt_hash([Message("assistant", one.content)], ())
    assert prompt_hash([Message("assistant", (Text("hi"),))], ()) == prompt_hash(
        [Message("assistant", "hi")], ()
    )
    tools = [ToolSchema("add", "Adds.", {"type": "object"}, labels=("private",))]
    unlabelled = [ToolSchema("add", "Adds.", {"type": "object"})]
    assert prompt_hash([one], tools) == prompt_hash([one], unlabelled)  # the model isn't told
    assert prompt_hash([one], tools) != prompt_hash([one], ())


def test_what_another_dialect_kept_of_the_same_model_is_left_out():
    item = {"type": "message", "id": "msg_1", "status": "completed"}
    blocks = (
        Thinking("hm", {"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA"}),
        Text("I add.", item),
        Call("c1", "add", "{}", {"type": "function_call", "id": "fc_1", "status": "completed"}),
    )
    assert json.loads(encode_message(Message("assistant", blocks, model="m"))) == {
        "role": "assistant",
        "content": "I add.",
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
        ],
    }


@pytest.mark.parametrize("items", [[], [b"1"], [b"1", b"[2, 3]", b'{"a":4}']])
def test_a_body_is_joined_of_fields_and_lists(items):
    body = join_body(b'{"model":"m"}', {"tools": items, "messages": [b"5", b"6"]})
    tools = [json.loads(each) for each in items]
    assert json.loads(body) == {"model": "m", "tools": tools, "messages": [5, 6]}


def test_a_body_is_made_in_memory_for_one():
    items = [bytes(1000)] * 1000
    tracemalloc.start()
    body = join_body(b'{"model":"m"}', {"messages": items})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(body) < peak < 1.5 * len(body)
