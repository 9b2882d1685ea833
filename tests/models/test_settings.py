"""Settings of a model from outside, as those of `-o`."""

import json
from pathlib import Path

import pytest

from treadle import ScriptedModel
from treadle.core.errors import UsageError
from treadle.core.model import Message, Request, ToolSchema
from treadle.core.model_settings import ModelSettings
from treadle.models.local.local_model import LocalModel
from treadle.models.remote_model import RemoteModel
from treadle.models.settings import with_settings

GO = Request((Message("user", "go"),), max_output_tokens=50)
MISTRAL = RemoteModel(
    "m",
    base_url="http://127.0.0.1:1/v1",
    api_key="k",
    name="mine",
    settings=ModelSettings(extra={"stream_options": None}),
)


def test_fields_of_a_request_go_to_the_provider_as_they_are():
    model = with_settings(
        MISTRAL, {"temperature": 0, "provider": {"order": ["x"]}, "stop": "\n", "max_tokens": None}
    )
    body = json.loads(model.body(GO)) if isinstance(model, RemoteModel) else {}
    assert {key: body[key] for key in ("temperature", "provider", "stop")} == {
        "temperature": 0,
        "provider": {"order": ["x"]},
        "stop": ["\n"],
    }
    assert not body.keys() & {"max_tokens", "stream_options"}
    assert (model.name, model.context_tokens) == ("mine", MISTRAL.context_tokens)
    assert MISTRAL.settings == ModelSettings(extra={"stream_options": None})


def test_tools_that_the_provider_runs_stand_beside_the_agent_s():
    look = ToolSchema("look", "Look.", {"type": "object"})
    search = {"type": "web_search"}
    model = with_settings(MISTRAL, {"tools": [search]})
    assert isinstance(model, RemoteModel)
    for tools, sent in (((), ["web_search"]), ((look,), ["function", "web_search"])):
        body = json.loads(model.body(Request(GO.messages, tools)))
        assert [tool["type"] for tool in body["tools"]] == sent
    for refused in ([search, {"type": "function"}], "web_search", [{}], [1]):
        with pytest.raises(UsageError, match="choose the agent's tools"):
            with_settings(MISTRAL, {"tools": refused})


@pytest.mark.parametrize("name", ["max_output_tokens", "max_tokens", "max_completion_tokens"])
def test_the_longest_reply_is_the_model_s_own_so_that_limits_know_of_it(name):
    for model in (MISTRAL, LocalModel()):
        assert with_settings(model, {name: 100, "context_tokens": 999}).max_output_tokens == 100
        assert with_settings(model, {name: 100, "context_tokens": 999}).context_tokens == 999


def test_the_embedded_model_has_settings_too():
    model = with_settings(LocalModel(Path("x.gguf")), {"temperature": 1, "seed": 7})
    assert model == with_settings(model, {})
    assert isinstance(model, LocalModel)
    assert (model.path, model.settings) == (Path("x.gguf"), ModelSettings(temperature=1, seed=7))


@pytest.mark.parametrize(
    ("model", "settings", "said"),
    [
        (
            LocalModel(),
            {"reasoning_effort": "low"},
            "local has no setting 'effort'; it has context_tokens, max_output_tokens,"
            " own_template, seed, temperature, top_p",
        ),
        (
            LocalModel(),
            {"temperature": "hot"},
            "setting 'temperature' can't be 'hot': expected `float`, got `str`",
        ),
        (LocalModel(), {"seed": True}, "setting 'seed' can't be True: expected `int`, got `bool`"),
        (MISTRAL, {"max_tokens": 0}, "setting 'max_tokens' can't be 0: expected `int` >= 1"),
        (
            MISTRAL,
            {"max_output_tokens": None},
            "setting 'max_output_tokens' can't be None: expected `int`, got `null`",
        ),
        (
            LocalModel(),
            {"prices": {"input": 1, "output": 1}},
            "local has no setting 'prices'; it has context_tokens, max_output_tokens,"
            " own_template, seed, temperature, top_p",
        ),
        (MISTRAL, {"seed": 1e999}, "setting 'seed' can't be inf: expected `int`, got `float`"),
        (MISTRAL, {"top_p": 2}, "setting 'top_p' can't be 2: expected `float` <= 1.0"),
        (MISTRAL, {"model": "x"}, "'model' is no setting of a model; name the model itself"),
        (
            LocalModel(),
            {"tools": [{"type": "function"}]},
            "'tools' is no setting of a model; choose the agent's tools; only those that the"
            " provider runs are named here, by type",
        ),
        (
            ScriptedModel([]),
            {"temperature": 0},
            "scripted takes no settings from outside; give them where it is made, in Python",
        ),
    ],
)
def test_what_is_no_setting_is_refused_in_words(model, settings, said):
    with pytest.raises(UsageError) as refused:
        with_settings(model, settings)
    assert str(refused.value) == said


def test_without_settings_any_model_is_itself():
    scripted = ScriptedModel([])
    assert with_settings(scripted, {}) is scripted
