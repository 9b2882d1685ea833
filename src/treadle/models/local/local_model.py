"""The embedded model: a small language model on this machine. Needs no key, account or network.

llama.cpp's server (server.py) speaks chat completions, so remote_model.py talks to it. A GGUF file
whose chat template calls tools is spoken to by that template (own_template.py). For all others,
dialect.py turns tools into a JSON Schema, and JSON replies into tool calls. Nothing else knows.
"""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from ...core.check_settings import check_whole_number
from ...core.errors import UsageError
from ...core.events import Thinking, Usage
from ...core.legal import fill_empty
from ...core.model import Reply, Request
from ...core.model_settings import ModelSettings, check_model_settings, refuse_uncarried
from ...core.name_kind import name_kind
from ...this_user import expand_home
from ..guard import refuse_real
from ..remote_model import RemoteModel
from . import dialect, prefix_cache
from . import weights as embedded
from .call_text import begins_in_thought, calls_by_itself, without_end
from .gguf import read_chat_template
from .own_template import OwnReader, build_own_body, write_grammar
from .own_thread import OwnThread
from .plain_text import find_marks, keep_plain
from .server import Server, ensure_server
from .text_only import as_text

DEFAULTS = ModelSettings(temperature=0.0, seed=1)
"""It picks the likeliest token, so that equal requests nearly always give equal replies."""

Ask = Callable[[dict[str, Any], Callable[[str | Thinking], None]], Awaitable[Reply]]
"""Sends a body, and gives each piece of text to a function as it comes."""

_assembling = threading.Lock()
"""Lets only one thread of this process put the weights together."""


@dataclass(frozen=True, eq=False)
class LocalModel:
    """Qwen2.5-Coder 1.5B, or the GGUF file at `path`.

    The first reply prepares the weights (ten seconds, once on a machine) and starts the server
    (four seconds, once in a process). Models of the same file share one server. It always picks the
    likeliest token, so equal requests nearly always give equal replies.
    """

    path: str | os.PathLike[str] | None = None
    _: KW_ONLY
    context_tokens: int = 8192
    """The most tokens of prompt and reply, for all conversations at a time together."""
    max_output_tokens: int = 1024
    settings: ModelSettings = DEFAULTS
    """Its own: what they leave open is as in DEFAULTS. A request's win over them."""
    own_template: bool | None = None
    """Whether a file of your own calls tools by its chat template; None: if it has a form for that.

    False: by steps that a grammar enforces, as the embedded model does. That helps models that
    answer in prose where they should call a tool.
    """
    progress: embedded.Progress | None = None
    """Called while the weights are prepared; None shows a line on a terminal."""
    _clients: dict[str, RemoteModel] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.path, str | os.PathLike | None):
            raise UsageError(f"LocalModel(path) is {name_kind(self.path)}; give a path")
        check_whole_number("LocalModel(context_tokens", self.context_tokens, 1)
        check_whole_number("LocalModel(max_output_tokens", self.max_output_tokens, 1)
        check_model_settings("LocalModel(settings=)", self.settings)
        refuse_uncarried(self.settings, self.carried_settings, self.name)
        object.__setattr__(self, "settings", self.settings.over(DEFAULTS))
        if self.settings.max_output_tokens:
            object.__setattr__(self, "max_output_tokens", self.settings.max_output_tokens)

    @property
    def _file(self) -> Path | None:
        return expand_home(self.path) if self.path else None

    @property
    def carried_settings(self) -> frozenset[str]:
        """Not `stop`: a reply is JSON or a call, which a text could cut anywhere."""
        return frozenset(("max_output_tokens", "seed", "temperature", "top_p"))

    @property
    def name(self) -> str:
        return f"local:{self.path}" if self.path else "local"

    @property
    def lacks(self) -> str:
        """What is missing here, as a sentence without its subject; "" where it can be used."""
        if find_spec("xllamacpp") is None or (
            self._file is None and embedded.weights_status().missing
        ):
            return "needs packages that aren't installed: pip install 'treadle[local]'"
        return ""

    def cost_usd(self, usage: Usage) -> float:
        """Always 0."""
        return 0.0

    async def reply(self, request: Request, emit: Callable[[str | Thinking], None]) -> Reply:
        """Ask for one tool call or answer.

        Raises a ModelError, or UsageError if the weights or llama.cpp are missing.
        """
        shown = fill_empty(tuple(map(as_text, request.messages)))
        request = structs.replace(request, messages=shown)
        if request.tool_choice == "none":  # a model that sees no tool answers in prose
            request = structs.replace(request, tools=())
        loop = asyncio.get_running_loop()
        server, client = await loop.run_in_executor(OwnThread(), self.start)
        weights = server.weights if server else self._file
        asked = request.settings.over(self.settings)
        settings = {
            "model": "local",
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": asked.temperature,
            "seed": asked.seed,
            "cache_prompt": True,
        }
        if asked.top_p is not None:
            settings["top_p"] = asked.top_p
        tokens = sum(message.tokens for message in request.messages)

        async def ask(
            body: dict[str, Any], emit: Callable[[str | Thinking], None] = lambda text: None
        ) -> Reply:
            whole = keep_plain(msgspec.json.encode(settings | body), weights)
            return await client.ask(whole, tokens, emit)

        if self._template:
            return await self._reply_by_template(request, ask, emit)
        body = dialect.build_body(request)
        if server and body["messages"][0]["role"] == "system":
            await prefix_cache.warm_up(server, body["messages"][0]["content"], ask)
        reader = dialect.AnswerReader(request, emit)
        return reader.finish(await ask(body, reader.feed))

    async def _reply_by_template(
        self, request: Request, ask: Ask, emit: Callable[[str | Thinking], None]
    ) -> Reply:
        """In the form of the file's own template; in steps where an answer must fit a schema too.

        A grammar can't leave the choice between a call of any form and a structured answer.
        """
        if not (request.tools and request.output_schema):
            own = OwnReader(request, begins_in_thought(self._template), emit)
            return own.finish(await ask(build_own_body(request), own.feed))
        body = dialect.build_body(request)
        body["grammar"] = write_grammar(body.pop("response_format")["json_schema"]["schema"])
        steps = dialect.AnswerReader(request, emit)
        raw = await ask(body, steps.feed)
        return steps.finish(structs.replace(raw, content=without_end(raw.text)))

    @cached_property
    def _template(self) -> str:
        """The chat template that calls are made by; "" if they are made by steps."""
        if self._file is None or self.own_template is False:
            return ""
        template = read_chat_template(self._file)
        if calls_by_itself(template):
            return template
        if self.own_template:
            raise UsageError(
                f"{self.path} has no chat template with tool calls of a form that is known;"
                " leave own_template out"
            )
        return ""

    def start(self) -> tuple[Server | None, RemoteModel]:
        """Prepare the weights and start the server if need be. Blocks.

        Call it early, and the first reply needn't wait for it.
        """
        refuse_real(self.name)
        with _assembling:
            if self._file:
                path = embedded.check_gguf(self._file)
            else:
                path = embedded.ensure_weights(self.progress)
        find_marks(path)
        server = ensure_server(path, self.context_tokens, bool(self._template))
        if server.url not in self._clients:
            # After about every sixth stream the server closes the connection, just when the next
            # request is on its way. So each request has its own connection, which costs little on
            # loopback.
            self._clients[server.url] = RemoteModel(
                "local",
                base_url=server.url,
                api_key=server.key,
                name=self.name,
                context_tokens=self.context_tokens,
                headers={"Connection": "close"},
            )
        return server, self._clients[server.url]
