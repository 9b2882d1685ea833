"""Makes the model for a name.

- `openai:gpt-6-luna`, or bare as `gpt-6-luna`; `anthropic:…`, `groq:…`: a provider of PROVIDERS,
  with its own key.
- `ollama:qwen3`: a running Ollama (OLLAMA_HOST; OLLAMA_CONTEXT_LENGTH).
- `http://127.0.0.1:8000/v1#name`: any server that speaks chat completions (TREADLE_API_KEY).
- `local`, `local:/path/model.gguf`: the embedded model, or a GGUF file.

OpenAI itself is spoken to by the Responses API, Claude in Anthropic Messages. Another host in
OPENAI_BASE_URL is a gateway or a server of one's own, and nearly all of them have chat completions,
so that is what they are sent. `openai-responses:…`, `openai-chat:…` and `anthropic-chat:…` choose,
whatever the host.
"""

import functools
import os
import re
from dataclasses import dataclass
from importlib.util import find_spec
from urllib.parse import urlsplit, urlunsplit

from ..core.errors import UsageError
from ..core.model import Model
from ..core.model_settings import ModelSettings
from ..core.redact import redact
from ..this_user import expand_home
from .anthropic.dialect import ANTHROPIC, MESSAGES
from .chat.dialect import CHAT
from .dialect import Dialect
from .endpoint import check_url
from .remote_model import RemoteModel
from .responses.dialect import RESPONSES
from .service import OPENAI

DEFAULT_MODEL = "openai:gpt-6-luna"
"""OpenAI's current small model: $0.10 and $0.50 a million tokens in genai-prices 0.2.3."""

DEFAULT_CLAUDE = "anthropic:claude-haiku-5-5"
"""Anthropic's current small model."""


@dataclass(frozen=True)
class Provider:
    """A hosted endpoint, and how it is spoken to."""

    url: str | None
    key_variable: str
    """The environment variable with its key."""
    settings: ModelSettings = ModelSettings()
    dialect: Dialect | None = None
    """How it is spoken to; None: as its host wants it."""
    url_variable: str = ""
    """The environment variable with another address."""
    max_output_tokens: int = 8192


