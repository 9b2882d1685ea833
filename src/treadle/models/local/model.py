"""The embedded model: a small language model on this machine, with no key, no account and no network.

llama.cpp's server (local_server.py) speaks chat completions, so openai.py talks to it; local_prompt.py turns tools
into a schema and JSON back into calls. Nothing above knows that the model can't call tools by itself.
"""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from ...core.events import Thinking, Usage
from ...core.model import Reply, Request
from ..guard import refuse_real
from ..openai import OpenAIModel
from . import dialect as local_prompt
from . import prefix_cache as local_prefix
from . import server as local_server
from . import weights

SEED = 1

_copying = threading.Lock()
"""Threads that begin together put the weights together once."""


@dataclass(frozen=True, eq=False)
class LocalModel:
    """Qwen2.5-Coder 1.5B, or the GGUF file at `path`.

    Weights and server are got ready at the first reply (ten seconds once, then four in each process); models of the
    same file share one server. It picks the likeliest token, so equal requests give equal replies, nearly always.
    """

    path: Path | None = None
    _: KW_ONLY
    context_tokens: int = 8192
    """Prompt and reply together, and of all conversations that run at a time."""
    max_output_tokens: int = 1024
    temperature: float = 0.0
    seed: int = SEED
    progress: weights.Progress | None = None
    """Told of the one-time copying of the weights; None draws a line on a terminal."""
    _clients: dict[str, OpenAIModel] = field(default_factory=dict, init=False, repr=False)

    @property
    def name(self) -> str:
        return f"local:{self.path}" if self.path else "local"

    def cost_usd(self, usage: Usage) -> float:
        """Nothing."""
        return 0.0

    async def reply(self, request: Request, emit: Callable[[str | Thinking], None]) -> Reply:
        """One step or answer. Raises a ModelError; UsageError where weights or llama.cpp are missing."""
        server, client = await asyncio.to_thread(self.start)
        settings = {
            "model": "local",
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": self.temperature,
            "seed": self.seed,
            "cache_prompt": True,
        }
        tokens = sum(message.tokens for message in request.messages)

        async def ask(
            body: dict[str, Any], emit: Callable[[str | Thinking], None] = lambda text: None
        ) -> Reply:
            return await client.ask(msgspec.json.encode(settings | body), tokens, emit)

        body = local_prompt.build_body(request)
        if server and body["messages"][0]["role"] == "system":
            await local_prefix.warm_up(server, body["messages"][0]["content"], ask)
        reader = local_prompt.AnswerReader(request, emit)
        return reader.finish(await ask(body, reader.feed))

    def start(self) -> tuple[local_server.Server | None, OpenAIModel]:
        """Gets weights and server ready, where they aren't. Blocks; call it early to save the first reply the wait."""
        refuse_real(self.name)
        with _copying:
            path = (
                weights.check_gguf(self.path)
                if self.path
                else weights.ensure_weights(self.progress)
            )
        server = local_server.ensure_server(path, self.context_tokens)
        if server.url not in self._clients:
            # Its server closes a connection after a stream every sixth time or so, just when the next request is on
            # its way: so each has its own. On loopback that costs next to nothing.
            self._clients[server.url] = OpenAIModel(
                "local",
                base_url=server.url,
                api_key=server.key,
                name=self.name,
                context_tokens=self.context_tokens,
                headers={"Connection": "close"},
            )
        return server, self._clients[server.url]
