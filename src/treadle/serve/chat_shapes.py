"""What OpenAI's clients read: completions, chunks, errors, as this server writes them. Pure.

Source: OpenAI's API reference of chat completions, read in November 2026.
"""

from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec

from ..core import events as e
from ..core.check_due import checks_output
from ..core.errors import TreadleError
from ..core.result import Result
from ..observe.wait_text import describe_wait
from ..runtime.listeners import Delta
from .client_tools import find_client_calls
from .conversations import Place
from .routes import read_errors
from .said_turn import WAITS
from .stream import Item


@dataclass(frozen=True)
class ChatTurn:
    """A turn that a request began, joined or went on with."""

    place: Place
    thread_id: str
    items: AsyncGenerator[Item, None]
    address: str
    """Where a person decides what it waits for."""
    made_at: int
    """Seconds since the epoch."""
    model: str
    """The agent's name."""


class Words:
    """The text that is new in each item of a turn.

    Where a check or a type judges the answers of the agent in charge, the items have none: its
    replies may be what is refused or changed. `end` gives the answer.
    """

    def __init__(self, thread_id: str, before: Iterable[e.Record]) -> None:
        """`before`: the thread's records before the items."""
        self._thread_id = thread_id
        self._judged = False
        """Whether a check or a type judges what the agent in charge answers."""
        self._purpose = "step"
        """What the model was called for: a summary of what its prompt leaves out is for nobody."""
        self._reply = ""
        """What was given of the reply that is being written."""
        self._replied = ""
        """The last reply of the turn with words."""
        self._any = False
        """Whether anything was given."""
        for record in before:
            self._learn(record)

    def take(self, item: Delta | e.Record) -> str:
        """What to give now."""
        if item.thread_id != self._thread_id:
            return ""
        if isinstance(item, e.Record):
            self._learn(item)
        if self._judged:
            return ""
        match item:
            case Delta(text=text, thinking=False):
                return self._give(text)
            case e.Record(event=e.ModelReplied(text=text)) if self._purpose != "compact":
                # Of a reply that another process wrote, or that was begun anew, comes what is new.
                new = text.removeprefix(self._reply) if text.startswith(self._reply) else text
                given = self._give(new)
                self._reply = ""
                return given
        return ""

    def end(self, result: Result) -> str:
        """What is left to give of the answer, once the items are over: such as at which limit."""
        self._reply = ""
        if self._judged:
            return self._give(result.answer)
        if not result.answer.startswith(self._replied):
            return ""
        return self._give(result.answer.removeprefix(self._replied).lstrip())

    def separate(self, text: str) -> str:
        """The text, apart from what was given before."""
        return f"\n\n{text}" if self._any else text

    def _learn(self, record: e.Record) -> None:
        if record.thread_id != self._thread_id:
            return
        match record.event:
            case e.AgentDescribed() as described:
                self._judged = checks_output(described) or described.output_schema is not None
            case e.UserSaid() if record.event.opens_turn:
                self._replied = ""
            case e.ModelCalled(purpose=purpose):
                self._reply, self._purpose = "", purpose
            case e.ModelReplied(text=text) if text and self._purpose != "compact":
                self._replied = text

    def _give(self, text: str) -> str:
        if not text:
            return ""
        given = text if self._reply else self.separate(text)
        self._reply += text
        self._any = True
        return given


def describe_end(result: Result, thread_id: str, address: str) -> tuple[list[dict[str, Any]], str]:
    """The calls that the client is to run, and in words what else the turn waits for."""
    calls, waiting = find_client_calls(result.waiting)
    asked = [
        {
            "id": id,
            "type": "function",
            "function": {"name": each.name, "arguments": each.final_arguments},
        }
        for id, each in calls
    ]
    if result.status not in ("waiting", "unfinished") or (calls and not waiting):
        return asked, ""
    if result.status == "unfinished":
        return asked, f"{WAITS} The turn isn't over: this server stops. Say it again to go on."
    lines = [WAITS, *(f"- {describe_wait(each, thread_id)}" for each in waiting)]
    return asked, "\n".join([*lines, f"Decide here, then go on: {address}"])


def finish_reason_of(result: Result, calls: Sequence[Any]) -> str:
    if calls:
        return "tool_calls"
    return {"limit": "length", "refused": "content_filter"}.get(result.status, "stop")


def describe_usage(used: e.Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": used.input_tokens,
        "completion_tokens": used.output_tokens,
        "total_tokens": used.total_tokens,
    }


def make_completion(turn: ChatTurn, result: Result) -> dict[str, Any]:
    calls, rest = describe_end(result, turn.thread_id, turn.address)
    text = "\n\n".join(part for part in (result.answer, rest) if part)
    message: dict[str, Any] = {"role": "assistant", "content": text or None, "refusal": None}
    if result.status == "refused":
        message["refusal"] = result.reason
    if calls:
        message["tool_calls"] = calls
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": finish_reason_of(result, calls),
    }
    head = _describe_turn(turn, "chat.completion")
    return {**head, "choices": [choice], "usage": describe_usage(result.usage)}


class ChunkWriter:
    """Writes a completion in chunks."""

    def __init__(self, turn: ChatTurn, with_usage: bool) -> None:
        self._turn = turn
        self._with_usage = with_usage

    def begin(self) -> bytes:
        return self._write({"role": "assistant", "content": ""})

    def write_text(self, text: str) -> bytes:
        return self._write({"content": text})

    def end(self, result: Result, words: Words) -> bytes:
        calls, rest = describe_end(result, self._turn.thread_id, self._turn.address)
        said = self.write_text(words.separate(rest)) if rest else b""
        if calls:
            numbered = [{"index": number, **call} for number, call in enumerate(calls)]
            said += self._write({"tool_calls": numbered})
        said += self._write({}, finish_reason_of(result, calls))
        if self._with_usage:
            said += self._write_chunk(choices=[], usage=describe_usage(result.usage))
        return said + b"data: [DONE]\n\n"

    def fail(self, error: TreadleError) -> bytes:
        return b"data: " + read_errors(error)[1] + b"\n\n"

    def _write(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return self._write_chunk(choices=[choice])

    def _write_chunk(self, **fields: Any) -> bytes:
        chunk = _describe_turn(self._turn, "chat.completion.chunk") | fields
        return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


def _describe_turn(turn: ChatTurn, kind: str) -> dict[str, Any]:
    name = f"chatcmpl-{quote_name(turn.thread_id)}"
    return {"id": name, "object": kind, "created": turn.made_at, "model": turn.model}


def quote_name(thread_id: str) -> str:
    return quote(thread_id, safe="")
