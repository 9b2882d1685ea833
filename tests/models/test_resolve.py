import subprocess
import sys

import pytest

from treadle.core.errors import UsageError
from treadle.core.events import Usage
from treadle.models.anthropic.dialect import MESSAGES
from treadle.models.chat.dialect import CHAT
from treadle.models.remote_model import RemoteModel
from treadle.models.resolve import (
    DEFAULT_CLAUDE,
    DEFAULT_MODEL,
    PROVIDERS,
    default_name,
    list_models,
    resolve_model,
)

ENVIRONMENT = [
    "TREADLE_MODEL",
    "TREADLE_API_KEY",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "ANTHROPIC_BASE_URL",
    "OLLAMA_HOST",
]
ENVIRONMENT += [
    "OLLAMA_CONTEXT_LENGTH",
    *(provider.key_variable for provider in PROVIDERS.values()),
]


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch):
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)


def made(name: str) -> RemoteModel:
    model = resolve_model(name)
    assert isinstance(model, RemoteModel)
    return model


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({}, "local"),
        ({"OPENAI_API_KEY": "k"}, DEFAULT_MODEL),
        ({"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}, DEFAULT_MODEL),
        ({"OPENAI_API_KEY": "k", "TREADLE_MODEL": "ollama:qwen3"}, "ollama:qwen3"),
        ({"TREADLE_MODEL": ""}, "local"),
        ({"ANTHROPIC_API_KEY": "k"}, DEFAULT_CLAUDE),
        ({"ANTHROPIC_API_KEY": "k", "OPENAI_API_KEY": "k"}, DEFAULT_MODEL),
    ],
)
def test_no_name_means_what_the_environment_has(environment, name, monkeypatch):
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    assert default_name() == name


@pytest.mark.parametrize(
    "name", ["gpt-6-luna", "openai:gpt-6-luna", "o3", "gpt-4o-2024-08-06", "openai:ft:gpt-4o:acme"]
)
def test_openai_s_names_may_stand_alone(name):
    model = made(name)
    assert model.model == name.removeprefix("openai:")
    assert model.base_url == "https://api.openai.com/v1"


def test_a_name_is_the_same_model_until_the_environment_changes(monkeypatch):
    before = made("gpt-6-luna")
    assert made("gpt-6-luna") is before
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1")
    assert made("gpt-6-luna").base_url == "http://127.0.0.1:8000/v1"
    monkeypatch.delenv("OPENAI_BASE_URL")
    assert made("gpt-6-luna") is before


@pytest.mark.parametrize(
    ("address", "dialect"),
    [
        ("", "responses"),
        ("https://api.openai.com/v1", "responses"),
        ("https://eu.api.openai.com/v1/", "responses"),
        ("http://127.0.0.1:8000/v1", "chat"),
        ("https://gateway.test/openai/v1", "chat"),
        ("https://mine.openai.azure.com/openai/v1", "chat"),
        ("https://api.openai.com.evil.test/v1", "chat"),
        ("https://notapi.openai.com/v1", "chat"),
    ],
)
def test_openai_itself_is_spoken_to_by_responses_and_a_gateway_by_chat(
    address, dialect, monkeypatch
):
    monkeypatch.setenv("OPENAI_BASE_URL", address)
    for name in ("openai:gpt-6-luna", "gpt-6-luna"):
        assert (made(name).dialect.name, made(name).name) == (dialect, "openai:gpt-6-luna")
    for chosen in ("responses", "chat"):
        model = made(f"openai-{chosen}:gpt-6-luna")
        assert (model.dialect.name, model.name) == (chosen, f"openai-{chosen}:gpt-6-luna")


OWN_ADDRESS = sorted(name for name, each in PROVIDERS.items() if each.url)


@pytest.mark.parametrize("scheme", OWN_ADDRESS)
def test_a_provider_has_its_address_and_its_own_key(scheme, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "openai-s")
    with pytest.raises(UsageError, match=PROVIDERS[scheme].key_variable):
        resolve_model(f"{scheme}:m")
    monkeypatch.setenv(PROVIDERS[scheme].key_variable, "its-own")
    model = made(f"{scheme}:m/with:colon")
    assert (model.model, model.base_url) == ("m/with:colon", PROVIDERS[scheme].url)
    assert (model.name, model.api_key) == (f"{scheme}:m/with:colon", "its-own")


