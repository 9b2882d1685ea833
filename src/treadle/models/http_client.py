"""Sends one HTTP request and gives the answer's bytes as they come, over connections that are kept.

Each event loop has one client for all addresses, since connections belong to the loop that opened
them. aiohttp was chosen by measurement: docs/decisions/012-http-client.md.
"""

import asyncio
import functools
import io
import ipaddress
import os
import ssl
import weakref
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..core.errors import ModelRejected, ModelUnavailable, UsageError
from ..core.redact import redact
from .guard import LOOPBACK
from .patience import Patience
from .provider_errors import http_error

if TYPE_CHECKING:
    import aiohttp

MAX_ERROR_BYTES = 64 * 1024
CONNECT_S = 20.0
_MAX_HEADER_BYTES = 64 * 1024
_WARNS_FROM_BYTES = 1024 * 1024
"""Larger bodies are handed to aiohttp as a file, or it warns that they block the event loop."""


@dataclass(frozen=True)
class Line:
    """What all requests to one address have in common, worked out once."""

    url: Any
    """A yarl.URL without a password."""
    proxy: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | bool = True
    idle_s: float = 300.0

    @functools.cached_property
    def timeout(self) -> "aiohttp.ClientTimeout":
        """Nothing limits the whole answer: the loop watches the turn's own deadline."""
        import aiohttp

        connect_s = min(CONNECT_S, self.idle_s)
        return aiohttp.ClientTimeout(total=None, sock_connect=connect_s, sock_read=self.idle_s)


def make_line(url: str, idle_s: float) -> Line:
    """The line to a URL, by the environment's proxies and certificates.

    Raises UsageError if those are wrong.
    """
    import yarl

    parts = urlsplit(url)
    host = parts.hostname or ""
    proxy = None
    if host not in LOOPBACK:  # no proxy can reach this machine's own address
        proxy = find_proxy(parts.scheme, host, parts.port)
    tls: ssl.SSLContext | bool = True
    if parts.scheme == "https" or (proxy or "").startswith("https:"):
        tls = _make_tls(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    return Line(yarl.URL(url, encoded=True), proxy, tls, idle_s)


async def post(
    line: Line, body: bytes, headers: Mapping[str, str], name: str
) -> AsyncGenerator[bytes, None]:
    """Send the body; yields the bytes of a successful answer as they come.

    `name` is for error messages. Closes the connection if it isn't read to its end, also when
    cancelled. Raises a ModelError for any other answer, and UsageError for what only a change of
    the settings can mend.
    """
    import aiohttp

    client = await _client_of_loop()
    try:
        async with client.post(
            line.url,
            data=body if len(body) < _WARNS_FROM_BYTES else io.BytesIO(body),
            headers=headers,
            proxy=line.proxy,
            ssl=line.tls,
            timeout=line.timeout,
            allow_redirects=False,
        ) as response:
            await _raise_for_failure(response)
            connection = response.connection  # None: all of the answer is here
            if connection and connection.protocol:
                connection.protocol.read_timeout = None
            patience = Patience(response.content, line.idle_s)
            try:
                while data := await patience.read():
                    yield data
            finally:
                patience.end()
    except aiohttp.ClientError as error:
        raise _to_error(error, line, name) from None


def find_proxy(scheme: str, host: str, port: int | None) -> str | None:
    """The proxy for an address, by HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY; None for none.

    Raises UsageError for one that can't be used.
    """
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy or proxy_bypass(f"{host}:{port}" if port else host):
        return None
    if _is_in_network(host, proxies.get("no", "").split(",")):
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    try:
        parts = urlsplit(proxy)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise UsageError(
            f"the proxy {redact(proxy)!r} of {scheme.upper()}_PROXY or ALL_PROXY can't be used; it"
            " must be like http://host:8080 (SOCKS isn't spoken), or name the host in NO_PROXY"
        )
    return proxy


def _is_in_network(host: str, excepted: Iterable[str]) -> bool:
    """Whether the host is an address in one of these networks, as 10.0.0.0/8.

    The standard library knows only names and single addresses.
    """
    with suppress(ValueError):
        address = ipaddress.ip_address(host)
        for each in excepted:
            with suppress(ValueError):
                if address in ipaddress.ip_network(each.strip(), strict=False):
                    return True
    return False


@functools.cache
def _make_tls(cert_file: str | None, cert_dir: str | None) -> ssl.SSLContext:
    """Checks certificates by those of the system, or by the user's own.

    OpenSSL itself reads the two variables, but says nothing where they lead nowhere.
    """
    if cert_dir and not any(Path(each).is_dir() for each in cert_dir.split(os.pathsep)):
        raise UsageError(f"SSL_CERT_DIR is {cert_dir!r}, which is no folder; correct or unset it")
    if cert_file:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cert_file)
        except (OSError, ssl.SSLError) as error:
            fault = getattr(error, "reason", None) or error.strerror or str(error)
            reason = fault.replace("_", " ").lower()
            raise UsageError(
                f"SSL_CERT_FILE is {cert_file!r}, where no certificates can be read ({reason});"
                " name a file of certificates in PEM format, or unset it"
            ) from None
    if cert_file or cert_dir:
        return ssl.create_default_context()
    import truststore  # knows the system's own store, also where OpenSSL has none

    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass(frozen=True)
