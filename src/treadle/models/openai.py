"""Any server that speaks chat completions, through the official SDK.

The SDK brings keys, headers, base URLs, proxies and its HTTP client. Sending is ours: its own way walks and copies the
whole history in every request, and costs half a millisecond of CPU besides. So is reading (stream.py), since it takes
half an answer for a whole one and reads errors without an end; and retries, which the loop makes and logs.
"""

import asyncio
import os
import ssl
import weakref
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import KW_ONLY, dataclass, field
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ..errors import ModelError, ModelRejected, ModelUnavailable, UsageError
from ..events import Usage
from .guard import LOOPBACK, refuse_real
from .model import Reply, Request
from .provider_errors import status_error
from .stream import ReplyReader
from .usage import price_of

MAX_ERROR_BYTES = 64 * 1024
CONNECT_S = 20.0
AFTER_DONE_S = 1.0
"""How long a server that has said its last may take to end the response, so that the connection can be used again."""

BUSY = 24  # requests at a time on one client: its pool looks at every connection in each. More get another client
_WANTS_COMPLETION_TOKENS = ("api.openai.com", ".openai.azure.com", ".services.ai.azure.com")
_encode = msgspec.json.Encoder().encode


@dataclass
class _Line:
    """What requests need that is the same for all: worked out once, by the SDK."""

    client: Any
    url: Any
    headers: Any
    extensions: dict[str, Any]
    opened: Any = None
    """The generator that closes the client: a loop that shuts down ends it."""
    busy: int = 0


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
    context_tokens: int = 128_000
    max_output_tokens: int = 8192
    idle_s: float = 300.0
    """How long the server may say nothing at all. The turn's own deadline is the loop's."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Added to every request's body, e.g. {"temperature": 0}; None leaves a field out that would be sent."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Added to every request's headers."""
    _lines: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, list[_Line]] = field(
        default_factory=weakref.WeakKeyDictionary, init=False, repr=False
    )
    """A connection belongs to the event loop that opened it."""
    _prices: list[Callable[[Usage], float | None]] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or f"openai:{self.model}")
        object.__setattr__(self, "base_url", _checked_url(self.base_url or os.environ.get("OPENAI_BASE_URL")))

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
            async with aclosing(self._answer(body)) as answer, patience:
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
            error.args = (str(error).replace(self._key() or "\0", "[key]"),)
            error.usage = reader.so_far(prompt_tokens)
            raise

    async def _answer(self, body: bytes) -> AsyncGenerator[bytes, None]:
        """The body of a successful response, as it comes. Closes it at the end, also when cancelled."""
        refuse_real(self.name, self._host)
        http, line = _http(), await self._line()
        request = http.Request("POST", line.url, headers=line.headers, content=body, extensions=line.extensions)
        response = None
        line.busy += 1
        try:
            response = await line.client.send(request, stream=True, follow_redirects=False)
            await _check(response)
            async for data in response.aiter_bytes():
                yield data
        except (http.HTTPError, http.StreamError) as error:
            said = f"no whole reply from {self.name}: {type(error).__name__} {error}".rstrip()
            raise ModelUnavailable(said) from None
        finally:
            line.busy -= 1
            if response is not None:
                await response.aclose()

    async def _line(self) -> _Line:
        lines = self._lines.setdefault(asyncio.get_running_loop(), [])
        line = next((line for line in lines if line.busy < BUSY), None)
        if line is None:
            opened = self._opened(lines)
            line = await anext(opened)  # nothing is awaited before its yield: no race
            line.opened = opened
            lines.append(line)
        return line

    async def _opened(self, lines: list[_Line]) -> AsyncGenerator[_Line, None]:
        """A line for this loop. As a generator, since a loop that shuts down closes those that are still open."""
        key = self._key()
        if not key and self._host in ("", "api.openai.com"):
            raise UsageError("no OPENAI_API_KEY is set; set it, name another model, or use the embedded one: local")
        if key and not (key.isascii() and key.isprintable()):
            raise UsageError(f"the key of {self.name} has characters that no header can carry")
        openai = _sdk()
        timeout = openai.Timeout(self.idle_s, connect=min(CONNECT_S, self.idle_s))
        here, plain = self._host in LOOPBACK, urlsplit(self.base_url or "").scheme == "http"
        client = openai.DefaultAsyncHttpxClient(
            limits=_http().Limits(max_connections=BUSY, max_keepalive_connections=BUSY),
            trust_env=not here,  # no proxy knows the way to this machine
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if here and plain else True,  # saves 30 ms of CPU
        )
        sdk = openai.AsyncOpenAI(base_url=self.base_url, api_key=key or "none", http_client=client)
        headers = {**sdk.default_headers, **sdk.auth_headers, "Accept-Encoding": "identity", **self.headers}
        said = {name: value for name, value in headers.items() if isinstance(value, str)}
        # Who asks on what machine is nobody's business, and costs CPU at each call.
        sent = _http().Headers({name: said[name] for name in said if not name.lower().startswith("x-stainless")})
        url = _http().URL(f"{str(sdk.base_url).rstrip('/')}/chat/completions")
        try:
            yield _Line(client, url, sent, {"timeout": timeout.as_dict()})
        finally:
            lines.clear()
            await sdk.close()

    def _key(self) -> str:
        return (self.api_key or os.environ.get("OPENAI_API_KEY") or "").strip()

    @property
    def _host(self) -> str:
        return urlsplit(self.base_url or "").hostname or ""

    @property
    def _wants_completion_tokens(self) -> bool:
        """OpenAI's newer models refuse `max_tokens`; most other servers know nothing else."""
        return not self._host or self._host.endswith(_WANTS_COMPLETION_TOKENS)


def _checked_url(url: str | None) -> str | None:
    if not url:
        return None
    try:
        parts = urlsplit(url.strip())
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or not url.isprintable():
        raise UsageError(f"base URL {url!r}: it must be like https://host/v1 or http://127.0.0.1:8000/v1")
    return url.strip()


def _sdk() -> Any:
    import openai  # a second of CPU: not before the first call

    return openai


def _http() -> Any:
    """The HTTP library that this version of the SDK is made with: httpx2 since 3.0, httpx before."""
    for base in _sdk().DefaultAsyncHttpxClient.__mro__:
        name = base.__module__.partition(".")[0]
        if name == "httpx2":
            import httpx2

            return httpx2
    import httpx  # type: ignore[import-not-found, unused-ignore]

    return httpx


async def _check(response: Any) -> None:
    """A hook that runs when the headers came. Raises the ModelError of an answer that is no success."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "deflate", ""):  # the others can swell a thousandfold in one step
        raise ModelRejected(f"the server compresses with {encoding!r}, though asked not to")
    if response.is_success:
        return
    body = bytearray()
    try:
        async for data in response.aiter_bytes():
            body += data
            if len(body) > MAX_ERROR_BYTES:
                break
    except _http().HTTPError:
        pass  # half an error says enough
    raise status_error(response.status_code, response.headers, bytes(body[:MAX_ERROR_BYTES]))
