"""The address of one path of a server, with the key and headers to send there.

JSON bytes out, a stream of bytes back. http_client.py has the connections.
"""

import base64
import inspect
import os
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit

from ..core.errors import ModelUnavailable, UsageError
from ..core.redact import passwords_of, redact, spellings
from ..core.secret_names import names_secret
from ..core.version import VERSION
from .guard import refuse_real
from .http_client import Line, make_line, post
from .known_secrets import remember_secrets
from .service import OPENAI, Service

Key = str | Callable[[], str | Awaitable[str]]
"""A key, or a function that gives the present one, asked before each request.

An OSError that it raises, such as a TimeoutError, is an outage like one of the model; for any other
it may raise ModelUnavailable itself.
"""

_PLAIN_HEADERS = (
    *("accept", "anthropic-beta", "anthropic-version", "connection", "content-type"),
    *("http-referer", "openai-beta", "user-agent", "x-title"),
)
"""Headers whose values are no secrets, so that errors may show these words."""
_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
    "User-Agent": f"treadle/{VERSION}",
}


@dataclass(frozen=True, eq=False)
class Endpoint:
    """One path of a server, with the key and headers to send there.

    Key and base URL come from the arguments, else from the environment, as the service says.
    """

    path: str
    """Added to the path of the base URL, e.g. `/chat/completions`."""
    name: str
    """The model's name, for error messages."""
    _: KW_ONLY
    base_url: str | None = field(default=None, repr=False)
    api_key: Key | None = field(default=None, repr=False)
    """"" sends none, also where the environment has one."""
    idle_s: float = 300.0
    """Seconds that the server may send nothing at all."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Added to every request's headers."""
    service: Service = OPENAI
    _given_keys: deque[str] = field(default_factory=lambda: deque(maxlen=8), init=False, repr=False)
    """What the function for the key has given, to keep it out of errors."""
    _headers: dict[str, Mapping[str, str]] = field(default_factory=dict, init=False, repr=False)
    """Those of the last request, by its key."""

    def __post_init__(self) -> None:
        url = self.base_url or os.environ.get(self.service.url_variable) or self.service.url
        object.__setattr__(self, "base_url", check_url(url))
        remember_secrets(self)

    @cached_property
    def host(self) -> str:
        """The host of the base URL."""
        return self._parts.hostname or ""

    @property
    def shown_url(self) -> str:
        """The base URL without its password."""
        return redact(self.base_url or "", self.secrets())

    @property
    def lacks(self) -> str:
        """What is missing for a request: a key, at the service's own address; "" if nothing is."""
        if callable(self.api_key) or self._fixed_key() or not self._is_service:
            return ""
        return f"needs {self.service.key_variable}, which isn't set"

    @property
    def _is_service(self) -> bool:
        return self.host == urlsplit(self.service.url).hostname

    def secrets(self) -> frozenset[str]:
        """The key, the secrets in the base URL and the values of the headers, as `spellings`."""
        values = [*self._given_keys]
        if not callable(self.api_key):
            values.append(self._fixed_key())
        for value in (self.base_url or "", *self.headers.values()):
            values += passwords_of(value)
        for name, value in parse_qsl(self._parts.query):
            if names_secret(name, value):
                values.append(value)
        for name, value in self.headers.items():
            if name.lower() not in _PLAIN_HEADERS:
                values += [value, value.rpartition(" ")[2]]  # "Bearer abc": also without the scheme
        if self._parts.password:
            values += [unquote(self._parts.password), self._basic()]
        return spellings(values)

    async def post(self, body: bytes) -> AsyncGenerator[bytes, None]:
        """What sends the body, and then yields the bytes of a successful response as they come.

        Closes the response at the end, also when cancelled. Raises a ModelError for any other
        response.
        """
        refuse_real(self.name, self.host)
        key = await self._present_key()
        headers = self._headers.get(key) or self._make_headers(key)
        return post(self._line, body, headers, self.name)

    @cached_property
    def _parts(self) -> SplitResult:
        return urlsplit(self.base_url or "")

    def _make_headers(self, key: str) -> Mapping[str, str]:
        """All headers of a request with this key; kept, since most keys never change."""
        self._check_key(key)
        for name, value in self.headers.items():
            if not (value.isprintable() and name.isascii() and name.isprintable()):
                raise UsageError(f"header {name!r} of {self.name}: no header can carry its value")
        by_key = self.service.key_headers(key)
        if self._parts.password:
            basic = {"Authorization": f"Basic {self._basic()}"}  # RFC 7617
            by_key = {**self.service.key_headers(""), **basic}
        self._headers.clear()
        self._headers[key] = merge_headers(_HEADERS, by_key, self.headers)
        return self._headers[key]

    @cached_property
    def _line(self) -> Line:
        """The URL is built by its parts, since a base URL may have a query, as Azure's has.

        A base URL may end in the dialect's path, or in the /v1 with which that begins: either is
        there once.
        """
        parts = self._parts
        before = parts.path.rstrip("/").removesuffix(self.path)
        if self.path.startswith("/v1/"):
            before = before.removesuffix("/v1")
        path = f"{before}{self.path}"
        host = parts.netloc.rpartition("@")[2]
        url = urlunsplit((parts.scheme, host, path, parts.query, ""))
        return make_line(url, self.idle_s)

    def _basic(self) -> str:
        user, password = unquote(self._parts.username or ""), unquote(self._parts.password or "")
        return base64.b64encode(f"{user}:{password}".encode()).decode()

    def _fixed_key(self) -> str:
        key = self.api_key
        if key is None:
            key = os.environ.get(self.service.key_variable) or ""
        return "" if callable(key) else key.strip()

    async def _present_key(self) -> str:
        if not callable(self.api_key):
            return self._fixed_key()
        try:
            key = self.api_key()
            if inspect.isawaitable(key):
                key = await key
        except OSError as error:
            kind = type(error).__name__
            raise ModelUnavailable(f"api_key of {self.name} failed: {kind} {error}") from None
        if not isinstance(key, str):
            raise UsageError(
                f"api_key of {self.name} gave {type(key).__name__}; the function must give a str"
            )
        key = key.strip()
        if key and key not in self._given_keys:
            self._given_keys.append(key)
        return key

    def _check_key(self, key: str) -> None:
        if not key and self._is_service:
            raise UsageError(
                f"no {self.service.key_variable} is set; set it, name another model, or use the"
                " embedded one: local"
            )
        if key and not (key.isascii() and key.isprintable()):
            raise UsageError(f"the key of {self.name} has characters that no header can carry")


def merge_headers(*all_headers: Mapping[str, str]) -> dict[str, str]:
    """One mapping of these; of headers with one name, in whatever case, the last one."""
    names: dict[str, str] = {}
    merged: dict[str, str] = {}
    for headers in all_headers:
        for name, value in headers.items():
            merged[names.setdefault(name.lower(), name)] = value
    return merged


def check_url(url: str) -> str:
    """The base URL without space around it. Raises UsageError for one that leads nowhere."""
    try:
        parts = urlsplit(url.strip())
        host = parts.hostname or ""
        host.encode("idna")  # refuses an empty label, and one that is too long
        good = parts.scheme in ("http", "https") and host and " " not in host and parts.port != 0
    except ValueError:
        good = False
    if not good or not url.isprintable():
        raise UsageError(
            f"base URL {redact(url)!r}: it must be like https://host/v1 or http://127.0.0.1:8000/v1"
        )
    return url.strip()
