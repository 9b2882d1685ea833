"""What clients of the Responses API read and send: responses, their events, their input. Pure.

Source: the Open Responses specification and OpenAI's API reference, read in November 2026.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ..core import events as e
from ..core.errors import TreadleError
from ..core.result import Result
from .chat_shapes import Words, describe_end
from .conversations import Place
from .routes import BadRequest

_STATUS = {
    "limit": "incomplete",
    "refused": "incomplete",
    "failed": "failed",
    "cancelled": "cancelled",
}
"""By how the turn has ended; all others are completed: also those that wait for a person."""
_INCOMPLETE = {"limit": "max_output_tokens", "refused": "content_filter"}


@dataclass(frozen=True)
class Begun:
    """What is known of a response as soon as its turn has begun."""

    id: str
    model: str
    created_at: int
    address: str
    """Where a person decides what the turn waits for."""
    thread_id: str
    previous: str | None = None
    background: bool = False


def make_response_id(place: Place, thread_id: str) -> str:
    """A response's id: the message, from where on its turn is the response, the thread."""
    return f"resp_{place.key.removeprefix('chat:')}-{place.after or 0}.{thread_id}"


def read_response_id(id: str) -> Place:
    """The message and the thread of a response. Raises BadRequest."""
    message, dot, thread_id = id.removeprefix("resp_").partition(".")
    digest, dash, after = message.partition("-")
    if not (
        id.startswith("resp_")
        and dot
        and dash
        and after.isascii()
        and after.isdigit()
        and thread_id
    ):
        raise BadRequest(f"no response here has the id {id!r}", 404)
    return Place(thread_id, f"chat:{digest}", int(after) or None)


def read_input(given: Any) -> list[Any]:
    """The input as messages of chat completions. Raises BadRequest."""
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        raise BadRequest("`input` must be a text, or a list with at least one item")
    messages: list[Any] = []
    for number, item in enumerate(given, 1):
        if not isinstance(item, Mapping):
            raise BadRequest(f"item {number} of `input` must be an object")
        messages += _read_item(item, number)
    return messages


def _read_item(item: Mapping[str, Any], number: int) -> list[Any]:
    match item.get("type", "message"):
        case "message":
            return [{"role": item.get("role"), "content": item.get("content")}]
        case "function_call":
            function = {"name": item.get("name"), "arguments": item.get("arguments")}
            call = {"id": item.get("call_id"), "type": "function", "function": function}
            return [{"role": "assistant", "content": None, "tool_calls": [call]}]
        case "function_call_output":
            output = item.get("output")
            return [{"role": "tool", "tool_call_id": item.get("call_id"), "content": output}]
        case "reasoning":
            return []  # the thread has what its own model thought
    raise BadRequest(f"item {number} of `input` is of a type that isn't known here")


def make_response(begun: Begun, result: Result | None, error: str = "") -> dict[str, Any]:
    """The response, as far as its turn has come; None: it has only begun."""
    status = "in_progress"
    output: list[dict[str, Any]] = []
    if error:
        status = "failed"
    elif result:
        status = _STATUS.get(result.status, "completed")
        output = make_output(begun, result)
    response: dict[str, Any] = {
        "id": begun.id,
        "object": "response",
        "created_at": begun.created_at,
        "status": status,
        "background": begun.background,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {"thread": begun.thread_id},
        "model": begun.model,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": begun.previous,
        "store": True,
        "temperature": None,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "usage": None,
    }
    if result and result.status in _INCOMPLETE:
        response["incomplete_details"] = {"reason": _INCOMPLETE[result.status]}
    if status == "failed":
        message = error or (result.reason if result else "")
        response["error"] = {"code": "server_error", "message": message}
    if result:
        response["usage"] = _describe_usage(result.usage)
    return response


def make_output(begun: Begun, result: Result) -> list[dict[str, Any]]:
    """The items of a response: a message, and the calls that the client is to run."""
    calls, rest = describe_end(result, begun.thread_id, begun.address)
    text = "\n\n".join(part for part in (result.answer, rest) if part)
    items: list[dict[str, Any]] = []
    if result.status == "refused":
        items.append(_make_message(begun, {"type": "refusal", "refusal": result.reason}))
    elif text or not calls:
        items.append(_make_message(begun, make_text(text)))
    for call in calls:
        items.append(
            {
                "id": f"fc_{call['id']}",
                "type": "function_call",
                "status": "completed",
                "call_id": call["id"],
                **call["function"],
            }
        )
    return items


