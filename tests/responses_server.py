"""A server of the Responses API on 127.0.0.1, as strict as OpenAI's, and what it streams.

`judge` refuses what the provider refuses, each time with its words or those of its documentation:

- reasoning guide: https://developers.openai.com/api/docs/guides/reasoning
- function calling guide: https://developers.openai.com/api/docs/guides/function-calling
- prompt caching guide: https://developers.openai.com/api/docs/guides/prompt-caching
- the types of the SDK: openai.types.responses (openai 3.54)

All read 2026-11-27.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from prompt_cache import PromptCache
from published import Given, find_openapi_faults, find_type_faults, nothing_given
from server import Server, http, send, serving, stream, streamed

Item = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """A response that isn't simply completed."""

    output: list[Item]
    status: str = "completed"
    fields: Mapping[str, Any] = field(default_factory=dict)


Reply = list[Item] | Answer | bytes | Callable[[Any], list[Item] | bytes]
"""What is sent for one request; a function is called with its body."""


def reasoning(number: int, *summary: str) -> Item:
    return {
        "id": f"rs_{number}",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": text} for text in summary],
        "encrypted_content": f"gAAAA{number}=",
        "status": None,
    }


def message(number: int, text: str, *annotations: Item, **fields: Any) -> Item:
    part = {"type": "output_text", "text": text, "annotations": list(annotations), "logprobs": []}
    return {
        "id": f"msg_{number}",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [part],
        **fields,
    }


def function_call(number: int, name: str, arguments: Any) -> Item:
    return {
        "id": f"fc_{number}",
        "type": "function_call",
        "status": "completed",
        "call_id": f"call_{number}",
        "name": name,
        "arguments": arguments if isinstance(arguments, str) else json.dumps(arguments),
    }


def searched(number: int, query: str, *urls: str) -> Item:
    sources = [{"type": "url", "url": url} for url in urls]
    return {
        "id": f"ws_{number}",
        "type": "web_search_call",
        "status": "completed",
        "action": {"type": "search", "query": query, "queries": [query], "sources": sources},
    }


def usage(read: int = 10, wrote: int = 5, **details: int) -> Item:
    return {
        "input_tokens": read,
        "input_tokens_details": {
            "cached_tokens": details.get("cached", 0),
            "cache_write_tokens": details.get("written", 0),
        },
        "output_tokens": wrote,
        "output_tokens_details": {"reasoning_tokens": details.get("reasoned", 0)},
        "total_tokens": read + wrote,
    }


def response(output: list[Item], status: str = "completed", **fields: Any) -> Item:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": "gpt-5-mini",
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": usage() if status in ("completed", "incomplete") else None,
        **fields,
    }


def events(output: list[Item], status: str = "completed", **fields: Any) -> list[dict[str, Any]]:
    """The events of a whole response, in the order and with the fields of the reference."""
    begun = response([], "in_progress")
    made: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    for index, item in enumerate(output):
        made += _item_events(index, item)
    ended = response(output, status, **fields)
    made.append({"type": f"response.{status}", "response": ended})
    return [{**event, "sequence_number": number} for number, event in enumerate(made)]


def _item_events(index: int, item: Item) -> Iterator[dict[str, Any]]:
    where = {"output_index": index, "item_id": item["id"]}
    empty = {"content": [], "arguments": "", "summary": []}
    # "encrypted_content in response.output_item.added may be incomplete"
    begun = {key: empty.get(key, value) for key, value in item.items()}
    if "encrypted_content" in item:
        begun["encrypted_content"] = "gAA"
    yield {"type": "response.output_item.added", "output_index": index, "item": begun}
    for number, part in enumerate(item.get("summary", ())):
        at = {**where, "summary_index": number}
        for piece in _halves(part["text"]):
            yield {"type": "response.reasoning_summary_text.delta", **at, "delta": piece}
        yield {"type": "response.reasoning_summary_text.done", **at, "text": part["text"]}
    for number, part in enumerate(item.get("content", ())):
        at = {**where, "content_index": number}
        kind = "refusal" if part["type"] == "refusal" else "output_text"
        for piece in _halves(part.get("text") or part.get("refusal")):
            event = {"type": f"response.{kind}.delta", **at, "delta": piece}
            yield event | ({"logprobs": []} if kind == "output_text" else {})
    if item["type"] == "function_call":
        for piece in _halves(item["arguments"]):
            yield {"type": "response.function_call_arguments.delta", **where, "delta": piece}
    if item["type"] == "web_search_call":
        yield {"type": "response.web_search_call.searching", **where}
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _halves(text: str) -> list[str]:
    half = len(text) // 2
    return [text[:half], text[half:]]


def to_bytes(*made: dict[str, Any]) -> bytes:
    """Events as OpenAI sends them: each with its name, and no `[DONE]`."""
    lines = [b"event: %s\n" % each["type"].encode() + stream(each, done=False) for each in made]
    return b"".join(lines)


def streams(output: list[Item], status: str = "completed", **fields: Any) -> bytes:
    """A whole HTTP response."""
    return streamed([to_bytes(*events(output, status, **fields))])


class Refused(Exception):
    """What OpenAI says with status 400."""


@cache
def _adapter() -> TypeAdapter[Any]:
    from openai.types.responses import response_create_params  # a second

    return TypeAdapter(response_create_params.ResponseCreateParamsStreaming)


