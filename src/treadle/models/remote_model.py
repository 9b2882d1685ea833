"""A model behind a server: an address, a dialect, and what its provider accepts.

endpoint.py sends, the dialect writes, and reply_reader.py reads. Nothing here retries: the loop
does, and logs it.
"""

import asyncio
import functools
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from msgspec.structs import replace

from ..core.check_settings import check_number, check_whole_number
from ..core.errors import ModelError, ModelRejected, ModelUnavailable, UsageError
from ..core.events import Thinking, Usage
from ..core.limits import Cost
from ..core.model import Reply, Request
from .accepted_fields import AcceptedFields, find_refused_field
from .chat.dialect import CHAT
from .dialect import Dialect, RequestFields
from .endpoint import Endpoint, Key
from .known_secrets import redact_known
from .price_table import find_context_tokens, make_price
from .prices import Prices, check_prices
from .reply_reader import ReplyReader
from .sdk_endpoint import SDKEndpoint

AFTER_DONE_S = 1.0
"""How long to wait for the end of a response after its last event, to reuse the connection."""

DEFAULT_CONTEXT_TOKENS = 128_000
_EFFORT = "reasoning_effort"
_UNREADABLE = re.compile(r"encrypted.content.{0,400}(verif|decrypt|pars)", re.I | re.S)
"""How a provider says that it can't read a thought that it once gave."""
_log = logging.getLogger("treadle")


