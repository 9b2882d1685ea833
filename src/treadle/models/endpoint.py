"""A server that speaks OpenAI's protocol: one place of it, asked with a body of JSON, read as bytes.

The official SDK brings keys, headers, base URLs, proxies and its HTTP client. Sending is ours: its own way walks and
copies the whole history in every request, and costs half a millisecond of CPU besides.
"""

import asyncio
import os
import ssl
import weakref
from collections.abc import AsyncGenerator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ..core.errors import ModelRejected, ModelUnavailable, UsageError
from .guard import LOOPBACK, refuse_real
from .provider_errors import http_error

MAX_ERROR_BYTES = 64 * 1024
CONNECT_S = 20.0
BUSY = 24  # requests at a time on one client: its pool looks at every connection in each. More get another client


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
class Endpoint:
    """Where to send requests of one kind, and as whom.

    Key and address come from the arguments, else OPENAI_API_KEY and OPENAI_BASE_URL, as the SDK reads them.
    """

    path: str
    """What follows the base URL, e.g. `/chat/completions`."""
    name: str
    """Of the model, for the words of errors."""
    _: KW_ONLY
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    idle_s: float = 300.0
    """How long the server may say nothing at all."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Added to every request's headers."""
    _lines: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, list[_Line]] = field(
        default_factory=weakref.WeakKeyDictionary, init=False, repr=False
    )
    """A connection belongs to the event loop that opened it."""

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "base_url", _checked_url(self.base_url or os.environ.get("OPENAI_BASE_URL"))
        )

    @property
    def host(self) -> str:
        """Empty where the address is the SDK's own."""
        return urlsplit(self.base_url or "").hostname or ""

    def mask_key(self, text: str) -> str:
        """The text without the key."""
        return text.replace(self._key() or "\0", "[key]")

    async def post(self, body: bytes) -> AsyncGenerator[bytes, None]:
        """The body of a successful response, as it comes. Closes it at the end, also when cancelled."""
        refuse_real(self.name, self.host)
        http, line = _http(), await self._line()
        request = http.Request(
            "POST", line.url, headers=line.headers, content=body, extensions=line.extensions
        )
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
        if not key and self.host in ("", "api.openai.com"):
            raise UsageError(
                "no OPENAI_API_KEY is set; set it, name another model, or use the embedded one: local"
            )
        if key and not (key.isascii() and key.isprintable()):
            raise UsageError(f"the key of {self.name} has characters that no header can carry")
        openai = _sdk()
        timeout = openai.Timeout(self.idle_s, connect=min(CONNECT_S, self.idle_s))
        here, plain = self.host in LOOPBACK, urlsplit(self.base_url or "").scheme == "http"
        client = openai.DefaultAsyncHttpxClient(
            limits=_http().Limits(max_connections=BUSY, max_keepalive_connections=BUSY),
            trust_env=not here,  # no proxy knows the way to this machine
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            if here and plain
            else True,  # saves 30 ms of CPU
        )
        sdk = openai.AsyncOpenAI(base_url=self.base_url, api_key=key or "none", http_client=client)
        headers = {
            **sdk.default_headers,
            **sdk.auth_headers,
            "Accept-Encoding": "identity",
            **self.headers,
        }
        said = {name: value for name, value in headers.items() if isinstance(value, str)}
        # Who asks on what machine is nobody's business, and costs CPU at each call.
        sent = _http().Headers(
            {name: said[name] for name in said if not name.lower().startswith("x-stainless")}
        )
        url = _http().URL(f"{str(sdk.base_url).rstrip('/')}{self.path}")
        try:
            yield _Line(client, url, sent, {"timeout": timeout.as_dict()})
        finally:
            lines.clear()
            await sdk.close()

    def _key(self) -> str:
        return (self.api_key or os.environ.get("OPENAI_API_KEY") or "").strip()


def _checked_url(url: str | None) -> str | None:
    if not url:
        return None
    try:
        parts = urlsplit(url.strip())
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or not url.isprintable():
        raise UsageError(
            f"base URL {url!r}: it must be like https://host/v1 or http://127.0.0.1:8000/v1"
        )
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
    if encoding not in (
        "identity",
        "gzip",
        "deflate",
        "",
    ):  # the others can swell a thousandfold in one step
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
    raise http_error(response.status_code, response.headers, bytes(body[:MAX_ERROR_BYTES]))
