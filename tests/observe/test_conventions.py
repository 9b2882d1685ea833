"""Our names compared with OpenTelemetry's GenAI conventions and with its helper's."""

import json
from typing import Any

import pytest

from treadle.core import events as e
from treadle.observe import conventions as c
from treadle.observe import metrics
from treadle.observe.content import Content
from treadle.observe.span import Span
from treadle.observe.spans import build_spans

# Release 0.1.0: model/gen-ai/spans.yaml and docs/gen-ai/ of
# open-telemetry/semantic-conventions-genai.
USAGE = {"gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"}
CONTENT = {
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "gen_ai.tool.definitions",
}
SPANS: dict[str, tuple[set[str], set[str]]] = {
    "chat": (
        {"gen_ai.operation.name", "gen_ai.provider.name"},
        {
            *(
                "gen_ai.request.model",
                "gen_ai.request.max_tokens",
                "gen_ai.request.stream",
                "gen_ai.conversation.id",
            ),
            *(
                "gen_ai.response.finish_reasons",
                "gen_ai.response.time_to_first_chunk",
                "error.type",
            ),
            *("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_write.input_tokens"),
            *("gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.audio.input_tokens"),
            "gen_ai.usage.audio.output_tokens",
            *("server.address", "server.port", "gen_ai.conversation.compacted"),
            *(USAGE | CONTENT),
        },
    ),
    "execute_tool": (
        {"gen_ai.operation.name"},
        {
            *(
                "gen_ai.tool.name",
                "gen_ai.tool.type",
                "gen_ai.tool.call.id",
                "gen_ai.tool.description",
            ),
            *(
                "gen_ai.agent.name",
                "gen_ai.tool.call.arguments",
                "gen_ai.tool.call.result",
                "error.type",
            ),
        },
    ),
    "invoke_agent": (
        {"gen_ai.operation.name"},
        {"gen_ai.agent.name", "gen_ai.conversation.id", "error.type", *(USAGE | CONTENT)},
    ),
}
"""Which attributes a span of that operation must have, and which it may."""
METRICS = {
    "gen_ai.client.inference.duration",
    "gen_ai.client.inference.time_to_first_chunk",
    "gen_ai.client.inference.operation.input_tokens",
    "gen_ai.client.inference.operation.output_tokens",
    "gen_ai.client.inference.usage.input_tokens",
    "gen_ai.client.inference.usage.output_tokens",
    "gen_ai.client.inference.usage.cache_read.input_tokens",
    "gen_ai.client.inference.usage.cache_write.input_tokens",
    "gen_ai.client.inference.usage.reasoning.output_tokens",
    "gen_ai.execute_tool.duration",
    "gen_ai.invoke_agent.duration",
}
PROVIDERS = {"anthropic", "deepseek", "gcp.gemini", "groq", "mistral_ai", "openai"}

CALLS = (e.Call("c1", "send", '{"to": "bob"}'), e.Call("c2", "nope", "{}"))
EVENTS = (
    *(e.ThreadStarted("demo", "k"), e.ThreadClaimed("w1"), e.UserSaid("send it")),
    e.ContextCompacted(1),
    e.ModelCalled("http://127.0.0.1:8000/v1#m", "hash", 10, 100),
    e.ModelReplied(
        CALLS,
        e.Usage(40, 5, 16, 2, False, 8, 4, 3, 1, {"web_search": 2}, "priority"),
        0.5,
        "tool_calls",
        cost_usd=0.01,
        first_token_s=0.25,
        cache_saved_usd=0.002,
        cache_spent_usd=0.001,
    ),
    *(
        e.ToolStarted("c1", "k"),
        e.ToolReturned("c1", "sent", 0.2),
        e.ToolFailed("c2", "unknown_tool", "no such tool"),
    ),
    *(
        e.ModelCalled("openai:m", "hash", 10, 100),
        e.ModelFailed("denied", "no"),
        e.TurnEnded("failed", "no"),
    ),
)
ALL = build_spans(
    [e.Record("mine", seq, float(seq), event) for seq, event in enumerate(EVENTS, 1)], Content()
)


def test_the_session_is_a_name_of_opentelemetry_s() -> None:
    names = pytest.importorskip("opentelemetry.semconv._incubating.attributes.session_attributes")
    assert names.SESSION_ID == c.SESSION


@pytest.mark.parametrize("span", ALL, ids=lambda span: span.name)
def test_every_attribute_is_of_the_release_or_says_that_it_is_ours(span: Span) -> None:
    must, may = SPANS[str(span.attributes["gen_ai.operation.name"])]
    assert must <= span.attributes.keys()
    assert {name for name in span.attributes if not name.startswith("treadle.")} <= must | may | {
        "session.id"
    }
    assert all(event.name.startswith("treadle.") for event in span.events)


