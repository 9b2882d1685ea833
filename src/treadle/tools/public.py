"""Connects to public addresses only: a model's URLs can't reach this machine's private networks.

1. A name is resolved once. All of its addresses must be public, and only these are connected to: a
   second answer of the name server (DNS rebinding) is never used.
2. The connection goes to an address, but the certificate is checked and the Host header sent for
   the name.
3. Redirects aren't followed here: each new URL goes through `open_public` again.
4. The environment's proxies aren't used: a proxy would resolve names and connect by itself.

It can't recognise a private network with public addresses, or a public service of this machine.
"""

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.errors import ToolError

if TYPE_CHECKING:
    import httpx2

# These lists are from IANA's special-purpose registries. Python's own `is_global` depends on the
# version; in 3.11 it accepts, among others, cloud metadata at 192.0.0.192, multicast, and IPv4
# inside NAT64, 6to4 and ::/96.
_CLOSED_V4 = [
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT; also metadata of some clouds
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # a cloud's agent, on an address that looks public
        "169.254.0.0/16",  # link-local; metadata of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; metadata of one cloud
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
]
_OPEN_V6 = ipaddress.IPv6Network("2000::/3")
"""All assigned global unicast addresses.

Loopback, mapped IPv4, NAT64, link-local and unique local addresses are outside.
"""
_CLOSED_V6 = [
    ipaddress.IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address inside
        "3fff::/20",  # documentation
    )
]
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)
"""The upper half of an interface identifier whose lower half is an IPv4 address (RFC 5214)."""

PORTS = frozenset({80, 443, 8000, 8080, 8443})
"""The usual ports of web pages, and so none of mail, databases and the like."""

_NAME = re.compile(
    r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z]([a-z0-9_-]{0,61}[a-z0-9])?\.?"
)
"""A host name whose last label starts with a letter: 127.1, 0x7f.1 and 2130706433 are no names."""
_MAX_ADDRESSES = 3
"""How many of a name's addresses are tried."""


def is_public(address: str) -> bool:
    """Whether the text is a global unicast address. Pure."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv4Address):
        return not any(found in network for network in _CLOSED_V4)
    if (
        found.scope_id is not None
        or found not in _OPEN_V6
        or (int(found) >> 32) & 0xFFFF_FFFF in _ISATAP
    ):
        return False
    return not any(found in network for network in _CLOSED_V6)


async def resolve_host(host: str, port: int) -> list[str]:
    """All addresses of a name, best first, from the operating system. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(item[4][0]) for item in found))


@dataclass(frozen=True)
class AddressRules:
    """How names are resolved, and which addresses and ports are allowed.

    Pass other rules to reach other networks on purpose.
    """

    resolve: Callable[[str, int], Awaitable[list[str]]] = resolve_host
    allowed: Callable[[str], bool] = is_public
    ports: frozenset[int] | None = PORTS
    """None allows all."""


def check_url(text: str, ports: frozenset[int] | None = PORTS) -> "httpx2.URL":
    """Checks a URL: http or https, a plain host, no password, a usual port. Raises ToolError."""
    import httpx2

    try:
        url = httpx2.URL(text.strip()).copy_with(fragment=None)
    except (httpx2.InvalidURL, ValueError) as error:
        raise ToolError(
            f"{text[:200]!r} is not a URL ({error}); give one such as https://example.org/"
        ) from None
    if url.scheme not in ("http", "https"):
        raise ToolError(
            f"{text[:200]!r} can't be fetched; give a whole URL that begins with http:// or https://"
        )
    if url.userinfo:
        raise ToolError(
            "a URL with a user or password in it can't be fetched; leave out the part before the @"
        )
    host = url.raw_host.decode("ascii")
    if not _is_address(host) and not _NAME.fullmatch(host):
        raise ToolError(
            f"{host[:100]!r} is not a host name; give a name, or an address in its usual spelling"
        )
    if ports is not None and _port(url) not in ports:
        raise ToolError(
            f"port {_port(url)} can't be fetched; these can: {', '.join(map(str, sorted(ports)))}"
        )
    return url


async def find_addresses(url: "httpx2.URL", rules: AddressRules) -> list[str]:
    """The addresses to connect to for a checked URL.

    Raises ToolError unless there are some and all are allowed.
    """
    host = url.raw_host.decode("ascii")
    if _is_address(host):
        found = [host]
    else:
        try:
            found = await rules.resolve(host, _port(url))
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ToolError(
                f"no address found for {host} ({reason}); check the name, or try another source"
            ) from None
    if not found or not all(rules.allowed(address) for address in found):
        raise ToolError(
            f"{host} is not on the public internet, and nothing else can be fetched;"
            " use a public URL"
        )
    return found[:_MAX_ADDRESSES]


@asynccontextmanager
async def open_public(
    url: "httpx2.URL", rules: AddressRules, headers: dict[str, str], connect_s: float = 5.0
) -> AsyncIterator["httpx2.Response"]:
    """Send GET to a checked URL. The response's body is still to be read. Follows no redirects.

    Raises ToolError for addresses that aren't allowed, httpx2.TransportError if none can be
    reached.
    """
    import httpx2

    found = await find_addresses(url, rules)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if url.scheme == "https":
        # The environment's certificates, but not its proxies. Reading them takes long.
        context = httpx2.create_ssl_context()
    timeout = httpx2.Timeout(None, connect=connect_s)  # the caller limits the whole time
    async with httpx2.AsyncClient(
        verify=context, trust_env=False, timeout=timeout, follow_redirects=False
    ) as client:
        response = await _first_answer(client, url, found, headers)
        try:
            yield response
        finally:
            await response.aclose()


async def _first_answer(
    client: "httpx2.AsyncClient", url: "httpx2.URL", found: list[str], headers: dict[str, str]
) -> "httpx2.Response":
    """The response of the first address that can be connected to.

    Raises httpx2.TransportError.
    """
    import httpx2

    for address in found[:-1]:
        try:
            return await _ask(client, url, address, headers)
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            continue
    return await _ask(client, url, found[-1], headers)


async def _ask(
    client: "httpx2.AsyncClient", url: "httpx2.URL", address: str, headers: dict[str, str]
) -> "httpx2.Response":
    request = client.build_request(
        "GET",
        url.copy_with(host=address),
        headers={**headers, "Host": url.netloc.decode("ascii")},
        extensions={"sni_hostname": url.raw_host.decode("ascii").rstrip(".")},
    )
    return await client.send(request, stream=True)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _port(url: "httpx2.URL") -> int:
    if url.port is not None:
        return url.port
    return 443 if url.scheme == "https" else 80
