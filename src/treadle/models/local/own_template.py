"""Speaks to a model by the chat template of its own file. Pure.

llama.cpp applies the template to messages and tools, and gives back the text as the model wrote it;
call_text.py finds the thought and the calls in it.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import structs

from ...core.events import Block, Text, Thinking
from ...core.model import Reply, Request
from ..chat.encode import encode_message, encode_tool
from .call_text import (
    read_bare_call,
    read_calls,
    split_calls,
    split_thought,
    visible_part,
)
from .grammar_schema import keep_supported


def build_own_body(request: Request) -> dict[str, Any]:
    """The fields of the body that depend on the request, as any server of chat completions has."""
    body: dict[str, Any] = {
        "messages": [msgspec.Raw(message.encoded(encode_message)) for message in request.messages],
        "max_tokens": request.max_output_tokens,
    }
    if request.tools:
        body["tools"] = [msgspec.Raw(tool.encoded(encode_tool)) for tool in request.tools]
    elif request.output_schema:
        body["grammar"] = write_grammar(keep_supported(request.output_schema))
    return body


def write_grammar(schema: dict[str, Any]) -> str:
    """The grammar of a JSON Schema, as llama.cpp itself makes it of `response_format`.

    It doesn't where replies are given back as the model wrote them.
    """
    return f"%llguidance {{}}\nstart: %json {msgspec.json.encode(schema).decode()}"


class OwnReader:
    """Takes the text as it is generated, and emits what the user may see. `finish` gives the Reply.

    `begun`: the replies begin in the middle of a thought.
    """

    def __init__(
        self, request: Request, begun: bool, emit: Callable[[str | Thinking], None]
    ) -> None:
        self._request = request
        self._begun = begun
        self._emit = emit
        self._text = ""
        self._thought = 0
        self._said = 0

    def feed(self, piece: str | Thinking) -> None:
        if isinstance(piece, Thinking):
            self._emit(piece)
            return
        self._text += piece
        thought, rest = split_thought(self._text, self._begun)
        if not rest:
            thought = ""  # shown when it is whole: a mark may be half written at its end
        said = visible_part(rest)
        if self._request.tools and said.startswith(("{", "`")):
            said = ""  # it may become a call without marks
        self._show(thought, said)

    def finish(self, raw: Reply) -> Reply:
        """The reply in the form that any other model would have given."""
        thought, rest = split_thought(raw.text, self._begun)
        said, bodies, whole = split_calls(rest)
        if raw.finish_reason == "length" and not whole:
            bodies.pop()  # cut off in the middle
        tools = self._request.tools
        calls = [call for body in bodies for call in read_calls(body, tools)]
        if not calls and (bare := read_bare_call(said, tools)):
            said, calls = "", [bare]
        self._show(thought, said.strip())
        blocks: list[Block] = []
        if thought:
            blocks.append(Thinking(thought, {"reasoning_content": thought}))
        if said.strip():
            blocks.append(Text(said.strip()))
        if not calls:
            return structs.replace(raw, content=tuple(blocks) if thought else said.strip())
        content = (*blocks, *calls)
        return structs.replace(raw, content=content, finish_reason="tool_calls")

    def _show(self, thought: str, said: str) -> None:
        if len(thought) > self._thought:
            self._emit(Thinking(thought[self._thought :]))
            self._thought = len(thought)
        if len(said) > self._said:
            self._emit(said[self._said :])
            self._said = len(said)