class _FieldRefused(Exception):
    """The provider refused a field of this name, which Treadle has added."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True, eq=False)
class RemoteModel:
    """A model behind an address that speaks one of Treadle's dialects.

    Key and base URL come from the arguments, else from the variables of the dialect's service:
    OPENAI_API_KEY and OPENAI_BASE_URL, or ANTHROPIC_API_KEY and ANTHROPIC_BASE_URL.
    """

    model: str
    _: KW_ONLY
    base_url: str | None = None
    """Without the dialect's path, such as `/chat/completions`; most end in `/v1`."""
    api_key: Key | None = field(default=None, repr=False)
    """Or a function, also async, that gives the present key; it is asked before each request. ""
    sends none, also where the environment has one."""
    name: str = ""
    """The model's name in the log; by default `openai:` and the model, or as the dialect has it."""
    context_tokens: int = 0
    """The most tokens of prompt and reply together.

    0: as genai-prices has it, else 128,000; if that is too many, the provider's first refusal
    tells.
    """
    max_output_tokens: int = 8192
    idle_s: float = 300.0
    """Seconds that the server may send nothing at all. The loop watches the turn's own deadline."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Added to every request's body, e.g. {"temperature": 0}; None removes a field.

    It wins over the fields that Treadle sends by itself.
    """
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Added to every request's headers."""
    prices: Prices | Mapping[str, Any] | None = None
    """US dollars for a million tokens, as {"input": 0.2, "output": 0.8}, for what genai-prices
    doesn't know: a gateway, a server of your own. They win over the table."""
    dialect: Dialect = CHAT
    """How the address wants requests written."""
    client: Any = field(default=None, repr=False)
    """An async client of a provider's SDK, to send by it and with its key: AsyncAzureOpenAI(…)."""
    _endpoint: Endpoint | SDKEndpoint = field(init=False, repr=False)
    _accepted: AcceptedFields = field(init=False, repr=False)
    _learned: list[Mapping[str, Any]] = field(default_factory=list, init=False, repr=False)
    """The fields to send with tools, last in the list: a refusal showed that the table is wrong."""
    _refused: list[str] = field(default_factory=list, init=False, repr=False)
    """The fields of the table that this model refused."""
    _price: list[Cost] = field(default_factory=list, init=False, repr=False)

    def __repr__(self) -> str:
        url = self._endpoint.shown_url
        return f"{type(self).__name__}({self.model!r}, base_url={url!r}, name={self.name!r})"

    def __post_init__(self) -> None:
        name = self.name or f"{self.dialect.service.scheme}:{self.model}"
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "prices", check_prices(self.prices))
        check_whole_number("RemoteModel(context_tokens", self.context_tokens)
        check_whole_number("RemoteModel(max_output_tokens", self.max_output_tokens, 1)
        check_number("RemoteModel(idle_s", self.idle_s)
        endpoint = self._make_endpoint()
        object.__setattr__(self, "_endpoint", endpoint)
        object.__setattr__(self, "base_url", endpoint.base_url)
        accepted = self.dialect.find_accepted(endpoint.host, self.model)
        object.__setattr__(self, "_accepted", accepted)
        if not self.context_tokens:
            known = find_context_tokens(self.model, self.base_url)
            object.__setattr__(self, "context_tokens", known or DEFAULT_CONTEXT_TOKENS)

    def _make_endpoint(self) -> Endpoint | SDKEndpoint:
        path, name = self.dialect.path, self.name
        if self.client is not None:
            endpoint = SDKEndpoint(self.client, path, name, self.idle_s, self.headers)
            if self.api_key is not None or self.base_url not in (None, "", endpoint.base_url):
                raise UsageError(f"{name} asks by its client=; give that one address and key")
            return endpoint
        return Endpoint(
            path,
            name,
            base_url=self.base_url,
            api_key=self.api_key,
            idle_s=self.idle_s,
            headers=self.headers,
            service=self.dialect.service,
        )

    def cost_usd(self, usage: Usage) -> float | None:
        """By `prices`, else by the price table of genai-prices, offline.

        None for a model or host that isn't in it.
        """
        if not self._price:
            prices = check_prices(self.prices)
            self._price.append(make_price(self.model, self.base_url, prices, self.extra))
        return self._price[0](usage)

    async def reply(self, request: Request, emit: Callable[[str | Thinking], None]) -> Reply:
        """Send one request and read its stream.

        Raises a ModelError; UsageError if a key is missing.

        Never retries, with two exceptions. If a field is refused that Treadle has added by itself,
        it asks once more without that, and remembers it. If the model can't read its own earlier
        thoughts any more, as with another organization's key, it asks once more without them.
        """
        left_out: list[str] = []
        while True:
            try:
                reply = await self._reply(request, emit, left_out)
            except _FieldRefused as refusal:
                left_out.append(refusal.name)
                continue
            self._refused.extend(left_out)
            for name in left_out:
                _warn_once(f"{self.name} doesn't take {name}, so that isn't sent to it any more")
            return reply

    async def _reply(
        self, request: Request, emit: Callable[[str | Thinking], None], left_out: list[str]
    ) -> Reply:
        tokens = sum(message.tokens for message in request.messages)
        always = self._always(left_out)
        added = self._fields_with_tools(request)
        emitted = False

        def emit_and_note(piece: str | Thinking) -> None:
            nonlocal emitted
            emitted = True
            emit(piece)

        self._warn_of(added)
        try:
            return await self.ask(self._body(request, always | added), tokens, emit_and_note)
        except ModelRejected as refusal:
            words = str(refusal)
            if emitted:
                raise
            if name := find_refused_field(words, always):
                raise _FieldRefused(name) from None
            if _UNREADABLE.search(words) and any(message.model for message in request.messages):
                return await self._reply(_without_thoughts(request), emit, left_out)
            if not request.tools or _EFFORT in self.extra or _EFFORT not in words:
                raise
        other: dict[str, Any] = {} if _EFFORT in added else {_EFFORT: "none"}
        reply = await self.ask(self._body(request, always | other), tokens, emit)
        self._learned.append(other)
        self._warn_of(other)
        return reply

    def body(self, request: Request) -> bytes:
        """The request's body, in the model's dialect."""
        return self._body(request, self._always(()) | self._fields_with_tools(request))

    def _always(self, left_out: Sequence[str]) -> dict[str, Any]:
        """The fields that Treadle adds to every request, without those that were refused."""
        refused = {*self._refused, *left_out}
        always = self._accepted.always
        return {name: value for name, value in always.items() if name not in refused}

    def _fields_with_tools(self, request: Request) -> dict[str, Any]:
        """The fields that the model needs beside tools, without those that the user has set."""
        if not request.tools:
            return {}
        wanted = self._learned[-1] if self._learned else self._accepted.with_tools
        return {key: value for key, value in wanted.items() if key not in self.extra}

    def _warn_of(self, added: Mapping[str, Any]) -> None:
        for key, value in added.items():
            _warn_once(
                f"{self.name} takes tools here only with {key}={value}, so that is sent with them:"
                " it doesn't reason before it calls one. To be told no more, set it yourself:"
                f" -o {key}={value}, or extra= in Python"
            )

    def _body(self, request: Request, added: Mapping[str, Any]) -> bytes:
        fields = RequestFields(self.model, self._accepted, added, self.extra)
        return self.dialect.encode(request, fields)

    async def ask(
        self, body: bytes, prompt_tokens: int, emit: Callable[[str | Thinking], None]
    ) -> Reply:
        """Send this body and read the reply.

        Raises a ModelError, whose message never has the key.
        """
        reader = ReplyReader(self.dialect)
        patience = asyncio.timeout(None)
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
            if reader.whole and isinstance(error, ModelUnavailable):
                return reader.finish(prompt_tokens)  # the connection broke after the reply's end
            error.args = (redact_known(str(error)),)
            error.usage = reader.usage_so_far(prompt_tokens)
            raise


def _without_thoughts(request: Request) -> Request:
    """The request without all that only the model itself understands."""
    return replace(request, messages=tuple(each.for_model("none") for each in request.messages))


@functools.cache
def _warn_once(text: str) -> None:
    """Log a warning to the logger `treadle`; by default Python shows it on standard error."""
    _log.warning(text)
