"""The conversations in Anthropic Messages: replies as the server sends them, prompts read back."""

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from conformance.conversation import Calls, Fails, Reply, Says, Searches, Thinks
from conformance.lines import SEALED, one_line, say_call, say_file, say_picture
from conformance.sending import fail, send, with_unknown
from messages_server import (
    MessagesServer,
    Said,
    event,
    finds,
    hides,
    messages_server,
    says,
    searches,
    thinks,
    uses,
)
from server import http

_STOPS = {"length": "max_tokens", "filtered": "refusal", "paused": "pause_turn"}


def write_reply(reply: Reply, number: int) -> Said:
    """A reply as blocks. A search in which the provider pauses has no result yet."""
    made = Said(())
    for index, block in enumerate(reply.blocks):
        name = f"{number}_{index}"
        match block:
            case Thinks():
                made += thinks(block.text) if block.text else hides()
            case Says():
                made += says(block.text)
            case Calls():
                made += uses(f"toolu_{name}", block.name, block.arguments)
            case Searches():
                made += searches(f"srvtoolu_{name}", block.query)
                if reply.end != "paused" or index + 1 < len(reply.blocks):
                    made += finds(f"srvtoolu_{name}", block.url, block.title)
    stop = _STOPS.get(reply.end) or ("tool_use" if _any_calls(reply) else "end_turn")
    details = None
    if reply.refusal:
        stop, details = (
            "refusal",
            {"type": "refusal", "category": None, "explanation": reply.refusal},
        )
    usage = None
    if reply.counts:
        counts = reply.counts
        usage = {
            "input_tokens": counts.input - counts.read - counts.written,
            "cache_read_input_tokens": counts.read,
            "cache_creation_input_tokens": counts.written,
            "output_tokens": counts.output,
            "output_tokens_details": {"thinking_tokens": counts.reasoning},
        }
    return replace(made, stop_reason=stop, stop_details=details, usage=usage)


def _any_calls(reply: Reply) -> bool:
    return any(isinstance(each, Calls) for each in reply.blocks)


def error(fails: Fails) -> Any:
    return {
        "type": "error",
        "error": {"type": fails.kind, "message": fails.words},
        "request_id": "req_1",
    }


@asynccontextmanager
async def serve(replies: Sequence[Reply | Fails]) -> AsyncIterator[MessagesServer]:
    """The strict server, with these replies to give."""
    async with messages_server(()) as server:
        result = Said(())
        for number, each in enumerate(replies):
            if isinstance(each, Fails):
                server.script.append(fail(each, error))
                continue
            made = result + write_reply(each, number)
            last = each.blocks[-1:]
            result = Said(())
            if each.end == "paused" and isinstance(last[0], Searches):
                name = f"srvtoolu_{number}_{len(each.blocks) - 1}"
                result = finds(name, last[0].url, last[0].title)
            if each.sent == "stream":
                server.script.append(made)
            else:
                server.script.append(lambda each=each, made=made: _send(server, each, made))
        yield server


def _send(server: MessagesServer, reply: Reply, said: Said) -> bytes:
    if reply.sent == "unknown":
        content: Any = tuple(with_unknown(block) for block in said.content)
        said = replace(said, content=content)
    if reply.sent == "body":
        return http(200, json.dumps(server.take_body(said)).encode())
    sent = [each + b"\n\n" for each in server.take(said).split(b"\n\n") if each]
    if reply.sent == "unknown":
        sent = [_with_unknown_event(each) for each in sent]
        sent.insert(2, event("future_event", value={"level": 1}))
        piece = {"type": "future_delta", "value": 1}
        sent.insert(4, event("content_block_delta", index=0, delta=piece))
    # https://platform.claude.com/docs/en/build-with-claude/streaming, "Error events"
    overloaded = {"type": "overloaded_error", "message": "Overloaded"}
    return send(reply, [b": a comment\n\n", *sent], event("error", error=overloaded))


def _with_unknown_event(coded: bytes) -> bytes:
    head, _, data = coded.partition(b"data: ")
    return b"%sdata: %s\n\n" % (head, json.dumps(with_unknown(json.loads(data))).encode())


def read_prompt(body: Any) -> list[str]:
    """What the model is shown, a line each."""
    lines = [f"system: {block['text']}" for block in body.get("system", ())]
    for message in body["messages"]:
        if message["role"] == "assistant":
            for block in message["content"]:
                lines += _read_reply(block)
            continue
        content = message["content"]
        results = [block for block in content if block["type"] == "tool_result"]
        lines += [f"gives: {_read_parts(block.get('content', ()))}" for block in results]
        said = [block for block in content if block["type"] != "tool_result"]
        if said:
            lines.append(f"user: {_read_parts(said)}")
    return [one_line(line) for line in lines]


def _read_reply(block: Any) -> Iterator[str]:
    match block["type"]:
        case "thinking":
            yield f"thinks: {block['thinking']}"
        case "redacted_thinking":
            yield f"thinks: {SEALED}"
        case "text":
            yield f"says: {block['text'].strip()}"
        case "tool_use":
            yield say_call(block["name"], json.dumps(block["input"]))
        case "server_tool_use":
            yield f"searches: {block['input']['query']}"
        case "web_search_tool_result":
            for found in block["content"]:
                yield f"finds: {found['url']}"


def _read_parts(blocks: Any) -> str:
    return " ".join(_read_part(block) for block in blocks)


def _read_part(block: Any) -> str:
    source = block.get("source", {})
    if source.get("type") == "base64":
        url = f"data:{source['media_type']};base64,{source['data']}"
    else:
        url = source.get("url", "")
    match block["type"]:
        case "image":
            return say_picture(url)
        case "document" if source["type"] == "text":
            return f"[file {block['title']}: {source['data']}]"
        case "document":
            return say_file(block.get("title", ""), url)
    return str(block["text"])
