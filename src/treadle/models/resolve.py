"""From a model's name, as people write it, to the model.

openai:gpt-6-luna   groq:...   anthropic:...   a provider of the table below, with its own key
gpt-6-luna                                     a bare name that begins like OpenAI's
ollama:qwen3                                   a running Ollama (OLLAMA_HOST; OLLAMA_CONTEXT_LENGTH)
http://127.0.0.1:8000/v1#name                  any server that speaks chat completions (TREADLE_API_KEY)
local   local:/path/model.gguf                 the embedded model, or a GGUF file
"""

import functools
import os
import re
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from ..core.errors import UsageError
from ..core.model import Model
from .openai import OpenAIModel

DEFAULT_MODEL = "openai:gpt-6-luna"
"""OpenAI's current small model: $0.10 and $0.50 a million tokens in genai-prices 0.2.3, and named in the SDK's list."""


@dataclass(frozen=True)
class Provider:
    """An OpenAI-compatible endpoint."""

    url: str | None
    key: str
    """The environment variable that holds its key."""
    extra: dict[str, Any] = field(default_factory=dict)


PROVIDERS = {
    "openai": Provider(None, "OPENAI_API_KEY"),
    "anthropic": Provider("https://api.anthropic.com/v1/", "ANTHROPIC_API_KEY"),
    "deepseek": Provider("https://api.deepseek.com", "DEEPSEEK_API_KEY"),
    "gemini": Provider(
        "https://generativelanguage.googleapis.com/v1beta/openai/", "GEMINI_API_KEY"
    ),
    "groq": Provider("https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    # Counts without being asked to, and has refused the field.
    "mistral": Provider(
        "https://api.mistral.ai/v1", "MISTRAL_API_KEY", extra={"stream_options": None}
    ),
    "openrouter": Provider("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
}


@dataclass(frozen=True)
class Known:
    """A line of `treadle models`."""

    name: str
    ready: bool
    """Its key is set, or its package is installed. Nothing was asked of it."""
    needs: str
    """What must be there for it."""


def resolve_model(name: str | None = None) -> Model:
    """The model of this name; the same object each time, so that connections and the embedded server are shared.

    None: TREADLE_MODEL; else OpenAI's where OPENAI_API_KEY or OPENAI_BASE_URL is set; else the embedded one.
    Raises UsageError for a name that says nothing, and for a provider whose key isn't set.
    """
    return _made((name or default_name()).strip())


def resolve_without_key(name: str) -> Model:
    """The model of this name for a replay, which never asks it: so it needs no key. Else as `resolve`."""
    scheme, _, rest = name.partition(":")
    provider = PROVIDERS.get(scheme)
    return (
        _behind(provider, rest, name, "none")
        if provider and provider.url and rest
        else resolve_model(name)
    )


def default_name() -> str:
    """What `resolve(None)` resolves."""
    if os.environ.get("TREADLE_MODEL"):
        return os.environ["TREADLE_MODEL"]
    return (
        DEFAULT_MODEL
        if os.environ.get("OPENAI_API_KEY") or os.environ.get("OPENAI_BASE_URL")
        else "local"
    )


def list_models() -> list[Known]:
    """Every kind of name, and whether it can be used here. Imports nothing heavy and asks nobody."""
    local = find_spec("xllamacpp") is not None
    lines = [
        Known("local", local, "pip install 'treadle[local]'"),
        Known("local:/path/model.gguf", local, "the same"),
    ]
    for scheme, provider in PROVIDERS.items():
        lines.append(Known(f"{scheme}:<model>", bool(os.environ.get(provider.key)), provider.key))
    lines.append(Known("ollama:<model>", True, f"a running Ollama at {_ollama_url()}"))
    lines.append(
        Known(
            "http://<host>/v1#<model>",
            True,
            "a server that speaks chat completions; TREADLE_API_KEY",
        )
    )
    return lines


@functools.cache
def _made(name: str) -> Model:
    scheme, _, rest = name.partition(":")
    if scheme == "local":
        from .local.model import LocalModel

        return LocalModel(Path(rest).expanduser() if rest else None)
    if scheme in ("http", "https"):
        return _at_url(name)
    if re.match(r"(gpt-|chatgpt-|o\d)", name):
        scheme, rest = "openai", name
    if scheme == "ollama" and rest:
        return _ollama(rest)
    if scheme in PROVIDERS and rest:
        return _at_provider(scheme, rest)
    raise UsageError(
        f"model {name!r}: there are {', '.join(line.name for line in list_models())}; or a bare gpt-..."
    )


def _at_provider(scheme: str, model: str) -> OpenAIModel:
    provider = PROVIDERS[scheme]
    if provider.url is None:
        return OpenAIModel(model)
    key = os.environ.get(provider.key)
    if not key:
        # Said now: without it the SDK would send OpenAI's key there.
        raise UsageError(f"model '{scheme}:{model}' needs {provider.key}, which isn't set")
    return _behind(provider, model, f"{scheme}:{model}", key)


def _behind(provider: Provider, model: str, name: str, key: str) -> OpenAIModel:
    return OpenAIModel(
        model,
        base_url=provider.url,
        api_key=key,
        name=name,
        extra=provider.extra,
    )


def _ollama(model: str) -> OpenAIModel:
    """Ollama cuts a prompt that is larger than its context and says nothing, so that must be known here."""
    given = os.environ.get("OLLAMA_CONTEXT_LENGTH", "")
    context_tokens = int(given) if given.isascii() and given.isdigit() and int(given) else 4096
    return OpenAIModel(
        model,
        base_url=_ollama_url(),
        api_key="ollama",
        name=f"ollama:{model}",
        context_tokens=context_tokens,
        max_output_tokens=min(8192, context_tokens // 4),
    )


def _ollama_url() -> str:
    """From OLLAMA_HOST, which is a URL, a host or a host and port; 0.0.0.0 is where it listens, not where it is."""
    given = os.environ.get("OLLAMA_HOST", "").strip().rstrip("/")
    parts = urlsplit(given if "://" in given else f"http://{given}")
    try:
        port = parts.port or {"https": 443, "http": 80 if "://" in given else 11434}.get(
            parts.scheme, 11434
        )
    except ValueError:
        raise UsageError(f"OLLAMA_HOST is {given!r}; it must be like 127.0.0.1:11434") from None
    host = parts.hostname or "127.0.0.1"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}:{port}{parts.path}/v1"


def _at_url(name: str) -> OpenAIModel:
    parts = urlsplit(name)
    try:
        host = parts.netloc.rpartition("@")[2]
        key = parts.password or os.environ.get("TREADLE_API_KEY") or "none"
        url = urlunsplit((parts.scheme, host, parts.path, parts.query, ""))
        # The log gets the name, and never a password.
        return OpenAIModel(
            parts.fragment or "default", base_url=url, api_key=key, name=f"{url}#{parts.fragment}"
        )
    except ValueError as error:
        raise UsageError(
            f"model {name!r}: {error}; it must be like http://127.0.0.1:8000/v1#name"
        ) from None
