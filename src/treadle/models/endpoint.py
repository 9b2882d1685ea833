"""Sends requests to one path of an OpenAI-compatible server:

JSON bytes out, a stream of bytes back.

The official SDK supplies keys, headers, base URLs, proxies and the HTTP client. Sending doesn't use
its request methods: they walk and copy the whole history for every request, and cost half a
millisecond of CPU more.
"""

import asyncio
import base64
import os
import ssl
import threading
import weakref
from collections.abc import AsyncGenerator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from ..core.errors import ModelRejected, ModelUnavailable, UsageError
from ..core.redact import find_secrets, passwords_of, redact, spellings
from .guard import LOOPBACK, refuse_real
from .provider_errors import http_error

MAX_ERROR_BYTES = 64 * 1024
CONNECT_S = 20.0
MAX_CONNECTIONS = 24
"""Requests at a time on one client; further ones get another client.

Each request looks at every connection of its client's pool, so large pools are slow.
"""


@dataclass
class _Client:
    """An HTTP client, and the parts that all its requests share, worked out once by the SDK."""

    http: Any
    url: Any
    headers: Any
    extensions: dict[str, Any]
    generator: Any = None
    """The generator that made this client and closes it; an event loop that shuts down ends it."""
    busy: int = 0
    """Requests that are under way."""


@dataclass(frozen=True, eq=False)
class Endpoint:
    """One path of a server, with the key and headers to send there.

    Key and base URL come from the arguments, else from OPENAI_API_KEY and OPENAI_BASE_URL.
    """

    path: str
    """Added to the base URL, e.g. `/chat/completions`."""
    name: str
    """The model's name, for error messages."""
    _: KW_ONLY
    base_url: str | None = field(default=None, repr=False)
    api_key: str | None = field(default=None, repr=False)
    idle_s: float = 300.0
    """Seconds that the server may send nothing at all."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Added to every request's headers."""
    _clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, list[_Client]] = field(
        default_factory=weakref.WeakKeyDictionary, init=False, repr=False
    )
    """By event loop: a connection belongs to the loop that opened it."""

    def __post_init__(self) -> None:
        url = _check_url(self.base_url or os.environ.get("OPENAI_BASE_URL"))
        object.__setattr__(self, "base_url", url)
        with _lock:
            _endpoints.add(self)

    @property
    def host(self) -> str:
        """The host of the base URL; empty if the SDK's default URL is used."""
        return urlsplit(self.base_url or "").hostname or ""

    @property
    def shown_url(self) -> str | None:
        """The base URL without its password; None for the SDK's default."""
        return self.base_url and redact(self.base_url, self.secrets())

    def secrets(self) -> frozenset[str]:
        """The key, the passwords in the base URL and the values of the headers, as `spellings`."""
        values = [self._key()]
        for value in (self.base_url or "", *self.headers.values()):
            values += passwords_of(value)
        for value in self.headers.values():
            values += [value, value.rpartition(" ")[2]]  # "Bearer abc": also without the scheme
        parts = urlsplit(self.base_url or "")
        if parts.password:  # sent as basic authentication (RFC 7617), decoded
            user, password = unquote(parts.username or ""), unquote(parts.password)
            pair = base64.b64encode(f"{user}:{password}".encode()).decode()
            values += [password, pair]
        return spellings(values)

    async def post(self, body: bytes) -> AsyncGenerator[bytes, None]:
        """Send the body; yields the bytes of a successful response as they come.

        Closes the response at the end, also when cancelled. Raises a ModelError for any other
        response.
        """
        refuse_real(self.name, self.host)
        http = _http_library()
        client = await self._free_client()
        request = http.Request(
            "POST", client.url, headers=client.headers, content=body, extensions=client.extensions
        )
        response = None
        client.busy += 1
        try:
            response = await client.http.send(request, stream=True, follow_redirects=False)
            await _raise_for_failure(response)
            async for data in response.aiter_bytes():
                yield data
        except (http.HTTPError, http.StreamError) as error:
            message = f"no whole reply from {self.name}: {type(error).__name__} {error}".rstrip()
            raise ModelUnavailable(message) from None
        finally:
            client.busy -= 1
            if response is not None:
                await response.aclose()

    async def _free_client(self) -> _Client:
        """A client of this event loop that has room for one more request."""
        clients = self._clients.setdefault(asyncio.get_running_loop(), [])
        for client in clients:
            if client.busy < MAX_CONNECTIONS:
                return client
        generator = self._open_client(clients)
        client = await anext(generator)  # nothing is awaited before its yield: no race
        client.generator = generator
        clients.append(client)
        return client

    async def _open_client(self, clients: list[_Client]) -> AsyncGenerator[_Client, None]:
        """A new client, closed when this generator is.

        An event loop that shuts down closes its open generators, and so its clients.
        """
        key = self._checked_key()
        openai = _import_sdk()
        timeout = openai.Timeout(self.idle_s, connect=min(CONNECT_S, self.idle_s))
        http = self._http_client(openai)
        sdk = openai.AsyncOpenAI(base_url=self.base_url, api_key=key or "none", http_client=http)
        url = _http_library().URL(f"{str(sdk.base_url).rstrip('/')}{self.path}")
        try:
            yield _Client(http, url, self._headers(sdk), {"timeout": timeout.as_dict()})
        finally:
            clients.clear()
            await sdk.close()

    def _http_client(self, openai: Any) -> Any:
        local = self.host in LOOPBACK
        verify: Any = True
        if local and urlsplit(self.base_url or "").scheme == "http":
            verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # empty: saves 30 ms of CPU
        return openai.DefaultAsyncHttpxClient(
            limits=_http_library().Limits(
                max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS
            ),
            trust_env=not local,  # no proxy can reach this machine's own address
            verify=verify,
        )

    def _headers(self, sdk: Any) -> Any:
        """The SDK's headers and the user's.

        Without those that describe this machine and its Python: they cost CPU at each call, and
        nobody needs to know.
        """
        headers = {
            **sdk.default_headers,
            **sdk.auth_headers,
            "Accept-Encoding": "identity",
            **self.headers,
        }
        sent = {}
        for name, value in headers.items():
            if isinstance(value, str) and not name.lower().startswith("x-stainless"):
                sent[name] = value
        return _http_library().Headers(sent)

    def _checked_key(self) -> str:
        key = self._key()
        if not key and self.host in ("", "api.openai.com"):
            raise UsageError(
                "no OPENAI_API_KEY is set; set it, name another model, or use the embedded one:"
                " local"
            )
        if key and not (key.isascii() and key.isprintable()):
            raise UsageError(f"the key of {self.name} has characters that no header can carry")
        return key

    def _key(self) -> str:
        return (self.api_key or os.environ.get("OPENAI_API_KEY") or "").strip()


