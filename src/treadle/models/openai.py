"""Any server that speaks chat completions, through the official SDK.

The SDK brings keys, base URLs, proxies, connections and errors. Three things are ours: the body, joined from
messages that were encoded once (the SDK would walk and copy the whole history in every request); the reading of the
stream (stream.py), since the SDK takes half an answer for a whole one; and retries, which the loop makes and logs.
"""

import asyncio
import email.utils
import os
import time
import weakref
from collections.abc import Callable
from typing import Any

import msgspec

from ..errors import ModelError, ModelRejected, ModelUnavailable, UsageError
from ..events import Usage
from .model import Reply, Request
from .stream import ReplyReader, error_of

_encode = msgspec.json.Encoder().encode


class OpenAIModel:
    """A model behind an OpenAI-compatible endpoint.

    Key and address come from the arguments, else OPENAI_API_KEY and OPENAI_BASE_URL, as the SDK reads them.
    `extra` is added to every request's body as it is, e.g. {"temperature": 0}.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        name: str | None = None,
        context_tokens: int = 128_000,
        max_output_tokens: int = 8192,
        idle_s: float = 300.0,
        extra: dict[str, Any] | None = None,
    ) -> None:
        self.model = model
        self.name = name or f"openai:{model}"
        self.context_tokens = context_tokens
        self.max_output_tokens = max_output_tokens
        self.extra = extra or {}
        self._base_url = base_url or os.environ.get("OPENAI_BASE_URL") or None
        self._api_key = api_key
        self._idle_s = idle_s
        # A connection belongs to the event loop that opened it.
        self._clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = weakref.WeakKeyDictionary()
        self._price: Callable[[Usage], float | None] | None = None

    def cost_usd(self, usage: Usage) -> float | None:
        """By the price table of genai-prices, offline; None for a model that isn't in it."""
        if self._price is None:
            self._price = _price_of(self.model) if self._is_openai else lambda usage: None
        return self._price(usage)

    async def reply(self, request: Request, emit: Callable[[str], None]) -> Reply:
        """One request, read as a stream. Raises a ModelError; never retries."""
        return await self.ask(self.body(request), sum(m.tokens for m in request.messages), emit)

    def body(self, request: Request) -> bytes:
        """The JSON body. Messages are joined, not encoded again."""
        settings: dict[str, Any] = {
            "model": self.model,
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_completion_tokens" if self._is_openai else "max_tokens": request.max_output_tokens,
        }
        if request.tools:
            settings["tools"] = [
                {
                    "type": "function",
                    "function": {"name": t.name, "description": t.description, "parameters": t.parameters},
                }
                for t in request.tools
            ]
        if request.output_schema:
            schema = {"name": "answer", "schema": request.output_schema}
            settings["response_format"] = {"type": "json_schema", "json_schema": schema}
        messages = b",".join([message.wire for message in request.messages])
        return b"%s,\"messages\":[%s]}" % (_encode(settings | self.extra)[:-1], messages)

    async def ask(self, body: bytes, prompt_tokens: int, emit: Callable[[str], None]) -> Reply:
        """Send a body of one's own and read the reply. Raises a ModelError."""
        reader = ReplyReader()
        openai = _sdk()
        response = None
        try:
            stream = await self._client().post(
                "/chat/completions",
                cast_to=object,
                content=body,
                options={
                    "headers": {"Content-Type": "application/json", "Accept-Encoding": "identity"},
                    "follow_redirects": False,
                },
                stream=True,
                stream_cls=openai.AsyncStream[object],
            )
            response = stream.response
            async for data in response.aiter_bytes():
                text = reader.feed(data)
                if text:
                    emit(text)
            return reader.finish(prompt_tokens)
        except ModelError as error:
            raise _priced(error, reader.so_far(prompt_tokens)) from None
        except openai.APIStatusError as error:
            raise _status_error(error, self._api_key or os.environ.get("OPENAI_API_KEY")) from None
        except (openai.OpenAIError, OSError, *_transport_errors()) as error:
            cause = error.__cause__ or error
            broken = ModelUnavailable(f"no whole reply from {self.name}: {type(cause).__name__} {cause}".rstrip())
            raise _priced(broken, reader.so_far(prompt_tokens)) from None
        finally:
            if response is not None:
                await response.aclose()

    @property
    def _is_openai(self) -> bool:
        return self._base_url is None or "://api.openai.com/" in self._base_url

    def _client(self) -> Any:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            key = self._api_key or os.environ.get("OPENAI_API_KEY")
            if not key and self._is_openai:
                raise UsageError("no OPENAI_API_KEY is set; set it, name another model, or use the embedded one: local")
            client = _sdk().AsyncOpenAI(
                base_url=self._base_url, api_key=key or "none", max_retries=0, timeout=self._idle_s
            )
            self._clients[loop] = client
        return client


def _sdk() -> Any:
    import openai  # a second of CPU: not before the first call

    return openai


def _transport_errors() -> tuple[type[Exception], ...]:
    """What the SDK's HTTP client raises while a body is read. Its name depends on the SDK's version."""
    try:
        import httpx2 as httpx
    except ImportError:
        import httpx  # type: ignore[no-redef, import-not-found, unused-ignore]
    return (httpx.HTTPError, httpx.StreamError)


def _priced(error: ModelError, usage: Usage) -> ModelError:
    error.usage = usage
    return error


def _status_error(error: Any, key: str | None) -> ModelError:
    headers = error.response.headers
    if 300 <= error.status_code < 400:
        return ModelRejected(f"the server redirects to {headers.get('location')!r}; set the base URL to the right one")
    body = error.body if isinstance(error.body, dict) else {"message": str(error.body or error.message)}
    inner = body.get("error", body)
    found = error_of(inner, error.status_code, retry_after_s(headers))
    if key and key in str(found):
        found.args = (str(found).replace(key, "[key]"),)
    return found


def retry_after_s(headers: Any) -> float | None:
    """Seconds that `retry-after-ms` or `retry-after` (seconds or a date, RFC 9110) ask for."""
    try:
        if headers.get("retry-after-ms"):
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        if not headers.get("retry-after"):
            return None
        return max(0.0, float(headers["retry-after"]))
    except ValueError:
        date = email.utils.parsedate_tz(headers["retry-after"])
        return max(0.0, email.utils.mktime_tz(date) - time.time()) if date else None


def _price_of(model: str) -> Callable[[Usage], float | None]:
    from genai_prices import Usage as Tokens
    from genai_prices import calc_price

    def price(usage: Usage) -> float | None:
        tokens = Tokens(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cached_tokens,
        )
        try:
            return float(calc_price(tokens, model_ref=model, provider_id="openai").total_price)
        except LookupError:
            return None

    return price
