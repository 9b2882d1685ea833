"""The conversations in Responses: replies as the server sends them, and prompts read back."""

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from conformance.chat import BESIDE, join_paused
from conformance.conversation import Block, Calls, Fails, Reply, Says, Searches, Thinks
from conformance.lines import SEALED, one_line, say_call, say_file, say_picture
from conformance.sending import fail, send, with_unknown
from responses_server import (
    Answer,
    Item,
    Strict,
    events,
    function_call,
    message,
    reasoning,
    response,
    searched,
    strict,
    to_bytes,
    usage,
)
from server import http


def write_reply(reply: Reply, number: int) -> Answer:
    """A reply as items, whose ids no other reply has."""
    items: list[Item] = []
    found: list[Searches] = []
    for index, block in enumerate(reply.blocks):
        items.append(_item(block, number * 20 + index, found))
        if isinstance(block, Searches):
            found.append(block)
    if reply.refusal:
        refused = {"type": "refusal", "refusal": reply.refusal}
        items.append(message(number * 20 + 19, "") | {"content": [refused]})
    fields: dict[str, Any] = {}
    if reply.counts:
        counts = reply.counts
        details = {"cached": counts.read, "written": counts.written, "reasoned": counts.reasoning}
        fields["usage"] = usage(counts.input, counts.output, **details)
    if not reply.end:
        return Answer(items, fields=fields)
    items = items[:-1] + [item | {"status": "incomplete"} for item in items[-1:]]
    reason = {"length": "max_output_tokens", "filtered": "content_filter"}[reply.end]
    fields["incomplete_details"] = {"reason": reason}
    return Answer(items, "incomplete", fields)


def _item(block: Block, number: int, found: Sequence[Searches]) -> Item:
    match block:
        case Thinks():
            return reasoning(number, *filter(None, [block.text]))
        case Says():
            cited = [
                {
                    "type": "url_citation",
                    "url": each.url,
                    "title": each.title,
                    "start_index": 0,
                    "end_index": 1,
                }
                for each in found
            ]
            return message(number, block.text, *cited)
        case Calls():
            return function_call(number, block.name, block.arguments)
    return searched(number, block.query, block.url)


def error(fails: Fails) -> Any:
    return {"error": {"message": fails.words, "type": fails.kind, "code": None, "param": None}}


@asynccontextmanager
async def serve(replies: Sequence[Reply | Fails]) -> AsyncIterator[Strict]:
    """The strict server, with these replies to give."""
    async with strict() as server:
        for number, each in enumerate(join_paused(replies), 1):
            if isinstance(each, Fails):
                server.replies.append(fail(each, error))
            elif each.sent == "stream":
                server.replies.append(write_reply(each, number))
            else:
                server.replies.append(
                    lambda body, each=each, number=number: _send(server, each, number)
                )
        yield server


def _send(server: Strict, reply: Reply, number: int) -> bytes:
    made = write_reply(reply, number)
    if reply.sent == "unknown":
        items: Any = with_unknown(made.output)
        made = replace(made, output=items)
    server.take(made)
    if reply.sent == "body":
        return http(200, json.dumps(response(made.output, made.status, **made.fields)).encode())
    sent = events(made.output, made.status, **made.fields)
    if reply.sent == "unknown":
        sent = [with_unknown(each) for each in sent]  # type: ignore[misc]
        sent.insert(2, {"type": "response.future.delta", "delta": {"x": 1}, "sequence_number": 2})
        sent.append({"type": "response.future.done", "sequence_number": 99})
    # The event `error`: https://developers.openai.com/api/reference/resources/responses
    broken = {
        "type": "error",
        "code": "server_error",
        "message": "The server had an error while processing your request.",
        "param": None,
        "sequence_number": 99,
    }
    coded = [b": a comment\n\n", *[to_bytes(each) for each in sent]]
    return send(reply, coded, to_bytes(broken))


def read_prompt(body: Any) -> list[str]:
    """What the model is shown, a line each."""
    lines = [f"system: {body['instructions']}"] if "instructions" in body else []
    for item in body["input"]:
        lines += _read_item(item)
    return [one_line(line) for line in lines]


def _read_item(item: Any) -> Iterator[str]:
    match item["type"]:
        case "message" if item["role"] == "assistant":
            if shown := _read_content(item["content"]):
                yield f"says: {shown}"
        case "message":
            shown = _read_content(item["content"])
            if shown.startswith(BESIDE):
                yield f"beside: {shown.removeprefix(BESIDE).strip()}"
            else:
                yield f"{item['role']}: {shown}"
        case "reasoning":
            texts = [part["text"] for part in item["summary"]]
            yield f"thinks: {' '.join(texts) or SEALED}"
        case "function_call":
            yield say_call(item["name"], item["arguments"])
        case "function_call_output":
            yield f"gives: {_read_content(item['output'])}"
        case "web_search_call":
            yield f"searches: {item['action']['query']}"
            for source in item["action"]["sources"]:
                yield f"finds: {source['url']}"


def _read_content(content: Any) -> str:
    if isinstance(content, str):
        return content.strip()
    return " ".join(_read_part(part) for part in content).strip()


def _read_part(part: Any) -> str:
    match part["type"]:
        case "input_image":
            return say_picture(part["image_url"])
        case "input_file":
            return say_file(part.get("filename", ""), part.get("file_data") or part["file_url"])
        case "input_audio":
            return "[sound]"
        case "refusal":
            return str(part["refusal"])
    return str(part["text"])
