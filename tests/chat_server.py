"""A chat-completions server on 127.0.0.1, as strict as OpenAI's and DeepSeek's, and what it streams.

`find_faults` refuses what the providers refuse; each rule names the page that says so. All were
read 2026-11-27.

    async with strict_chat(said("hm", calls=[("add", {"a": 1})]), said(text="3")) as server:
        model = server.model()
        ...
    assert server.faults == []
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from prompt_cache import PromptCache
from published import find_openapi_faults, find_type_faults
from server import Server, failing, send, serving, stream, streamed
from treadle.models.accepted_fields import find_accepted_fields
from treadle.models.chat.dialect import CHAT
from treadle.models.remote_model import RemoteModel

AT_OPENAI = replace(
    CHAT, find_accepted=lambda host, name: find_accepted_fields("api.openai.com", name)
)
"""Chat completions as OpenAI is spoken to, wherever it is."""
MODEL = "gpt-5-mini"
REFERENCE = "Create chat completion, https://platform.openai.com/docs/api-reference/chat/create"
CALLING = "Function calling, https://developers.openai.com/api/docs/guides/function-calling"
VISION = "Images and vision, https://developers.openai.com/api/docs/guides/images-vision"
THINKING = "Thinking Mode, https://api-docs.deepseek.com/guides/thinking_mode"
TEMPLATES = "Chat templates, https://docs.mistral.ai/cookbooks/concept-deep-dive-tokenization-chat_templates"

Fields = dict[str, Any]


@dataclass(frozen=True)
class Completion:
    """A reply of the script: the message as a whole, and how it ended."""

    message: Fields
    finish_reason: str
    usage: Fields | None = None
    """None: as the server's cache counts."""


Scripted = Completion | bytes | Callable[[], bytes]
"""What is sent for one request; a function is called when that has come."""


def said(
    thought: str = "", text: str = "", calls: Sequence[tuple[str, Any]] = (), **fields: Any
) -> Completion:
    """A reply with a thought in plain text, words and calls; `fields` are others of the message."""
    message: Fields = {"role": "assistant"}
    if thought:
        message["reasoning_content"] = thought  # it comes before the words
    message |= {"content": text or None, **fields}
    if calls:
        message["tool_calls"] = [_call(*each) for each in calls]
    return Completion(message, "tool_calls" if calls else "stop")


def _call(name: str, arguments: Any) -> Fields:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"id": "", "type": "function", "function": {"name": name, "arguments": text}}


@dataclass
class ChatServer:
    """Answers by the script. `faults` says what of a request was refused."""

    script: list[Scripted]
    faults: list[str] = field(default_factory=list)
    given: list[Fields] = field(default_factory=list)
    """The messages of its replies."""
    cache: PromptCache = field(default_factory=PromptCache)
    server: Server = field(default_factory=lambda: Server("", []))

    @property
    def bodies(self) -> list[Any]:
        return [asked.body for asked in self.server.asked]

    def model(self, name: str = MODEL, **settings: Any) -> RemoteModel:
        settings = {"dialect": AT_OPENAI, **settings}
        return RemoteModel(name, base_url=self.server.url, api_key="k-secret", **settings)

    async def answer(self, writer: asyncio.StreamWriter) -> None:
        body = self.bodies[-1]
        faults = list(find_faults(body, self.given))
        scripted = self.script.pop(0) if self.script else failing(500, {"error": "no more"})
        if faults:
            self.faults += faults
            error = {"message": "; ".join(faults), "type": "invalid_request_error", "code": None}
            scripted = failing(400, {"error": error})
        elif isinstance(scripted, Completion):
            scripted = streamed([stream(*chunks(self.take(scripted)))])
        elif not isinstance(scripted, bytes):
            scripted = scripted()
        await send(writer, scripted)

    def take(self, reply: Completion) -> Completion:
        """The reply with ids for its calls and its usage, as it is sent and then known."""
        made = json.loads(json.dumps(reply.message))
        for number, call in enumerate(made.get("tool_calls", ())):
            call["id"] = f"call_{len(self.given)}_{number}"
        self.given.append(made)
        read = [{key: self.bodies[-1].get(key) for key in ("tools", "response_format")}]
        counted = self.cache.count([*read, *self.bodies[-1]["messages"]], self.bodies[-1])
        return Completion(made, reply.finish_reason, reply.usage or usage(*counted))


def usage(read: int, cached: int = 0, wrote: int = 5, **details: int) -> Fields:
    return {
        "prompt_tokens": read,
        "completion_tokens": wrote,
        "total_tokens": read + wrote,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0}
        | {name: each for name, each in details.items() if name == "cache_write_tokens"},
        "completion_tokens_details": {"reasoning_tokens": details.get("reasoning_tokens", 0)},
    }


@asynccontextmanager
async def strict_chat(*script: Scripted) -> AsyncIterator[ChatServer]:
    """The server, until the block ends."""
    made = ChatServer(list(script))
    async with serving(*[made.answer] * 500) as server:
        made.server = server
        yield made