class _Client:
    http: "aiohttp.ClientSession"
    closer: AsyncGenerator["aiohttp.ClientSession", None]
    """Closes it; an event loop that shuts down ends the generators that are still open."""


_clients: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Client]" = (
    weakref.WeakKeyDictionary()
)
"""By event loop."""


async def _client_of_loop() -> "aiohttp.ClientSession":
    loop = asyncio.get_running_loop()
    found = _clients.get(loop)
    if found is None:
        closer = _open_client(loop)
        found = _Client(await anext(closer), closer)  # nothing is awaited before: no race
        _clients[loop] = found
    return found.http


async def _open_client(
    loop: asyncio.AbstractEventLoop,
) -> AsyncGenerator["aiohttp.ClientSession", None]:
    """A new client, closed when this generator is."""
    import aiohttp

    client = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        max_line_size=_MAX_HEADER_BYTES,
        max_field_size=_MAX_HEADER_BYTES,
    )
    try:
        yield client
    finally:
        _clients.pop(loop, None)
        await client.close()


async def _raise_for_failure(response: "aiohttp.ClientResponse") -> None:
    """Raises the ModelError that the status and the body stand for, unless they are a success."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "deflate", ""):
        # Other encodings can grow a thousandfold in one step of decompression.
        raise ModelRejected(f"the server compresses with {encoding!r}, though asked not to")
    if 200 <= response.status < 300:
        return
    import aiohttp

    body = bytearray()
    try:
        while len(body) <= MAX_ERROR_BYTES and (data := await response.content.readany()):
            body += data
    except aiohttp.ClientError:
        pass  # half an error message says enough
    raise http_error(response.status, response.headers, bytes(body[:MAX_ERROR_BYTES]))


def _to_error(error: "aiohttp.ClientError", line: Line, name: str) -> Exception:
    """What a failed request means, in words."""
    import aiohttp

    address = f"{line.url.host}:{line.url.port}"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        found = error.certificate_error
        fault = getattr(found, "verify_message", "") or str(found)
        return UsageError(
            f"the certificate of {address} isn't trusted here"
            f" ({fault}); if it is your own authority's, name that one's file"
            " in SSL_CERT_FILE"
        )
    if isinstance(error, aiohttp.ClientHttpProxyError):
        proxy = redact(line.proxy or "")
        if error.status == 407:
            return UsageError(
                f"the proxy {proxy} wants a user and a password; name it as"
                " http://user:password@host:port"
            )
        reason = f"the proxy {proxy} refuses with HTTP {error.status} {error.message}".rstrip()
        return ModelUnavailable(f"no whole reply from {name}: {reason}")
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        reason = f"the proxy {redact(line.proxy or '')} can't be reached ({error.strerror})"
        return ModelUnavailable(f"no whole reply from {name}: {reason}")
    if isinstance(error, aiohttp.ClientSSLError) and "WRONG_VERSION" in str(error):
        return UsageError(f"{address} doesn't speak TLS; is its address http:// and not https://?")
    if isinstance(error, aiohttp.ClientResponseError) and "content-encoding" in error.message:
        return ModelRejected(f"the server compresses, though asked not to: {error.message}")
    return ModelUnavailable(f"no whole reply from {name}: {_reason(error, line, address)}")


def _reason(error: "aiohttp.ClientError", line: Line, address: str) -> str:
    import aiohttp

    match error:
        case aiohttp.ClientConnectorError():
            return f"can't connect to {address} ({error.strerror or error})"
        case aiohttp.ConnectionTimeoutError():
            return f"Timeout: no connection to {address} in {min(CONNECT_S, line.idle_s):g} s"
        case aiohttp.SocketTimeoutError():
            return f"Timeout: nothing came for {line.idle_s:g} s"
        case aiohttp.ServerDisconnectedError():
            return "the server closed the connection without an answer"
        case aiohttp.ClientPayloadError():
            return f"the answer broke off or can't be decompressed ({error})"
        case aiohttp.ClientResponseError():
            return f"what the server answers isn't HTTP ({error.message})"
    return f"{type(error).__name__} {error}".rstrip()
