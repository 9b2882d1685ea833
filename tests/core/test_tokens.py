import pytest

from treadle.core.events import Call, Image, Text
from treadle.core.model import Message, Request, ToolSchema
from treadle.core.tokens import find_token_counter
from treadle.models.price_table import find_context_tokens
from treadle.models.remote_model import RemoteModel


@pytest.mark.parametrize(
    "model", ["openai:gpt-4o-mini", "openai:gpt-5-mini", "openai:o3", "openai:gpt-4.1"]
)
def test_openai_s_models_are_counted_by_their_vocabulary(model):
    pytest.importorskip("toktok")
    count = find_token_counter(model)
    assert count is not None
    assert count(["hello world", "tokenization"]) == 4


@pytest.mark.parametrize(
    "model", ["openai:gpt-4", "anthropic:claude", "local", "openai:my-own", "scripted"]
)
def test_for_all_others_there_is_the_estimate(model):
    assert find_token_counter(model) is None


def test_what_is_counted_is_what_is_said_and_called():
    def count(texts):
        return sum(len(text.split()) for text in texts)

    call = Call("a", "look", '{"at": 1}')
    assert Message("user", "one two").exact_tokens(count) == 6
    assert Message("assistant", (Text("so be it"), call)).exact_tokens(count) == 3 + 1 + 2 + 8
    assert Message("user", ("see", Image("data:image/png;base64,AAAA"))).exact_tokens(count) == 1005
    tool = ToolSchema("look", "", {"type": "object"})
    assert Request((Message("user", "one two"),), (tool,)).exact_tokens(count) == 6 + tool.tokens


@pytest.mark.parametrize(
    ("model", "url", "tokens"),
    [
        ("gpt-4o", None, 128_000),
        ("claude-sonnet-4-5", "https://api.anthropic.com/v1/", 200_000),
        ("gpt-4o", "http://127.0.0.1:8000/v1", None),
        ("my-own", None, None),
    ],
)
def test_a_model_s_context_is_looked_up_offline(model, url, tokens):
    assert find_context_tokens(model, url) == tokens
    made = RemoteModel(model, base_url=url, api_key="k")
    assert made.context_tokens == (tokens or 128_000)
    assert RemoteModel(model, base_url=url, api_key="k", context_tokens=5000).context_tokens == 5000
