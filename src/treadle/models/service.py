"""Where a dialect is at home: its address, the variables of the environment, the key's header."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


def bearer(key: str) -> Mapping[str, str]:
    """The header that carries a key nearly everywhere."""
    return {"Authorization": f"Bearer {key}"} if key else {}


@dataclass(frozen=True)
class Service:
    """Where requests go unless an address is given, and how a key is sent."""

    url: str = "https://api.openai.com/v1"
    url_variable: str = "OPENAI_BASE_URL"
    """The environment variable with another address."""
    key_variable: str = "OPENAI_API_KEY"
    key_headers: Callable[[str], Mapping[str, str]] = bearer
    """The headers that send a key; of "", those that a request without a key has."""
    scheme: str = "openai"
    """What a model's name in the log begins with."""


OPENAI = Service()