def test_what_the_release_has_no_name_for_is_ours() -> None:
    own = {name: value for name, value in ALL[0].attributes.items() if name.startswith("treadle.")}
    counts = {
        "treadle.usage.cache_write_1h.input_tokens": 4,
        "treadle.usage.provider_calls.web_search": 2,
        "treadle.usage.service_tier": "priority",
        "treadle.cache_saved_usd": 0.002,
        "treadle.cache_spent_usd": 0.001,
        "treadle.cost_usd": 0.01,
    }
    assert counts.items() <= own.items()


def test_names_and_kinds_are_those_of_the_release() -> None:
    assert [(span.name, span.kind) for span in ALL] == [
        ("chat m", "client"),
        ("execute_tool send", "internal"),
        ("execute_tool nope", "internal"),
        ("chat m", "client"),
        ("invoke_agent demo", "internal"),
    ]


def test_metrics_are_those_of_the_release() -> None:
    ours = {
        *metrics.DURATIONS.values(),
        *metrics.TOKENS.values(),
        *metrics.USAGE.values(),
        metrics.FIRST_CHUNK,
    }
    assert ours == METRICS


def test_the_providers_that_the_release_knows_have_its_names() -> None:
    named = (
        "anthropic:m",
        "deepseek:m",
        "gemini:m",
        "groq:m",
        "mistral:m",
        "openai:m",
        "https://x.example/v1#m",
    )
    assert {c.model_attributes(name)[c.PROVIDER] for name in named} == PROVIDERS


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("openai:gpt-6", {"gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-6"}),
        ("local", {"gen_ai.provider.name": "local", "gen_ai.request.model": "local"}),
        (
            "local:/models/a.gguf",
            {"gen_ai.provider.name": "local", "gen_ai.request.model": "/models/a.gguf"},
        ),
        (
            "http://127.0.0.1:8000/v1#qwen",
            {
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "qwen",
                "server.address": "127.0.0.1",
                "server.port": 8000,
            },
        ),
        (
            "https://llm.example/v1#a",
            {
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "a",
                "server.address": "llm.example",
                "server.port": 443,
            },
        ),
        ("http://[::1#a", {"gen_ai.provider.name": "openai", "gen_ai.request.model": "a"}),
    ],
)
def test_a_model_s_name_says_provider_and_server(name: str, said: dict[str, Any]) -> None:
    assert c.model_attributes(name) == said


def test_opentelemetry_s_own_helper_gives_the_same_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same turn, given to the helper by hand: names, kinds and all attributes but our own."""
    pytest.importorskip("opentelemetry.util.genai.handler", reason="needs opentelemetry-util-genai")
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from opentelemetry.util.genai import types
    from opentelemetry.util.genai.handler import TelemetryHandler

    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY")
    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    handler = TelemetryHandler(tracer_provider=provider)
    user = types.InputMessage("user", [types.TextPart("send it")])
    with handler.invoke_local_agent(agent_name="demo", conversation_id="mine") as turn:
        turn.input_messages = [user]
        with handler.inference(
            "openai", request_model="m", server_address="127.0.0.1", server_port=8000
        ) as chat:
            chat.input_messages = [user]
            asked = [
                types.ToolCallRequestPart(id=call.id, name=call.name, arguments={})
                for call in CALLS
            ]
            asked[0].arguments = {"to": "bob"}
            chat.output_messages = [types.OutputMessage("assistant", asked, "tool_call")]
            chat.max_tokens, chat.request_stream, chat.ttfc_seconds = 100, True, 0.25
            chat.finish_reasons, chat.input_tokens, chat.output_tokens = ["tool_calls"], 40, 5
            chat.cache_read_input_tokens, chat.thinking_tokens, chat.conversation_compacted = (
                16,
                2,
                True,
            )
            chat.cache_write_input_tokens = 8
            chat.audio_input_tokens, chat.audio_output_tokens = 3, 1
        with handler.tool("send", tool_type="function", agent_name="demo") as execute:
            execute.tool_call_id, execute.arguments, execute.tool_result = (
                "c1",
                {"to": "bob"},
                "sent",
            )
    theirs = {span.name: span for span in kept.get_finished_spans()}
    for ours in (ALL[0], ALL[1], ALL[4]):
        span = theirs[ours.name]
        assert span.kind.name.lower() == ours.kind
        added = ("treadle.", "error.", "session.")
        own = {name: value for name, value in ours.attributes.items() if not name.startswith(added)}
        assert plain(own) == plain(span.attributes)


def plain(attributes: Any) -> dict[str, Any]:
    """With JSON read, and without the nulls that the helper writes."""
    return {
        name: json.loads(
            value, object_hook=lambda found: {k: v for k, v in found.items() if v is not None}
        )
        if name in CONTENT | {"gen_ai.tool.call.arguments"}
        else value
        for name, value in attributes.items()
    }
