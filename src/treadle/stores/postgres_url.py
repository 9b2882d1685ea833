"""The address of a PostgreSQL database, with the tenant in it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

from ..core.errors import UsageError

SCHEMES = ("postgresql://", "postgres://")
MAIN = "main"
"""The tenant where none is named."""
MAX_TENANT = 200
SECRET = (
    *("password", "sslpassword", "oauth_client_secret"),
    *("scram_client_key", "scram_server_key"),
)
"""The options of libpq that nobody is shown."""


@dataclass(frozen=True)
class Address:
    """Where a tenant's logs are."""

    url: str
    """As libpq takes it."""
    tenant: str
    shown: str
    """For messages: without passwords and keys."""


def is_postgres(place: str) -> bool:
    """Whether it is the URL of a PostgreSQL database."""
    return place.startswith(SCHEMES)


def read_url(url: str, tenant: str | None = None) -> Address:
    """The address that a URL such as postgresql://user@host/agents?tenant=acme names.

    `tenant`: in place of one in the URL. Raises UsageError where there are two, or an empty one.
    """
    if not is_postgres(url):
        raise UsageError(f"{url!r} is no URL of PostgreSQL, such as postgresql://host/name")
    parts = urlsplit(url)
    # As libpq reads it: a + is a plus, and no space.
    options = parse_qsl(parts.query.replace("+", "%2B"), keep_blank_values=True)
    named = [value for name, value in options if name == "tenant"]
    if tenant is not None:
        named.append(tenant)
    if len(set(named)) > 1:
        raise UsageError(f"the tenant is {' and '.join(map(repr, named))}; name one")
    chosen = named[0] if named else MAIN
    _check_tenant(chosen)
    kept = [(name, value) for name, value in options if name != "tenant"]
    shown = [(name, value) for name, value in kept if name not in SECRET]
    user, at, host = parts.netloc.rpartition("@")
    netloc = f"{user.partition(':')[0]}{at}{host}"
    if chosen != MAIN:
        shown.append(("tenant", chosen))
    visible = _join(parts._replace(netloc=netloc), shown)
    return Address(_join(parts, kept), chosen, visible)


def _join(parts: SplitResult, options: Sequence[tuple[str, str]]) -> str:
    """A URL. (urlunsplit would leave the // out before an empty host.)"""
    query = urlencode(options, safe="/", quote_via=quote)
    return f"{parts.scheme}://{parts.netloc}{parts.path}{'?' * bool(query)}{query}"


def _check_tenant(tenant: str) -> None:
    if not isinstance(tenant, str) or not tenant.strip():
        raise UsageError("a tenant has a name; leave it out for the one that is called main")
    if len(tenant) > MAX_TENANT or not tenant.isprintable():
        raise UsageError(
            f"the tenant {tenant[:40]!r} is no name: at most {MAX_TENANT} printable characters"
        )
