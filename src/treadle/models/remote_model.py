"""A model behind a server: an address, a dialect, and what its provider accepts.

endpoint.py sends, the dialect writes, and reply_reader.py reads. Nothing here retries: the loop
does, and logs it.
"""

import functools
import hashlib
import logging
from collections.abc import Callable, Hashable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from ..core.errors import ModelError, UsageError
from ..core.events import Thinking, Usage
from ..core.limits import Cost
from ..core.model import Reply, Request
from ..core.model_settings import ModelSettings, refuse_uncarried
from ..core.tokens import CHARS_PER_TOKEN
from .accepted_fields import AcceptedFields
from .chat.dialect import CHAT
from .check_remote import check_remote
from .dialect import Dialect, RequestFields
from .endpoint import Endpoint, Key
from .known_secrets import redact_error
from .learned import has_answered, note_answer, recall, remember
from .output_room import allowed_tokens
from .parameter_names import with_own_names
from .price_table import find_context_tokens, make_price
from .prices import Prices, check_prices
from .provider_errors import UnreadReply
from .receive import receive
from .refusals import Sent, learn, without_unread_thoughts
from .reply_reader import ReplyReader
from .sdk_endpoint import SDKEndpoint

DEFAULT_CONTEXT_TOKENS = 128_000
MAX_LESSONS = 4
"""How many refusals of one request are learned from."""
_log = logging.getLogger("treadle")


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

    0: as the table of prices has it, else 128,000; if that is too many, the provider's first
    refusal tells.
    """
    max_output_tokens: int = 8192
    idle_s: float = 300.0
    """Seconds that the server may send nothing at all. The loop watches the turn's own deadline."""
    settings: ModelSettings = ModelSettings()
    """The model's own settings, e.g. ModelSettings(temperature=0). A request's win over them."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Added to every request's headers."""
    prices: Prices | Mapping[str, Any] | None = None
    """US dollars for a million tokens, as {"input": 0.2, "output": 0.8}, for what the table
    doesn't know: a gateway, a server of your own. They win over the table."""
    dialect: Dialect = CHAT
    """How the address wants requests written."""
    client: Any = field(default=None, repr=False)
    """An async client of a provider's SDK, to send by it and with its key: AsyncAzureOpenAI(…)."""
    _endpoint: Endpoint | SDKEndpoint = field(init=False, repr=False)
    _accepted: AcceptedFields = field(init=False, repr=False)
    """By the table. What was learned since wins: `learned.recall`."""
    _price: list[Cost] = field(default_factory=list, init=False, repr=False)

    def __repr__(self) -> str:
        url = self._endpoint.shown_url
        return f"{type(self).__name__}({self.model!r}, base_url={url!r}, name={self.name!r})"

    def __post_init__(self) -> None:
        check_remote(vars(self))
        name = self.name or f"{self.dialect.service.scheme}:{self.model}"
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "prices", check_prices(self.prices))
        refuse_uncarried(self.settings, self.carried_settings, self.name)
        if self.settings.max_output_tokens:
            object.__setattr__(self, "max_output_tokens", self.settings.max_output_tokens)
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

    @property
    def lacks(self) -> str:
        """What is missing for a request, such as a key; "" if nothing is."""
        return getattr(self._endpoint, "lacks", "")

    @property
    def carried_settings(self) -> frozenset[str]:
        """The settings that its dialect can write."""
        return frozenset((*self.dialect.settings, "max_output_tokens", "extra"))

    def cost_usd(self, usage: Usage) -> float | None:
        """By `prices`, else by the table of prices that ships.

        None for a model or host that isn't in it.
        """
        if not self._price:
            prices = check_prices(self.prices)
            body = dict(self.settings.extra)
            if self.settings.service_tier:
                body["service_tier"] = self.settings.service_tier
            self._price.append(make_price(self.model, self.base_url, prices, body))
        return self._price[0](usage)

    async def reply(self, request: Request, emit: Callable[[str | Thinking], None]) -> Reply:
        """Send one request and read its stream.

        Raises a ModelError; UsageError if a key is missing.

        Never retries, with two exceptions. If the refusal is of something that Treadle sends by
        itself, it asks once more without that, and remembers it if the model then replies. If the
        model can't read its own earlier thoughts any more, as with another organization's key, it
        asks once more without them.
        """
        request = self._with_own_settings(request)
        emitted = False

        def emit_and_note(piece: str | Thinking) -> None:
            nonlocal emitted
            emitted = True
            emit(piece)

        accepted = self._known
        tried = [accepted]
        words: list[str] = []
        body = self._body(request, accepted)
        self._warn_of_effort(request, accepted)
        while True:
            try:
                reply = await self.ask(body, request.tokens, emit_and_note)
                break
            except ModelError as refusal:
                if emitted:
                    raise
                plain = without_unread_thoughts(refusal, request)
                if plain is None:
                    lesson = learn(refusal, self._sent(request, body), accepted)
                    if lesson is None or lesson.accepted in tried or len(tried) > MAX_LESSONS:
                        raise
                    tried.append(lesson.accepted)
                    words.append(lesson.words)
                    accepted = lesson.accepted
                request, before = plain or request, body
                body = self._body(request, accepted)
                if body == before:
                    raise
        if len(tried) > 1:
            remember(self._key, accepted)
            self._warn_of_effort(request, accepted)
            for each in filter(None, words):
                _warn_once(f"{self.name} {each}")
        return replace(reply, content=with_own_names(reply.content, request.tools))

    def _sent(self, request: Request, body: bytes) -> Sent:
        own = self.dialect.own_fields(request.settings)
        return Sent(request, msgspec.json.decode(body), own)

    def body(self, request: Request) -> bytes:
        """The request's body, in the model's dialect."""
        return self._body(self._with_own_settings(request), self._known)

    @property
    def _known(self) -> AcceptedFields:
        """What it accepts, as far as it is known."""
        return recall(self._key, self._accepted)

    def _with_own_settings(self, request: Request) -> Request:
        """The request with the model's settings where it leaves them open."""
        settings = request.settings.over(self.settings)
        if settings is request.settings:
            return request
        return replace(request, settings=settings)

    @functools.cached_property
    def _key(self) -> Hashable:
        return self.place, self.model

    @functools.cached_property
    def place(self) -> str:
        """Stands for its address in the log, where fields of its replies belong; shows nothing."""
        parts = urlsplit(self.base_url or "")
        address = f"{parts.hostname}:{parts.port}{parts.path.rstrip('/')}{self.dialect.path}"
        return hashlib.blake2b(address.encode(), digest_size=6).hexdigest()

    def _with_tools(self, request: Request, accepted: AcceptedFields) -> Mapping[str, Any]:
        """The fields that the model needs beside tools, without those that the user has set."""
        if not (request.tools and accepted.with_tools):
            return {}
        own = self.dialect.own_fields(request.settings)
        return {key: each for key, each in accepted.with_tools.items() if key not in own}

    def _warn_of_effort(self, request: Request, accepted: AcceptedFields) -> None:
        for key, value in self._with_tools(request, accepted).items():
            _warn_once(
                f"{self.name} takes tools here only with {key}={value}, so that is sent with them:"
                " it doesn't reason before it calls one. To be told no more, set it yourself:"
                f" -o {key}={value}, or ModelSettings(effort=...) in Python"
            )

    def _body(self, request: Request, accepted: AcceptedFields) -> bytes:
        added = {**accepted.always, **dict.fromkeys(accepted.left_out)}
        for name in accepted.left_out & self.dialect.own_fields(request.settings):
            del added[
                name
            ]  # the user's own part of it is sent: whether it is taken, the model says
        added |= self._with_tools(request, accepted)
        fields = RequestFields(self.model, accepted, added, request.settings.extra)
        tokens = allowed_tokens(request, accepted)
        if tokens != request.max_output_tokens:
            request = replace(request, max_output_tokens=tokens)
        return self.dialect.encode(request, fields)

    async def ask(
        self, body: bytes, prompt_tokens: int, emit: Callable[[str | Thinking], None]
    ) -> Reply:
        """Send this body and read the reply.

        Raises a ModelError, whose message never has the key.
        """
        reader = ReplyReader(self.dialect, is_model=has_answered(self._key))
        try:
            await receive(self._endpoint, body, reader, emit)
            reply = reader.finish(prompt_tokens)
            for piece in reader.take_pieces():
                emit(piece)
        except UnreadReply as unread:
            redact_error(unread)
            usage = Usage(prompt_tokens, len(unread.said) // CHARS_PER_TOKEN, estimated=True)
            fault, refusal = str(unread), ""
            if unread.finish_reason == "content_filter":
                fault, refusal = "", fault
            return Reply(unread.said, usage, unread.finish_reason, refusal, fault=fault)
        except ModelError as error:
            redact_error(error)
            error.usage = reader.usage_so_far(prompt_tokens)
            raise
        note_answer(self._key)
        return reply


@functools.cache
def _warn_once(text: str) -> None:
    """Log a warning to the logger `treadle`; by default Python shows it on standard error."""
    _log.warning(text)
