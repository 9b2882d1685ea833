"""A server on 127.0.0.1 that speaks Anthropic Messages as strictly as its documentation reads.

For tests. It refuses what the documentation says is refused, checks each body against the types of
Anthropic's SDK, and simulates the prompt cache. The pages were read on 2026-11-27; DOCS is
https://platform.claude.com/docs/en.

    script = [thinks("Let me add.") + uses("t1", "add", {"a": 1}), says("3")]
    async with messages_server(script) as server:
        model = server.model()
        ...
    assert server.faults == []
"""

import asyncio
import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from published import Given, find_type_faults, nothing_given
from server import Asked, Server, failing, send, serving, streamed
from treadle.models.anthropic.dialect import MESSAGES
from treadle.models.remote_model import RemoteModel

Block = dict[str, Any]
MODEL = "claude-sonnet-5-5"
LOOKBACK = 20
"""DOCS/build-with-claude/prompt-caching: from each point, 20 blocks are looked back for an entry."""
MIN_CACHED_TOKENS = 1024
"""The same page: shorter prefixes aren't cached."""
_MEDIA = ("image/jpeg", "image/png", "image/gif", "image/webp")


@dataclass(frozen=True)
class Said:
    """A reply of the script."""

    content: tuple[Block, ...]
    stop_reason: str = "end_turn"
    stop_details: Block | None = None
    usage: dict[str, Any] | None = None
    """None: as the server's cache counts."""

    def __add__(self, other: "Said") -> "Said":
        return replace(other, content=self.content + other.content)


Scripted = Said | bytes | Callable[[], bytes]
"""What is sent for one request; a function is called when that has come."""


def says(text: str, stop_reason: str = "end_turn", **fields: Any) -> Said:
    return Said(({"type": "text", "text": text, **fields},), stop_reason)


def thinks(text: str) -> Said:
    """A thought; the server signs it."""
    return Said(({"type": "thinking", "thinking": text, "signature": ""},))


def hides() -> Said:
    """A thought that the provider has encrypted."""
    return Said(({"type": "redacted_thinking", "data": "RW5jcnlwdGVk"},))


def uses(call_id: str, name: str, arguments: Any) -> Said:
    block = {"type": "tool_use", "id": call_id, "name": name, "input": arguments}
    return Said((block,), "tool_use")


def searches(call_id: str, query: str) -> Said:
    block = {
        "type": "server_tool_use",
        "id": call_id,
        "name": "web_search",
        "input": {"query": query},
    }
    return Said((block,), "pause_turn")


def finds(call_id: str, url: str, title: str) -> Said:
    found = {
        "type": "web_search_result",
        "url": url,
        "title": title,
        "encrypted_content": "RW5j",
        "page_age": "1 day",
    }
    return Said(({"type": "web_search_tool_result", "tool_use_id": call_id, "content": [found]},))


