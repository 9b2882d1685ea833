"""The conversations in chat completions: replies as the server sends them, and prompts read back."""

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from chat_server import ChatServer, Completion, chunks, said, strict_chat, usage, whole_body
from conformance.conversation import Calls, Fails, Reply, Says, Searches, Thinks
from conformance.lines import SEALED, one_line, say_call, say_file, say_picture
from conformance.sending import fail, send, with_unknown
from server import http, stream

BESIDE = "What the calls above gave besides text:"


def write_reply(reply: Reply, number: int) -> Completion:
    """A reply as one message: thinking, words and calls, in this order."""
    blocks = reply.blocks
    thoughts = [each.text for each in blocks if isinstance(each, Thinks)]
    texts = [each.text for each in blocks if isinstance(each, Says)]
    calls = [(each.name, each.arguments) for each in blocks if isinstance(each, Calls)]
    fields: dict[str, Any] = {}
    if "" in thoughts:  # https://openrouter.ai/docs/use-cases/reasoning-tokens
        sealed = {"type": "reasoning.encrypted", "data": f"c2VhbGVk{number}", "index": 0}
        fields["reasoning_details"] = [sealed]
    found = [each for each in blocks if isinstance(each, Searches)]
    if found:  # https://developers.openai.com/api/docs/guides/tools-web-search
        fields["annotations"] = [
            {
                "type": "url_citation",
                "url_citation": {
                    "url": each.url,
                    "title": each.title,
                    "start_index": 0,
                    "end_index": 1,
                },
            }
            for each in found
        ]
    if reply.refusal:
        fields["refusal"] = reply.refusal
    made = said("".join(thoughts), "\n\n".join(texts), calls, **fields)
    ends = {"": made.finish_reason, "length": "length", "filtered": "content_filter"}
    counted = None
    if reply.counts:
        counts = reply.counts
        counted = usage(
            counts.input,
            counts.read,
            counts.output,
            cache_write_tokens=counts.written,
            reasoning_tokens=counts.reasoning,
        )
    return replace(made, finish_reason=ends[reply.end], usage=counted)


def error(fails: Fails) -> Any:
    return {"error": {"message": fails.words, "type": fails.kind, "code": None, "param": None}}


def join_paused(replies: Sequence[Reply | Fails]) -> list[Reply | Fails]:
    """Replies without pauses: this dialect has none, so the provider goes on by itself."""
    made: list[Reply | Fails] = []
    for each in replies:
        last = made[-1] if made else None
        if isinstance(last, Reply) and last.end == "paused" and isinstance(each, Reply):
            made[-1] = replace(each, blocks=last.blocks + each.blocks)
        else:
            made.append(each)
    return made


@asynccontextmanager
async def serve(replies: Sequence[Reply | Fails]) -> AsyncIterator[ChatServer]:
    """The strict server, with these replies to give."""
    async with strict_chat() as server:
        for number, each in enumerate(join_paused(replies)):
            if isinstance(each, Fails):
                server.script.append(fail(each, error))
            elif each.sent == "stream":
                server.script.append(write_reply(each, number))
            else:
                server.script.append(lambda each=each, number=number: _send(server, each, number))
        yield server


def _send(server: ChatServer, reply: Reply, number: int) -> bytes:
    made = server.take(write_reply(reply, number))
    if reply.sent == "body":
        return http(200, json.dumps(whole_body(made)).encode())
    events: list[Any] = list(chunks(made))
    if reply.sent == "unknown":
        events = [with_unknown(each) for each in events]
        server.given.append({"future": {"level": 1}})
        events.insert(1, {"object": "future.event", "future": 1})
    # https://openrouter.ai/docs/api-reference/streaming, "Handling Errors During Streaming"
    broken = {
        "error": {"code": 502, "message": "Provider disconnected unexpectedly"},
        "choices": [],
    }
    coded = [b": a comment\n\n", *[stream(each, done=False) for each in events]]
    return send(reply, [*coded, b"data: [DONE]\n\n"], stream(broken, done=False))


def read_prompt(body: Any) -> list[str]:
    """What the model is shown, a line each."""
    lines: list[str] = []
    for message in body["messages"]:
        lines += _read_message(message)
    return [one_line(line) for line in lines]


def _read_message(message: Any) -> Iterator[str]:
    content = message.get("content")
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
    shown = " ".join(_read_part(part) for part in parts)
    match message["role"]:
        case "assistant":
            if "reasoning_details" in message:
                yield f"thinks: {SEALED}"
            elif message.get("reasoning_content"):
                yield f"thinks: {message['reasoning_content']}"
            if shown.strip():
                yield f"says: {shown}"
            for call in message.get("tool_calls", ()):
                yield say_call(call["function"]["name"], call["function"]["arguments"])
        case "tool":
            yield f"gives: {shown}"
        case "user" if shown.startswith(BESIDE):
            yield f"beside: {shown.removeprefix(BESIDE).strip()}"
        case role:
            yield f"{role}: {shown}"


def _read_part(part: Any) -> str:
    match part["type"]:
        case "image_url":
            return say_picture(part["image_url"]["url"])
        case "file":
            return say_file(part["file"]["filename"], part["file"]["file_data"])
        case "input_audio":
            return "[sound]"
    return str(part["text"])
