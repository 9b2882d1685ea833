"""Sends by a client of a provider's SDK that the user has made.

For what only that client knows: Entra's tokens, Vertex, Bedrock, a gateway's own signatures. It
costs more CPU a call than endpoint.py. Needs the SDK, e.g. `pip install 'treadle[openai]'`.
"""

import inspect
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ..core.errors import ModelUnavailable, UsageError
from ..core.redact import passwords_of, redact, spellings
from .aws_stream import CONTENT_TYPE, AWSStream
from .guard import refuse_real
from .http_client import MAX_ERROR_BYTES
from .known_secrets import remember_secrets
from .provider_errors import http_error

_SDKS = ("openai", "anthropic")
_HTTP_LIBRARIES = ("httpx", "httpx2", "httpcore", "httpcore2")


@dataclass(frozen=True, eq=False)
class SDKEndpoint:
    """One path of the server that this client speaks with."""

    client: Any = field(repr=False)
    """An AsyncOpenAI or a client like it, such as AsyncAzureOpenAI."""
    path: str
    name: str
    """The model's name, for error messages."""
    idle_s: float = 300.0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not inspect.iscoroutinefunction(getattr(self.client, "post", None)):
            raise UsageError(
                f"client= of {self.name} is {type(self.client).__name__}; it must be an async"
                " client of an SDK, such as AsyncOpenAI or AsyncAzureOpenAI"
            )
        remember_secrets(self)

    @property
    def base_url(self) -> str:
        """The client's own."""
        return str(self.client.base_url).rstrip("/")

    @property
    def host(self) -> str:
        """The host of the base URL."""
        return urlsplit(self.base_url).hostname or ""

    @property
    def shown_url(self) -> str:
        """The base URL without its password."""
        return redact(self.base_url, self.secrets())

    def secrets(self) -> frozenset[str]:
        """The client's key, if it has one, and the password in its address, as `spellings`."""
        key = getattr(self.client, "api_key", "")
        return spellings([key if isinstance(key, str) else "", *passwords_of(self.base_url)])

    async def post(self, body: bytes) -> AsyncGenerator[bytes, None]:
        """As Endpoint.post."""
        refuse_real(self.name, self.host)
        return self._stream(body)

    async def _stream(self, body: bytes) -> AsyncGenerator[bytes, None]:
        options = {
            # The SDK's own mark for an answer that it shall neither read nor parse.
            "headers": {"X-Stainless-Raw-Response": "stream", **self.headers},
            "max_retries": 0,
            "timeout": self.idle_s,
            "follow_redirects": False,
        }
        response = None
        try:
            # As an object and not as bytes: Azure's client looks for the model in it.
            response = await self.client.post(
                self.path, body=msgspec.json.decode(body), cast_to=object, options=options
            )
            frames = None
            if CONTENT_TYPE in response.headers.get("content-type", ""):
                frames = AWSStream()
            async for data in response.iter_bytes():
                yield frames.feed(data) if frames else data
        except Exception as error:
            raise _to_error(error, self.name) from None
        finally:
            if response is not None:
                await response.close()


def _to_error(error: Exception, name: str) -> Exception:
    """The error of the SDK or of its HTTP library as one of ours; any other as it is."""
    library = type(error).__module__.partition(".")[0]
    if library not in (*_SDKS, *_HTTP_LIBRARIES):
        return error
    response = getattr(error, "response", None)
    if response is not None:
        body = response.content[:MAX_ERROR_BYTES]
        return http_error(response.status_code, response.headers, body)
    kind = type(error).__name__
    if library in _HTTP_LIBRARIES or "Connection" in kind or "Timeout" in kind:
        return ModelUnavailable(f"no whole reply from {name}: {kind} {error}")
    return UsageError(f"the client of {name} can't send: {error}")
