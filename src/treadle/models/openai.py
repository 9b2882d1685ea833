"""Any server that speaks chat completions.

endpoint.py sends. Reading is ours (stream.py), since the SDK takes half an answer for a whole one and reads errors
without an end; and so are retries, which the loop makes and logs.
"""

import asyncio
import functools
import logging
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import msgspec

from ..core.errors import ModelError, ModelRejected, ModelUnavailable
from ..core.events import Thinking, Usage
from ..core.model import Reply, Request
from .endpoint import Endpoint
from .stream import ReplyReader
from .takes import Takes, takes
from .usage import find_context_tokens, find_price

AFTER_DONE_S = 1.0
"""How long a server that has said its last may take to end the response, so that the connection can be used again."""

DEFAULT_CONTEXT_TOKENS = 128_000
_EFFORT = "reasoning_effort"
_log = logging.getLogger("treadle")
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, eq=False)
class OpenAIModel:
    """A model behind an OpenAI-compatible endpoint.

    Key and address come from the arguments, else OPENAI_API_KEY and OPENAI_BASE_URL, as the SDK reads them.
    """

    model: str
    _: KW_ONLY
    base_url: str | None = None
    """Up to and without `/chat/completions`; most end in `/v1`."""
    api_key: str | None = field(default=None, repr=False)
    name: str = ""
    """As the log knows it; `openai:` and the model unless given."""
    context_tokens: int = 0
    """Prompt and reply together. 0: as genai-prices has it, else 128,000; where that is too many, one refusal tells."""
    max_output_tokens: int = 8192
    idle_s: float = 300.0
    """How long the server may say nothing at all. The turn's own deadline is the loop's."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Added to every request's body, e.g. {"temperature": 0}; None leaves a field out that would be sent.

    It wins over whatever Treadle would send by itself.
    """
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Added to every request's headers."""
    _endpoint: Endpoint = field(init=False, repr=False)
    _takes: Takes = field(init=False, repr=False)
    _learned: list[Mapping[str, Any]] = field(default_factory=list, init=False, repr=False)
    """What to send with tools, last: a refusal has shown that it's other than the table says."""
    _prices: list[Callable[[Usage], float | None]] = field(
        default_factory=list, init=False, repr=False
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or f"openai:{self.model}")
        endpoint = Endpoint(
            "/chat/completions",
            self.name,
            base_url=self.base_url,
            api_key=self.api_key,
            idle_s=self.idle_s,
            headers=self.headers,
        )
        object.__setattr__(self, "_endpoint", endpoint)
        object.__setattr__(self, "base_url", endpoint.base_url)
        object.__setattr__(self, "_takes", takes(endpoint.host or "api.openai.com", self.model))
        if not self.context_tokens:
            known = find_context_tokens(self.model, self.base_url)
            object.__setattr__(self, "context_tokens", known or DEFAULT_CONTEXT_TOKENS)

    def cost_usd(self, usage: Usage) -> float | None:
        """By the price table of genai-prices, offline; None for a model or an address that isn't in it."""
        if not self._prices:
            self._prices.append(find_price(self.model, self.base_url))
        return self._prices[0](usage)

    async def reply(self, request: Request, emit: Callable[[str | Thinking], None]) -> Reply:
        """One request, read as a stream. Raises a ModelError; UsageError where a key is missing.

        Never retries, but for one thing: where tools are refused for the reasoning effort, and the user has set none,
        it asks once more with the other choice, and remembers it.
        """
        tokens = sum(message.tokens for message in request.messages)
        added, heard = self._added(request), False

        def hear(piece: str | Thinking) -> None:
            nonlocal heard
            heard = True
            emit(piece)

        self._say(added)
        try:
            return await self.ask(self._body(request, added), tokens, hear)
        except ModelRejected as refusal:
            if heard or not request.tools or _EFFORT in self.extra or _EFFORT not in str(refusal):
                raise
        other: Mapping[str, Any] = {} if _EFFORT in added else {_EFFORT: "none"}
        reply = await self.ask(self._body(request, other), tokens, emit)
        self._learned.append(other)
        self._say(other)
        return reply

    def body(self, request: Request) -> bytes:
        """The JSON body. Messages are joined, not encoded again."""
        return self._body(request, self._added(request))

    def _added(self, request: Request) -> Mapping[str, Any]:
        """What the model wants to be sent with tools, without what the user has set."""
        if not request.tools:
            return {}
        wanted = self._learned[-1] if self._learned else self._takes.with_tools
        return {key: value for key, value in wanted.items() if key not in self.extra}

    def _say(self, added: Mapping[str, Any]) -> None:
        for key, value in added.items():
            _warn_once(
                f"{self.name} takes tools here only with {key}={value}, so that is sent with them: it doesn't reason"
                f" before it calls one. To be told no more, set it yourself: -o {key}={value}, or extra= in Python"
            )

    def _body(self, request: Request, added: Mapping[str, Any]) -> bytes:
        settings: dict[str, Any] = {
            "model": self.model,
            "stream": True,
            "stream_options": {"include_usage": True},
            self._takes.output_limit: request.max_output_tokens,
        }
        if request.output_schema:
            schema = {"name": "answer", "schema": request.output_schema}
            settings["response_format"] = {"type": "json_schema", "json_schema": schema}
        settings |= {**added, **self.extra}
        messages = b",".join([message.wire for message in request.messages])
        sent = {key: value for key, value in settings.items() if value is not None}
        tools = (
            b',"tools":[%s]' % b",".join([tool.wire for tool in request.tools])
            if request.tools
            else b""
        )
        return b'%s%s,"messages":[%s]}' % (_encode(sent)[:-1], tools, messages)

    async def ask(
        self, body: bytes, prompt_tokens: int, emit: Callable[[str | Thinking], None]
    ) -> Reply:
        """Send a body of one's own and read the reply. Raises a ModelError; its words never hold the key."""
        reader, patience = ReplyReader(), asyncio.timeout(None)
        try:
            async with aclosing(self._endpoint.post(body)) as answer, patience:
                async for data in answer:
                    for piece in reader.feed(data):
                        emit(piece)
                    if reader.done and patience.when() is None:
                        patience.reschedule(asyncio.get_running_loop().time() + AFTER_DONE_S)
            return reader.finish(prompt_tokens)
        except TimeoutError:
            if not (reader.whole and patience.expired()):
                raise
            return reader.finish(prompt_tokens)
        except ModelError as error:
            if reader.whole and isinstance(
                error, ModelUnavailable
            ):  # the connection broke after the reply's end
                return reader.finish(prompt_tokens)
            error.args = (self._endpoint.mask_key(str(error)),)
            error.usage = reader.usage_so_far(prompt_tokens)
            raise


@functools.cache
def _warn_once(text: str) -> None:
    """To the logger `treadle`, which shows it on standard error unless the program says otherwise."""
    _log.warning(text)