PROVIDERS = {
    "openai": Provider(None, "OPENAI_API_KEY"),
    "openai-responses": Provider(None, "OPENAI_API_KEY", dialect=RESPONSES),
    "openai-chat": Provider(None, "OPENAI_API_KEY", dialect=CHAT),
    # Claude's thinking counts as output: 8,192 tokens can be used up by it.
    "anthropic": Provider(
        ANTHROPIC.url,
        ANTHROPIC.key_variable,
        dialect=MESSAGES,
        url_variable=ANTHROPIC.url_variable,
        max_output_tokens=16_384,
    ),
    "anthropic-chat": Provider("https://api.anthropic.com/v1/", "ANTHROPIC_API_KEY"),
    "deepseek": Provider("https://api.deepseek.com", "DEEPSEEK_API_KEY"),
    "gemini": Provider(
        "https://generativelanguage.googleapis.com/v1beta/openai/", "GEMINI_API_KEY"
    ),
    "groq": Provider("https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    "mistral": Provider("https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    "openrouter": Provider("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
}
_ENVIRONMENT = (
    "OPENAI_BASE_URL",
    "ANTHROPIC_BASE_URL",
    "OLLAMA_HOST",
    "OLLAMA_CONTEXT_LENGTH",
    "TREADLE_API_KEY",
    *(provider.key_variable for provider in PROVIDERS.values()),
)
"""The variables that a model is made with."""


@dataclass(frozen=True)
class KnownModel:
    """A line of `treadle models`."""

    name: str
    ready: bool
    """Whether its key is set or its package is installed. No request is made."""
    needs: str
    """The variable, package or server that it needs."""


def resolve_model(name: str | None = None) -> Model:
    """The model for a name.

    The same object each time, to share connections and the embedded server.

    None: TREADLE_MODEL; else OpenAI's, if OPENAI_API_KEY or OPENAI_BASE_URL is set; else Claude, if
    ANTHROPIC_API_KEY is; else the embedded one. Raises UsageError for an unknown name, and for a
    provider whose key isn't set.
    """
    environment = tuple(os.environ.get(variable) for variable in _ENVIRONMENT)
    return _make_model((name or default_name()).strip(), environment)


def resolve_without_key(name: str) -> Model:
    """Like `resolve_model`, but no key must be set: for a replay, which never asks the model."""
    scheme, _, rest = name.partition(":")
    provider = PROVIDERS.get(scheme)
    if provider and provider.url and rest:
        return _make_provider_model(provider, rest, name, "")
    return resolve_model(name)


def default_name() -> str:
    """The name that `resolve_model(None)` uses."""
    if os.environ.get("TREADLE_MODEL"):
        return os.environ["TREADLE_MODEL"]
    if os.environ.get("OPENAI_API_KEY") or os.environ.get("OPENAI_BASE_URL"):
        return DEFAULT_MODEL
    if os.environ.get("ANTHROPIC_API_KEY"):
        return DEFAULT_CLAUDE
    return "local"


def list_models() -> list[KnownModel]:
    """Every form of a name, and whether it can be used here.

    Imports nothing heavy, sends nothing.
    """
    local = find_spec("xllamacpp") is not None
    lines = [
        KnownModel("local", local, "pip install 'treadle[local]'"),
        KnownModel("local:/path/model.gguf", local, "the same"),
    ]
    for scheme, provider in PROVIDERS.items():
        ready = bool(os.environ.get(provider.key_variable))
        lines.append(KnownModel(f"{scheme}:<model>", ready, provider.key_variable))
    lines.append(_describe_ollama())
    lines.append(
        KnownModel(
            "http://<host>/v1#<model>",
            True,
            "a server that speaks chat completions; TREADLE_API_KEY",
        )
    )
    return lines


def _describe_ollama() -> KnownModel:
    try:
        return KnownModel("ollama:<model>", True, f"a running Ollama at {_ollama_url()}")
    except UsageError as error:
        return KnownModel("ollama:<model>", False, str(error))


@functools.cache
def _make_model(name: str, environment: tuple[str | None, ...]) -> Model:
    """The model for a name; another one after a change of the variables that it was made with."""
    scheme, _, rest = name.partition(":")
    if scheme == "local":
        from .local.local_model import LocalModel

        if not rest:
            return LocalModel()
        return LocalModel(expand_home(rest))
    if scheme in ("http", "https"):
        return _make_model_at_url(name)
    if re.match(r"(gpt-|chatgpt-|o\d)", name):
        scheme, rest = "openai", name
    if scheme == "ollama" and rest:
        return _make_ollama_model(rest)
    if scheme in PROVIDERS and rest:
        return _make_hosted_model(scheme, rest)
    names = ", ".join(line.name for line in list_models())
    raise UsageError(f"model {name!r}: there are {names}; or a bare gpt-...")


def _make_hosted_model(scheme: str, model: str) -> RemoteModel:
    provider = PROVIDERS[scheme]
    if provider.url is None:
        dialect = provider.dialect or _openai_dialect()
        return RemoteModel(model, name=f"{scheme}:{model}", dialect=dialect)
    key = os.environ.get(provider.key_variable)
    if not key and not os.environ.get(provider.url_variable):
        # Checked here, since OpenAI's key must never be sent to this provider.
        raise UsageError(f"model '{scheme}:{model}' needs {provider.key_variable}, which isn't set")
    return _make_provider_model(provider, model, f"{scheme}:{model}", key or "")


def _openai_dialect() -> Dialect:
    """Responses for OpenAI itself, also its regions; chat completions for any other host."""
    url = check_url(os.environ.get("OPENAI_BASE_URL") or OPENAI.url)
    host = urlsplit(url).hostname or ""
    return RESPONSES if f".{host}".endswith(".api.openai.com") else CHAT


def _make_provider_model(provider: Provider, model: str, name: str, key: str) -> RemoteModel:
    return RemoteModel(
        model,
        base_url=os.environ.get(provider.url_variable) or provider.url,
        api_key=key,
        name=name,
        max_output_tokens=provider.max_output_tokens,
        settings=provider.settings,
        dialect=provider.dialect or CHAT,
    )


def _make_ollama_model(model: str) -> RemoteModel:
    """A model of the running Ollama.

    Its context window must be known here, since Ollama cuts longer prompts without an error.
    """
    length = os.environ.get("OLLAMA_CONTEXT_LENGTH", "")
    context_tokens = 4096
    if length.isascii() and length.isdigit() and int(length):
        context_tokens = int(length)
    return RemoteModel(
        model,
        base_url=_ollama_url(),
        api_key="",
        name=f"ollama:{model}",
        context_tokens=context_tokens,
        max_output_tokens=min(8192, context_tokens // 4),
    )


def _ollama_url() -> str:
    """The base URL from OLLAMA_HOST, which is a URL, a host, or a host and port.

    The address 0.0.0.0 means that Ollama listens on all addresses; it is asked on loopback.
    """
    setting = os.environ.get("OLLAMA_HOST", "").strip().rstrip("/")
    default_ports = {"http": 80, "https": 443}
    url = setting
    if "://" not in setting:
        default_ports = {}
        url = f"http://{setting}"
    try:
        parts = urlsplit(url)
        port = parts.port or default_ports.get(parts.scheme, 11434)
    except ValueError:
        raise UsageError(f"OLLAMA_HOST is {setting!r}; it must be like 127.0.0.1:11434") from None
    host = parts.hostname or "127.0.0.1"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # compared with, not listened on
    if ":" in host:
        host = f"[{host}]"
    return f"{parts.scheme}://{host}:{port}{parts.path}/v1"


def _make_model_at_url(name: str) -> RemoteModel:
    try:
        parts = urlsplit(name)
        host = parts.netloc.rpartition("@")[2]
        key = parts.password or os.environ.get("TREADLE_API_KEY") or ""
        url = urlunsplit((parts.scheme, host, parts.path, parts.query, ""))
        # The log shows the name, so that has no password.
        return RemoteModel(
            parts.fragment or "default", base_url=url, api_key=key, name=f"{url}#{parts.fragment}"
        )
    except ValueError as error:
        raise UsageError(
            f"model {redact(name)!r}: {redact(str(error))}; it must be like http://127.0.0.1:8000/v1#name"
        ) from None