def test_claude_is_spoken_to_in_messages_and_by_choice_in_chat_completions(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    model = made(DEFAULT_CLAUDE)
    assert (model.dialect, model.base_url) == (MESSAGES, "https://api.anthropic.com")
    assert (model.name, model.context_tokens) == (DEFAULT_CLAUDE, 1_000_000)
    assert model.cost_usd(Usage(100_000, 0)) == 0.01
    chat = made("anthropic-chat:claude-haiku-5-5")
    assert (chat.dialect, chat.base_url) == (CHAT, "https://api.anthropic.com/v1/")
    assert chat.name == "anthropic-chat:claude-haiku-5-5"


def test_claude_s_address_may_be_another_one_without_a_key(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:8000")
    model = made("anthropic:claude-haiku-5-5")
    assert (model.base_url, model.api_key) == ("http://127.0.0.1:8000", "")
    with pytest.raises(UsageError, match="ANTHROPIC_API_KEY"):
        made("anthropic-chat:claude-haiku-5-5")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://127.0.0.1:11434/v1"),
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),
        ("box:1234", "http://box:1234/v1"),
        ("http://box", "http://box:80/v1"),
        ("https://box.test/ollama/", "https://box.test:443/ollama/v1"),
        ("[::1]:99", "http://[::1]:99/v1"),
        (":4000", "http://127.0.0.1:4000/v1"),
    ],
)
def test_ollama_is_where_its_host_says(host, url, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", host)
    model = made(f"ollama:qwen3:{abs(hash(host))}")
    assert (model.base_url, model.api_key) == (url, "")


def test_ollama_s_context_is_what_the_server_was_given(monkeypatch):
    assert made("ollama:small").context_tokens == 4096
    monkeypatch.setenv("OLLAMA_CONTEXT_LENGTH", "32768")
    assert made("ollama:large").context_tokens == 32768
    monkeypatch.setenv("OLLAMA_HOST", "box:x")
    with pytest.raises(UsageError, match="OLLAMA_HOST"):
        resolve_model("ollama:bad")


def test_a_url_is_a_server_and_its_fragment_the_model(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "openai-s")
    model = made("http://127.0.0.1:8000/v1#org/name:tag")
    assert (model.model, model.base_url, model.api_key) == (
        "org/name:tag",
        "http://127.0.0.1:8000/v1",
        "",
    )
    assert made("https://box.test/v1").model == "default"


def test_a_password_in_a_url_is_the_key_and_never_in_the_name(monkeypatch):
    model = made("http://user:hunter2@box.test:8000/v1#m")
    assert (model.name, model.base_url, model.api_key) == (
        "http://box.test:8000/v1#m",
        "http://box.test:8000/v1",
        "hunter2",
    )
    monkeypatch.setenv("TREADLE_API_KEY", "k2")
    assert made("http://box.test/v1#other").api_key == "k2"


def test_the_same_name_is_the_same_model():
    assert resolve_model("ollama:same") is resolve_model(" ollama:same ")
    assert resolve_model("ollama:same") is not resolve_model("ollama:another")


@pytest.mark.parametrize(
    "name",
    [
        *("nope", "nope:x", "openai:", "ollama:", "claude-x"),
        *("http://", "http://x:99999/v1#m", "http://[::1/v1#m", "http://a..b/v1#m"),
        *("http://a b/v1#m", f"http://{'a' * 64}.test/v1#m"),
    ],
)
def test_a_name_that_says_nothing_is_answered_with_those_that_do(name):
    with pytest.raises(UsageError, match=r"openai:<model>|must be like"):
        resolve_model(name)


def test_known_says_what_is_ready(monkeypatch):
    monkeypatch.setenv("GROQ_API_KEY", "k")
    ready = {line.name: line.ready for line in list_models()}
    assert ready["groq:<model>"]
    assert not ready["mistral:<model>"]
    assert ready["ollama:<model>"]
    assert len(ready) == len(PROVIDERS) + 4


@pytest.mark.parametrize("host", ["box:x", "http://[box"])
def test_an_address_of_ollama_that_is_none_is_told(host, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", host)
    known = {line.name: line for line in list_models()}["ollama:<model>"]
    assert (known.ready, "OLLAMA_HOST is" in known.needs) == (False, True)
    with pytest.raises(UsageError, match="openai:<model>"):
        resolve_model(f"nope:{host}")


def test_an_address_of_openai_that_is_none_is_told(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://[box")
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    with pytest.raises(UsageError, match="base URL"):
        resolve_model("openai:x")


@pytest.mark.slow
def test_nothing_heavy_is_imported_until_a_model_is_called():
    code = (
        "import sys; from treadle.models.resolve import list_models, resolve_model;"
        " list_models(); resolve_model('ollama:x');"
        "print([m for m in ('openai', 'httpx2', 'httpx', 'genai_prices', 'pydantic', 'xllamacpp')"
        " if m in sys.modules])"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        == "[]\n"
    )