@dataclass
class MessagesServer:
    """Answers by the script. `faults` says what of a request was refused."""

    script: list[Scripted]
    faults: list[str] = field(default_factory=list)
    usages: list[dict[str, int]] = field(default_factory=list)
    server: Server = field(default_factory=lambda: Server("", []))
    thoughts: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By signature: the thought, and the digest of all that came before it."""
    given: list[Block] = field(default_factory=list)
    cached: set[str] = field(default_factory=set)

    @property
    def bodies(self) -> list[Any]:
        return [asked.body for asked in self.server.asked]

    def model(self, name: str = MODEL, **settings: Any) -> RemoteModel:
        return RemoteModel(
            name, base_url=self.server.url, api_key="k-secret", dialect=MESSAGES, **settings
        )

    async def answer(self, writer: asyncio.StreamWriter) -> None:
        asked = self.server.asked[-1]
        faults = [*find_header_faults(asked), *find_body_faults(asked.body, self.is_given)]
        faults += self.find_thought_faults(asked.body)
        ended = failing(500, {"error": "the script has ended"})
        said: Scripted = self.script.pop(0) if self.script else ended
        if faults:
            self.faults += faults
            error = {"type": "invalid_request_error", "message": "; ".join(faults)}
            said = failing(400, {"type": "error", "error": error})
        elif isinstance(said, Said):
            said = streamed([self.take(said)])
        elif not isinstance(said, bytes):
            said = said()
        await send(writer, said)

    def take(self, said: Said) -> bytes:
        """The events of a reply to the last request, which is known from then on."""
        body = self.bodies[-1]
        signed = self.sign(said, body)
        counted = self.count(body)
        return stream_events(signed, said.usage or counted)

    def take_body(self, said: Said) -> dict[str, Any]:
        """The same as one object, as it comes without a stream."""
        signed = self.sign(said, self.bodies[-1])
        ended = {"stop_reason": said.stop_reason, "stop_sequence": None}
        usage = said.usage or self.count(self.bodies[-1])
        return _message() | {"content": list(signed.content), **ended, "usage": usage}

    def is_given(self, name: str, value: Any) -> bool:
        """Whether a block of its own has this field with this value: it takes it back."""
        return any(name in block and block[name] == value for block in self.given)

    def sign(self, said: Said, body: Any) -> Said:
        """The reply with signed thoughts, each bound to what came before it."""
        before = [_digest(part) for part in prompt_parts(body)]
        content: list[Block] = []
        for block in said.content:
            if block["type"] == "thinking":
                signature = f"sig-{len(self.thoughts)}"
                self.thoughts[signature] = (block["thinking"], _digest(before))
                block = block | {"signature": signature}
            content.append(block)
            before.append(_digest(block))
        self.given += content
        return replace(said, content=tuple(content))

    def find_thought_faults(self, body: Any) -> Iterator[str]:
        """DOCS/build-with-claude/preserved-thinking/prefix-checks: a thought is sent back as it

        came, in its place, or not at all; nothing before it may have changed.
        """
        before: list[str] = []
        for part in prompt_parts(body):
            if part.get("type") == "thinking":
                text, prefix = self.thoughts.get(part["signature"], ("", ""))
                if text != part["thinking"]:
                    yield "Invalid `signature` in `thinking` block"
                elif prefix != _digest(before):
                    yield "thinking block is bound to a different conversation"
            before.append(_digest(part))

    def count(self, body: Any) -> dict[str, Any]:
        """What is read from the cache and written to it.

        Prompt caching, DOCS/build-with-claude/prompt-caching; "What invalidates the cache": the
        choice of tools and thinking are part of what is kept of messages, not of what is before.
        """
        parts = prompt_parts(body, keep_points=True)
        head = len([*body.get("tools", ()), *body.get("system", ())])
        digest, tokens = str(body["model"]), 0
        prefixes: list[tuple[str, int]] = []
        points: list[int] = []
        for index, part in enumerate(parts):
            if index == head:
                digest = _digest([digest, body.get("tool_choice"), body.get("thinking")])
            if "cache_control" in part:
                points.append(index)
            plain = {key: value for key, value in part.items() if key != "cache_control"}
            digest = _digest([digest, plain])
            tokens += len(json.dumps(plain)) // 4
            prefixes.append((digest, tokens))
        read = 0
        for point in points:
            for index in range(point, max(-1, point - LOOKBACK), -1):
                if prefixes[index][0] in self.cached:
                    read = max(read, prefixes[index][1])
                    break
        written = read
        for point in points:
            if prefixes[point][1] >= MIN_CACHED_TOKENS:
                self.cached.add(prefixes[point][0])
                written = max(written, prefixes[point][1])
        usage = {
            "input_tokens": tokens - written,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": written - read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": written - read,
                "ephemeral_1h_input_tokens": 0,
            },
            "output_tokens": 5,
            "service_tier": "standard",
        }
        self.usages.append(usage)
        return usage


@asynccontextmanager
async def messages_server(script: Sequence[Scripted]) -> AsyncIterator[MessagesServer]:
    """The server, until the block ends."""
    made = MessagesServer(list(script))
    async with serving(*[made.answer] * 500) as server:
        made.server = server
        yield made


def prompt_parts(body: Any, keep_points: bool = False) -> list[Block]:
    """All blocks in the order in which the model reads them: tools, system, messages."""
    parts = [*body.get("tools", ()), *body.get("system", ())]
    for message in body["messages"]:
        parts += [{"role": message["role"], **block} for block in message["content"]]
    if keep_points:
        return parts
    return [
        {key: value for key, value in part.items() if key not in ("cache_control", "role")}
        for part in parts
    ]


def find_header_faults(asked: Asked) -> Iterator[str]:
    """DOCS/api/overview: the headers of every request."""
    if asked.headers.get("x-api-key") != "k-secret":
        yield "x-api-key: there is none, or a wrong one"
    if asked.headers.get("anthropic-version") != "2023-06-01":
        yield "anthropic-version: there is none"
    if asked.line != "POST /v1/messages HTTP/1.1":
        yield f"{asked.line}: not found"


@cache
def _adapter() -> TypeAdapter[Any]:
    from anthropic.types.message_create_params import MessageCreateParamsStreaming  # seconds

    return TypeAdapter(MessageCreateParamsStreaming)


def find_body_faults(body: Any, given: Given = nothing_given) -> Iterator[str]:
    """What the API refuses, as far as the documentation says it. DOCS/api/errors and the pages of
    the features."""
    yield from find_type_faults(_adapter(), body, given)
    points = json.dumps(body).count('"cache_control"')
    if points > 4:  # DOCS/build-with-claude/prompt-caching
        yield f"A maximum of 4 blocks with cache_control may be provided. Found {points}."
    thinking = body.get("thinking") or {}
    if thinking.get("type") == "enabled" and not (
        1024 <= thinking["budget_tokens"] < body["max_tokens"]
    ):  # DOCS/build-with-claude/extended-thinking
        yield "max_tokens must be greater than thinking.budget_tokens"
    messages = body["messages"]
    if not messages or messages[0]["role"] != "user":
        yield "messages: first message must use the user role"
    names = {tool["name"] for tool in body.get("tools", ())}
    for name in names:  # DOCS/agents-and-tools/tool-use/define-tools
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", name):
            yield f"tools: the name {name!r} is illegal"
    for number, tool in enumerate(body.get("tools", ())):
        keys = tool.get("input_schema", {}).get("properties", ())
        if not all(re.fullmatch(r"[a-zA-Z0-9_.-]{1,64}", key) for key in keys):
            place = f"tools.{number}.custom.input_schema.properties"
            yield f"{place}: Property keys should match pattern '^[a-zA-Z0-9_.-]{{1,64}}$'"
    if "tool_choice" in body and not names:
        yield "tool_choice may only be specified while providing tools"
    if not names and any(b["type"] == "tool_use" for m in messages for b in m["content"]):
        yield "tools: field required, the messages have tool_use blocks"
    last = messages[-1] if messages else {"role": "", "content": []}
    if last["role"] == "assistant" and last["content"][-1]["type"] in ("text", "tool_use"):
        yield "this model does not support prefill; the last message must be a user's"
    seen: set[str] = set()
    for index in range(len(messages)):
        for fault in find_message_faults(messages, index, seen):
            yield f"messages.{index}: {fault}"


def find_message_faults(messages: list[Any], index: int, seen: set[str]) -> Iterator[str]:
    message = messages[index]
    if index and messages[index - 1]["role"] == message["role"]:
        yield "roles must alternate"
    if not message["content"]:
        yield "content must not be empty"
    for block in message["content"]:
        if block["type"] == "text" and not block["text"].strip():
            yield "text content blocks must contain non-whitespace text"
        if "cache_control" in block and block["type"] in ("thinking", "redacted_thinking"):
            yield "thinking blocks cannot have cache_control"
        yield from find_source_faults(block)
    kinds = [block["type"] for block in message["content"]]
    if message["role"] == "user":
        yield from find_result_faults(messages, index)
        return
    if kinds and kinds[-1] in ("thinking", "redacted_thinking"):
        yield "the final block of an assistant message cannot be thinking"
    ids = [block["id"] for block in message["content"] if block["type"] == "tool_use"]
    if len(set(ids)) < len(ids) or seen & set(ids):
        yield "tool_use ids must be unique"
    for call_id in ids:
        if not re.fullmatch(r"[a-zA-Z0-9_-]+", call_id):
            yield f"the tool_use id {call_id!r} is illegal"
    if ids and index + 1 == len(messages):
        yield "tool_use ids were found without tool_result blocks immediately after"
    seen.update(ids)
    yield from find_provider_faults(messages, index)


def find_result_faults(messages: list[Any], index: int) -> Iterator[str]:
    """DOCS/agents-and-tools/tool-use/handle-tool-calls: results follow at once, before any text."""
    asked: list[str] = []
    if index:
        before = messages[index - 1]["content"]
        asked = [block["id"] for block in before if block["type"] == "tool_use"]
    content = messages[index]["content"]
    answered = [block["tool_use_id"] for block in content if block["type"] == "tool_result"]
    if sorted(asked) != sorted(answered):
        yield f"tool_use ids {asked} were found without their tool_result blocks: {answered}"
    kinds = [block["type"] == "tool_result" for block in content]
    if kinds != sorted(kinds, reverse=True):
        yield "tool_result blocks must come first"
    for block in content:
        if block["type"] == "tool_result":
            for part in block.get("content", ()):
                yield from find_source_faults(part)
                if part["type"] == "text" and not part["text"].strip():
                    yield "tool_result: text content blocks must be non-empty"


def find_provider_faults(messages: list[Any], index: int) -> Iterator[str]:
    """DOCS/agents-and-tools/tool-use/server-tools: a result has its call, and a call its result."""
    called = {
        block["id"]
        for message in messages[: index + 1]
        for block in message["content"]
        if block["type"] == "server_tool_use"
    }
    answered = {block.get("tool_use_id") for message in messages for block in message["content"]}
    for block in messages[index]["content"]:
        if block["type"].endswith("_tool_result") and block["tool_use_id"] not in called:
            yield f"{block['type']} without its server_tool_use"
        if block["type"] == "server_tool_use" and block["id"] not in answered:
            later = [b for m in messages[index + 1 :] for b in m["content"]]
            if any(each["type"] != "tool_result" for each in later):
                yield "server_tool_use without its result"


def find_source_faults(block: Block) -> Iterator[str]:
    """DOCS/build-with-claude/vision and DOCS/build-with-claude/pdf-support."""
    source = block.get("source")
    if not source:
        return
    if source["type"] == "base64":
        kinds = _MEDIA if block["type"] == "image" else ("application/pdf",)
        if source["media_type"] not in kinds:
            yield f"source.media_type: {source['media_type']} isn't one of {kinds}"
        base64.b64decode(source["data"], validate=True)
    if source["type"] == "url" and not source["url"].startswith("https://"):
        yield "only https URLs are supported"


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def event(name: str, **data: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (
        name.encode(),
        json.dumps({"type": name, **data}).encode(),
    )


def stream_events(said: Said, usage: dict[str, Any], pieces: int = 3) -> bytes:
    """The events of a reply, as DOCS/build-with-claude/streaming has them."""
    start = _message() | {"usage": usage | {"output_tokens": 1}}
    events = [event("message_start", message=start), event("ping")]
    for index, block in enumerate(said.content):
        begun, deltas = split_block(block, pieces)
        events.append(event("content_block_start", index=index, content_block=begun))
        events += [event("content_block_delta", index=index, delta=delta) for delta in deltas]
        events.append(event("content_block_stop", index=index))
    stop = {"stop_reason": said.stop_reason, "stop_sequence": None}
    if said.stop_details:
        stop["stop_details"] = said.stop_details
    last = {name: each for name, each in usage.items() if name.startswith("output_tokens")}
    events.append(event("message_delta", delta=stop, usage=last))
    events.append(event("message_stop"))
    return b"".join(events)


def _message() -> Block:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def split_block(block: Block, pieces: int) -> tuple[Block, list[Block]]:
    """The beginning of a block, and the pieces that follow."""
    kind = block["type"]
    if kind == "text":
        begun = block | {"text": ""}
        citations = begun.pop("citations", ())
        deltas = [{"type": "citations_delta", "citation": each} for each in citations]
        texts = _cut(block["text"], pieces)
        return begun, deltas + [{"type": "text_delta", "text": text} for text in texts]
    if kind == "thinking":
        deltas = [
            {"type": "thinking_delta", "thinking": text} for text in _cut(block["thinking"], pieces)
        ]
        signature = {"type": "signature_delta", "signature": block["signature"]}
        return block | {"thinking": "", "signature": ""}, [*deltas, signature]
    if kind in ("tool_use", "server_tool_use"):
        text = block["input"]
        if not isinstance(text, str):
            text = json.dumps(text) if text else ""
        cuts = _cut(text, pieces) or [""]
        deltas = [{"type": "input_json_delta", "partial_json": each} for each in cuts]
        return block | {"input": {}}, deltas
    return block, []


def _cut(text: str, pieces: int) -> list[str]:
    size = max(1, -(-len(text) // pieces))
    return [text[at : at + size] for at in range(0, len(text), size)]