def make_text(text: str) -> dict[str, Any]:
    """A part of a message that is text."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _make_message(begun: Begun, part: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": message_id(begun),
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [part],
    }


def message_id(begun: Begun) -> str:
    """The id of the response's only message."""
    return f"msg_{begun.id.removeprefix('resp_')}"


def _describe_usage(used: e.Usage) -> dict[str, Any]:
    return {
        "input_tokens": used.input_tokens,
        "input_tokens_details": {
            "cached_tokens": used.cached_tokens or 0,
            "cache_write_tokens": used.cache_write_tokens or 0,
        },
        "output_tokens": used.output_tokens,
        "output_tokens_details": {"reasoning_tokens": used.reasoning_tokens or 0},
        "total_tokens": used.total_tokens,
    }


class EventWriter:
    """Writes the events of one response, numbered from 0."""

    def __init__(self, begun: Begun) -> None:
        self._begun = begun
        self._number = 0
        self._text = ""
        self._open = False
        """Whether the message has begun."""

    def begin(self) -> bytes:
        """That the response is there, and at work."""
        response = make_response(self._begun, None)
        return self._write("response.created", response=response) + self._write(
            "response.in_progress", response=response
        )

    def write_text(self, text: str) -> bytes:
        """A piece of the message; before the first one, that the message begins."""
        said = b"" if self._open else self._open_message()
        self._text += text
        return said + self._write_part("response.output_text.delta", delta=text, logprobs=[])

    def end(self, result: Result, words: Words) -> bytes:
        """The rest of the message, the calls, and the response as it ended."""
        response = make_response(self._begun, result)
        _, rest = describe_end(result, self._begun.thread_id, self._begun.address)
        said = self.write_text(words.separate(rest)) if rest else b""
        output: Sequence[dict[str, Any]] = response["output"]
        message = next((item for item in output if item["type"] == "message"), None)
        if message and not self._open:
            said += self.write_text(message["content"][0].get("text", ""))
        if self._open:
            said += self._close_message()
        if message and self._text:
            message["content"] = [make_text(self._text)]
        for index, item in enumerate(output):
            if item["type"] == "function_call":
                said += b"".join(self._write_call(index, item))
        kind = response["status"]
        if kind == "cancelled":
            kind = "incomplete"
        return said + self._write(f"response.{kind}", response=response)

    def fail(self, error: TreadleError) -> bytes:
        """That the response has failed."""
        response = make_response(self._begun, None, str(error))
        return self._write("response.failed", response=response)

    def _open_message(self) -> bytes:
        self._open = True
        item = {**_make_message(self._begun, {}), "status": "in_progress", "content": []}
        return self._write("response.output_item.added", output_index=0, item=item) + (
            self._write_part("response.content_part.added", part=make_text(""))
        )

    def _close_message(self) -> bytes:
        part = make_text(self._text)
        return (
            self._write_part("response.output_text.done", text=self._text, logprobs=[])
            + self._write_part("response.content_part.done", part=part)
            + self._write(
                "response.output_item.done", output_index=0, item=_make_message(self._begun, part)
            )
        )

    def _write_call(self, index: int, item: dict[str, Any]) -> Iterator[bytes]:
        empty = {**item, "arguments": "", "status": "in_progress"}
        yield self._write("response.output_item.added", output_index=index, item=empty)
        for kind, field in (("delta", "delta"), ("done", "arguments")):
            yield self._write(
                f"response.function_call_arguments.{kind}",
                item_id=item["id"],
                output_index=index,
                **{field: item["arguments"]},
            )
        yield self._write("response.output_item.done", output_index=index, item=item)

    def _write_part(self, kind: str, **fields: Any) -> bytes:
        place = {"item_id": message_id(self._begun), "output_index": 0, "content_index": 0}
        return self._write(kind, **place, **fields)

    def _write(self, kind: str, **fields: Any) -> bytes:
        event = {"type": kind, "sequence_number": self._number, **fields}
        self._number += 1
        return f"event: {kind}\ndata: ".encode() + msgspec.json.encode(event) + b"\n\n"