_endpoints: "weakref.WeakSet[Endpoint]" = weakref.WeakSet()
"""Those in use: what any of them keeps secret must be in no error of the process."""
_lock = threading.Lock()
"""A set that grows can't be read at the same time."""


def redact_known(text: str) -> str:
    """The text without secrets: those of all endpoints, of the environment, and all by shape.

    For every error's text on its way out, to a caller, a log or a model: an error of a tool or of a
    server may quote what it was sent.
    """
    with _lock:
        endpoints = list(_endpoints)
    secrets = find_secrets(os.environ)
    for endpoint in endpoints:
        secrets |= endpoint.secrets()
    return redact(text, secrets)


def _check_url(url: str | None) -> str | None:
    if not url:
        return None
    try:
        parts = urlsplit(url.strip())
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or not url.isprintable():
        raise UsageError(
            f"base URL {redact(url)!r}: it must be like https://host/v1 or http://127.0.0.1:8000/v1"
        )
    return url.strip()


def _import_sdk() -> Any:
    import openai  # takes a second of CPU: so only at the first call

    return openai


def _http_library() -> Any:
    """The HTTP library of the installed SDK: httpx2 since version 3.0, httpx before."""
    for base in _import_sdk().DefaultAsyncHttpxClient.__mro__:
        name = base.__module__.partition(".")[0]
        if name == "httpx2":
            import httpx2

            return httpx2
    import httpx  # type: ignore[import-not-found, unused-ignore]

    return httpx


async def _raise_for_failure(response: Any) -> None:
    """Raises the ModelError that the status and the body stand for, unless they are a success."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "deflate", ""):
        # Other encodings can grow a thousandfold in one step of decompression.
        raise ModelRejected(f"the server compresses with {encoding!r}, though asked not to")
    if response.is_success:
        return
    body = bytearray()
    try:
        async for data in response.aiter_bytes():
            body += data
            if len(body) > MAX_ERROR_BYTES:
                break
    except _http_library().HTTPError:
        pass  # half an error message says enough
    raise http_error(response.status_code, response.headers, bytes(body[:MAX_ERROR_BYTES]))