def check_shape(body: Any, given: Given = nothing_given) -> None:
    """Raise for what isn't of the SDK's types or the published OpenAPI, unknown fields too."""
    faults = [*find_type_faults(_adapter(), body, given)]
    faults += find_openapi_faults("CreateResponse", body)
    if faults:
        raise Refused("; ".join(faults))


@dataclass
class Strict:
    """Answers by a script, and refuses what OpenAI refuses. `faults` has its words."""

    replies: list[Reply]
    given: dict[str, Item] = field(default_factory=dict)
    """By id, each item that it gave, and after it in `needs` the reasoning that led to it."""
    needs: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    cache: PromptCache = field(default_factory=PromptCache)
    server: Server | None = None

    async def answer(self, writer: asyncio.StreamWriter) -> None:
        assert self.server
        body = self.server.asked[-1].body
        self.bodies.append(body)
        try:
            self.judge(body)
        except (Refused, ValueError) as refused:
            self.faults.append(str(refused))
            error = {"message": str(refused), "type": "invalid_request_error", "code": None}
            await send(writer, http(400, json.dumps({"error": error}).encode()))
            return
        reply = self.replies.pop(0) if self.replies else http(500, b"the script has ended")
        if callable(reply):
            reply = reply(body)
        if isinstance(reply, list):
            reply = Answer(reply)
        if isinstance(reply, Answer):
            self.take(reply)
            fields = {"usage": self._count(body), **reply.fields}
            reply = streams(reply.output, reply.status, **fields)
        await send(writer, reply)

    def judge(self, body: Any) -> None:
        """Raise Refused for what OpenAI refuses."""
        check_shape(body, self.is_given)
        if body.get("store") is not False:
            raise Refused("the tests are of requests that store nothing")
        if body["max_output_tokens"] < 16:
            raise Refused("Expected a value >= 16 for 'max_output_tokens'.")
        for tool in body.get("tools", ()):
            # "Function tools are strict by default": a schema with optional fields is refused.
            if tool["type"] == "function" and tool.get("strict") is not False:
                raise Refused("Invalid schema for function: 'required' must have every key.")
        self._judge_order(body["input"])
        self._judge_calls(body["input"])

    def _judge_order(self, items: list[Item]) -> None:
        seen: set[str] = set()
        for index, item in enumerate(items):
            item_id = item.get("id")
            if item_id is None:
                continue
            if item_id in seen:
                raise Refused(f"Duplicate item found with id {item_id}.")
            needed = self.needs.get(item_id)
            if needed and needed not in seen:
                raise Refused(
                    f"Item {item_id!r} of type {item['type']!r} was provided without its required"
                    f" 'reasoning' item: {needed!r}."
                )
            seen.add(item_id)
            if item["type"] == "reasoning":
                if not item.get("encrypted_content"):
                    raise Refused(
                        f"Item with id {item_id!r} not found. Items are not persisted when `store`"
                        " is set to false."
                    )
                if index + 1 == len(items) or items[index + 1].get("id") is None:
                    raise Refused(
                        f"Item {item_id!r} of type 'reasoning' was provided without its required"
                        " following item."
                    )
            self._judge_same(item)

    def _judge_same(self, item: Item) -> None:
        """The guide: pass the items back untouched."""
        given = self.given.get(item["id"])
        if given is None:
            raise Refused(f"Item with id {item['id']!r} not found.")
        for key, value in item.items():
            if key == "arguments" and not _is_object(given[key]):
                continue  # what the model wrote wrongly may go back as an object that says so
            if given.get(key) != value:
                raise Refused(f"{key} of {item['id']} is {value!r}; it was {given.get(key)!r}")

    def is_given(self, name: str, value: Any) -> bool:
        """Whether an item of its own has this field with this value: it takes it back."""
        return any(name in item and item[name] == value for item in self.given.values())

    def _judge_calls(self, items: list[Item]) -> None:
        open_calls: dict[str, Item] = {}
        answered: set[str] = set()
        for item in items:
            call_id = item.get("call_id")
            if item["type"] == "function_call":
                if call_id in open_calls or call_id in answered:
                    raise Refused(f"Duplicate function call with call_id {call_id}.")
                open_calls[str(call_id)] = item
            if item["type"] == "function_call_output":
                if call_id not in open_calls:
                    raise Refused(
                        f"No tool call found for function call output with call_id {call_id}."
                    )
                answered.add(str(call_id))
                del open_calls[str(call_id)]
        if open_calls:
            raise Refused(f"No tool output found for function call {min(open_calls)}.")

    def take(self, reply: Answer) -> None:
        """Remember what it gives, and which reasoning led to which item."""
        last_thought = ""
        for item in reply.output:
            self.given[item["id"]] = item
            if item["type"] == "reasoning":
                last_thought = item["id"]
            elif last_thought:
                self.needs[item["id"]] = last_thought

    def _count(self, body: Any) -> Item:
        """Usage as prompt caching has it: what is equal from the beginning on is read, not paid."""
        head = {key: body.get(key) for key in ("tools", "text", "instructions")}
        whole, read = self.cache.count([head, *body["input"]], body)
        return usage(whole, 5, cached=read)


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


@asynccontextmanager
async def strict(*replies: Reply) -> AsyncIterator[Strict]:
    """The strict server, with these replies to give; `server.url` is its address."""
    judge = Strict(list(replies))
    async with serving(*[judge.answer] * 500) as server:
        judge.server = server
        yield judge
