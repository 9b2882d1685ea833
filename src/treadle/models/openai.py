"""Any server that speaks chat completions.

endpoint.py sends. Reading is ours (stream.py), since the SDK takes half an answer for a whole one and reads errors
without an end; and so are retries, which the loop makes and logs.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import msgspec

from ..errors import ModelError, ModelUnavailable
from ..events import Usage
from .endpoint import Endpoint
from .model import Reply, Request
from .stream import ReplyReader
from .usage import context_of, price_of

AFTER_DONE_S = 1.0
"""How long a server that has said its last may take to end the response, so that the connection can be used again."""

UNKNOWN_CONTEXT = 128_000
_WANTS_COMPLETION_TOKENS = ("api.openai.com", ".openai.azure.com", ".services.ai.azure.com")
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
    """Added to every request's body, e.g. {"temperature": 0}; None leaves a field out that would be sent."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Added to every request's headers."""
    _endpoint: Endpoint = field(init=False, repr=False)
    _prices: list[Callable[[Usage], float | None]] = field(default_factory=list, init=False, repr=False)

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
        if not self.context_tokens:
            known = context_of(self.model, self.base_url)
            object.__setattr__(self, "context_tokens", known or UNKNOWN_CONTEXT)

    def cost_usd(self, usage: Usage) -> float | None:
        """By the price table of genai-prices, offline; None for a model or an address that isn't in it."""
        if not self._prices:
            self._prices.append(price_of(self.model, self.base_url))
        return self._prices[0](usage)

    async def reply(self, request: Request, emit: Callable[[str], None]) -> Reply:
        """One request, read as a stream. Raises a ModelError; never retries. UsageError where a key is missing."""
        return await self.ask(self.body(request), sum(m.tokens for m in request.messages), emit)

    def body(self, request: Request) -> bytes:
        """The JSON body. Messages are joined, not encoded again."""
        settings: dict[str, Any] = {
            "model": self.model,
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_completion_tokens" if self._wants_completion_tokens else "max_tokens": request.max_output_tokens,
        }
        if request.output_schema:
            schema = {"name": "answer", "schema": request.output_schema}
            settings["response_format"] = {"type": "json_schema", "json_schema": schema}
        settings |= self.extra
        messages = b",".join([message.wire for message in request.messages])
        sent = {key: value for key, value in settings.items() if value is not None}
        tools = b',"tools":[%s]' % b",".join([tool.wire for tool in request.tools]) if request.tools else b""
        return b'%s%s,"messages":[%s]}' % (_encode(sent)[:-1], tools, messages)

    async def ask(self, body: bytes, prompt_tokens: int, emit: Callable[[str], None]) -> Reply:
        """Send a body of one's own and read the reply. Raises a ModelError; its words never hold the key."""
        reader, patience = ReplyReader(), asyncio.timeout(None)
        try:
            async with aclosing(self._endpoint.post(body)) as answer, patience:
                async for data in answer:
                    text = reader.feed(data)
                    if text:
                        emit(text)
                    if reader.done and patience.when() is None:
                        patience.reschedule(asyncio.get_running_loop().time() + AFTER_DONE_S)
            return reader.finish(prompt_tokens)
        except TimeoutError:
            if not (reader.whole and patience.expired()):
                raise
            return reader.finish(prompt_tokens)
        except ModelError as error:
            if reader.whole and isinstance(error, ModelUnavailable):  # the connection broke after the reply's end
                return reader.finish(prompt_tokens)
            error.args = (self._endpoint.masked(str(error)),)
            error.usage = reader.so_far(prompt_tokens)
            raise

    @property
    def _wants_completion_tokens(self) -> bool:
        """OpenAI's newer models refuse `max_tokens`; most other servers know nothing else."""
        host = self._endpoint.host
        return not host or host.endswith(_WANTS_COMPLETION_TOKENS)
