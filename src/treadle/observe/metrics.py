"""Spans as OpenTelemetry metrics: how long things took, how many tokens they used.

Only for spans that have just ended: a metric is of the time at which it is recorded. Names and borders are those of
the GenAI conventions' release that conventions.py names.
"""

from typing import TYPE_CHECKING

from . import conventions as c
from .span import Span

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

DURATIONS = {
    c.CHAT: "gen_ai.client.inference.duration",
    c.EXECUTE_TOOL: "gen_ai.execute_tool.duration",
    c.INVOKE_AGENT: "gen_ai.invoke_agent.duration",
    c.INVOKE_WORKFLOW: "gen_ai.invoke_agent.duration",
}
FIRST_CHUNK = "gen_ai.client.inference.time_to_first_chunk"
TOKENS = {
    c.INPUT_TOKENS: "gen_ai.client.inference.operation.input_tokens",
    c.OUTPUT_TOKENS: "gen_ai.client.inference.operation.output_tokens",
}
USAGE = {
    c.INPUT_TOKENS: "gen_ai.client.inference.usage.input_tokens",
    c.OUTPUT_TOKENS: "gen_ai.client.inference.usage.output_tokens",
    c.CACHED_TOKENS: "gen_ai.client.inference.usage.cache_read.input_tokens",
    c.REASONING_TOKENS: "gen_ai.client.inference.usage.reasoning.output_tokens",
}

_SAID = {
    c.CHAT: (c.OPERATION, c.PROVIDER, c.REQUEST_MODEL, c.ADDRESS, c.PORT, c.ERROR),
    c.EXECUTE_TOOL: (c.TOOL, c.TOOL_TYPE, c.AGENT, c.ERROR),
    c.INVOKE_AGENT: (c.OPERATION, c.AGENT, c.ERROR),
    c.INVOKE_WORKFLOW: (c.OPERATION, c.AGENT, c.ERROR),
}
"""Which of a span's attributes its metrics have: those of few values."""
_CALL_S = [0.01 * 2**power for power in range(14)]
_AGENT_S = [0.1 * 2**power for power in range(13)]
_COUNT = [4**power for power in range(14)]


class Instruments:
    """What the spans of a process are measured with."""

    def __init__(self, provider: "MeterProvider | None" = None) -> None:
        from opentelemetry import metrics

        from ..core.version import VERSION

        meter = metrics.get_meter("treadle", VERSION, provider)
        borders = {
            name: _AGENT_S if name == DURATIONS[c.INVOKE_AGENT] else _CALL_S
            for name in DURATIONS.values()
        }
        self._histograms = {
            name: meter.create_histogram(name, unit, explicit_bucket_boundaries_advisory=within)
            for name, unit, within in (
                *((name, "s", within) for name, within in borders.items()),
                (FIRST_CHUNK, "s", _CALL_S),
                *((name, "{token}", _COUNT) for name in TOKENS.values()),
            )
        }
        self._counters = {name: meter.create_counter(name, "{token}") for name in USAGE.values()}

    def record(self, span: Span) -> None:
        """Measure one span that has just ended; a flow's step has no measure of its own."""
        operation = str(span.attributes.get(c.OPERATION))
        if operation not in DURATIONS:
            return
        said = {name: span.attributes[name] for name in _SAID[operation] if name in span.attributes}
        if said.get(c.ERROR) == "unknown_tool":
            said[c.TOOL] = "_OTHER"  # the model's invention: one of any number
        self._histograms[DURATIONS[operation]].record((span.end_ns - span.start_ns) / 1e9, said)
        if c.FIRST_CHUNK in span.attributes:
            self._histograms[FIRST_CHUNK].record(float(str(span.attributes[c.FIRST_CHUNK])), said)
        for attribute, name in TOKENS.items():
            if attribute in span.attributes:
                self._histograms[name].record(int(str(span.attributes[attribute])), said)
        for attribute, name in USAGE.items():
            if attribute in span.attributes:
                # Which kind of token it was (text, image), providers of chat completions don't say.
                self._counters[name].add(
                    int(str(span.attributes[attribute])),
                    {**said, "gen_ai.token.modality": "unknown"},
                )