def chunks(reply: Completion) -> list[Fields]:
    """The chunks of a reply, as the reference of streaming has them: texts and arguments in two."""
    message = reply.message
    deltas: list[Fields] = [{"role": "assistant", "content": "", "refusal": None}]
    for name, value in message.items():
        if isinstance(value, str) and name != "role":
            deltas += [{name: piece} for piece in _halves(value)]
        elif name not in ("role", "tool_calls") and value is not None:
            deltas.append({name: value})
    for index, call in enumerate(message.get("tool_calls", ())):
        function = call["function"]
        begun = call | {"index": index, "function": function | {"arguments": ""}}
        deltas.append({"tool_calls": [begun]})
        for piece in _halves(function["arguments"]):
            deltas.append({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    made = [_chunk(delta, None) for delta in deltas]
    made.append(_chunk({}, reply.finish_reason))
    counted = _chunk({}, None) | {"choices": [], "usage": reply.usage or usage(10)}
    return [*made, counted]


def whole_body(reply: Completion) -> Fields:
    """The reply as one object, as servers send it that don't stream."""
    choice = {
        "index": 0,
        "message": reply.message,
        "finish_reason": reply.finish_reason,
        "logprobs": None,
    }
    head = _chunk({}, None) | {"object": "chat.completion", "choices": [choice]}
    return head | {"usage": reply.usage or usage(10)}


def _chunk(delta: Fields, finish_reason: str | None) -> Fields:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": MODEL,
        "service_tier": "default",
        "choices": [choice],
        "usage": None,
    }


def _halves(text: str) -> list[str]:
    half = len(text) // 2
    return [text[:half], text[half:]]


@cache
def _adapter() -> TypeAdapter[Any]:
    from openai.types.chat import completion_create_params  # a second

    return TypeAdapter(completion_create_params.CompletionCreateParamsStreaming)


def find_faults(body: Any, given: Sequence[Fields] = ()) -> Iterator[str]:
    """What the providers refuse of a request, after these replies."""

    def is_given(name: str, value: Any) -> bool:
        return any(_holds(message, name, value) for message in given)

    yield from find_type_faults(_adapter(), body, is_given)
    yield from find_openapi_faults("CreateChatCompletionRequest", body)
    yield from find_settings_faults(body)
    yield from find_call_faults(body["messages"])
    yield from find_thought_faults(body["messages"], given)
    for before, message in zip([None, *body["messages"]], body["messages"], strict=False):
        if (
            message["role"] in ("user", "assistant")
            and before
            and before["role"] == message["role"]
        ):
            yield f"conversation roles must alternate ({TEMPLATES})"
        for part in message["content"] if isinstance(message.get("content"), list) else ():
            yield from find_part_faults(part)
    last = body["messages"][-1]["role"]
    if last not in ("user", "tool"):
        yield f"expected last role user or tool, and got {last} ({TEMPLATES})"


def _holds(value: Any, name: str, wanted: Any) -> bool:
    if isinstance(value, dict):
        own = name in value and value[name] == wanted
        return own or any(_holds(each, name, wanted) for each in value.values())
    return isinstance(value, list) and any(_holds(each, name, wanted) for each in value)


def find_settings_faults(body: Any) -> Iterator[str]:
    if "max_tokens" in body:
        yield f"'max_tokens' is not supported with this model ({REFERENCE})"
    if "stream_options" in body and not body.get("stream"):
        yield f"'stream_options' is only allowed when 'stream' is enabled ({REFERENCE})"
    names = [tool["function"]["name"] for tool in body.get("tools", ())]
    for name in ("tool_choice", "parallel_tool_calls"):
        if name in body and not names:
            yield f"'{name}' is only allowed when 'tools' are specified ({REFERENCE})"
    for name in names:
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name):
            yield f"the name {name!r} is illegal ({CALLING})"
    if len(set(names)) < len(names):
        yield f"two tools have one name ({CALLING})"


def find_call_faults(messages: list[Any]) -> Iterator[str]:
    """All calls of a reply are answered at once, and nothing else is ({CALLING})."""
    waiting: list[str] = []
    seen: set[str] = set()
    for index, message in enumerate(messages):
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                yield f"messages.{index}: 'tool' must follow its 'tool_calls' ({CALLING})"
            else:
                waiting.remove(message["tool_call_id"])
            continue
        if waiting:
            yield f"messages.{index}: {waiting} did not have response messages ({CALLING})"
        calls = message.get("tool_calls") or []
        waiting = [call["id"] for call in calls]
        if len(set(waiting)) < len(waiting) or seen & set(waiting):
            yield f"messages.{index}: the ids {waiting} come twice ({CALLING})"
        seen.update(waiting)
        if message["role"] == "assistant" and not calls and not message.get("content"):
            yield f"messages.{index}: content is required without tool_calls ({REFERENCE})"
        for call in calls:
            if not isinstance(json.loads(call["function"]["arguments"]), dict):
                yield f"messages.{index}: arguments are no object ({CALLING})"
    if waiting:
        yield f"{waiting} did not have response messages ({CALLING})"


def find_thought_faults(messages: list[Any], given: Sequence[Fields]) -> Iterator[str]:
    """A thought before a call goes back in full in all later requests."""
    thoughts = {
        call["id"]: message["reasoning_content"]
        for message in given
        if "reasoning_content" in message
        for call in message.get("tool_calls", ())
    }
    for index, message in enumerate(messages):
        for call in message.get("tool_calls") or ():
            if thoughts.get(call["id"]) not in (None, message.get("reasoning_content")):
                yield f"messages.{index}: reasoning_content must be passed back ({THINKING})"


def find_part_faults(part: Fields) -> Iterator[str]:
    if part["type"] == "image_url":
        url = part["image_url"]["url"]
        if not re.match(r"https://|data:image/(png|jpeg|gif|webp);base64,", url):
            yield f"the picture {url[:40]!r} isn't supported ({VISION})"
    if part["type"] == "file" and not part["file"]["file_data"].startswith("data:"):
        yield f"a file is sent as a data URL ({REFERENCE})"
    elif part["type"] == "file" and "application/pdf" not in part["file"]["file_data"][:30]:
        yield "Invalid file data: expected a data URL with an application/pdf MIME type"
    if part["type"] == "text" and not part["text"]:
        yield f"a text part is empty ({REFERENCE})"
