"""Records spans as OpenTelemetry metrics: durations and tokens.

Only for spans that have just ended, because a metric gets the time at which it is recorded. Names
and bucket bounds are those of the GenAI conventions' release that conventions.py names.
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
    c.CACHE_WRITE_TOKENS: "gen_ai.client.inference.usage.cache_write.input_tokens",
    c.REASONING_TOKENS: "gen_ai.client.inference.usage.reasoning.output_tokens",
}

_LABELS = {
    c.CHAT: (c.OPERATION, c.PROVIDER, c.REQUEST_MODEL, c.ADDRESS, c.PORT, c.ERROR),
    c.EXECUTE_TOOL: (c.TOOL, c.TOOL_TYPE, c.AGENT, c.ERROR),
    c.INVOKE_AGENT: (c.OPERATION, c.AGENT, c.ERROR),
    c.INVOKE_WORKFLOW: (c.OPERATION, c.AGENT, c.ERROR),
}
"""The span attributes that its metrics have: those with few values."""
_CALL_S = [0.01 * 2**power for power in range(14)]
_AGENT_S = [0.1 * 2**power for power in range(13)]
_COUNT = [4**power for power in range(14)]


class Instruments:
    """The metric instruments that the spans of a process are recorded in."""

    def __init__(self, provider: "MeterProvider | None" = None) -> None:
        from opentelemetry import metrics

        from ..core.version import VERSION

        meter = metrics.get_meter("treadle", VERSION, provider)
        buckets = dict.fromkeys(DURATIONS.values(), _CALL_S)
        buckets[DURATIONS[c.INVOKE_AGENT]] = _AGENT_S
        buckets[FIRST_CHUNK] = _CALL_S
        self._histograms = {}
        for name, bounds in buckets.items():
            self._histograms[name] = meter.create_histogram(
                name, "s", explicit_bucket_boundaries_advisory=bounds
            )
        for name in TOKENS.values():
            self._histograms[name] = meter.create_histogram(
                name, "{token}", explicit_bucket_boundaries_advisory=_COUNT
            )
        self._counters = {name: meter.create_counter(name, "{token}") for name in USAGE.values()}

    def record(self, span: Span) -> None:
        """Record one span that has just ended. The steps of a flow have no metrics."""
        given = span.attributes
        operation = str(given.get(c.OPERATION))
        if operation not in DURATIONS:
            return
        labels = {name: given[name] for name in _LABELS[operation] if name in given}
        if labels.get(c.ERROR) == "unknown_tool":
            labels[c.TOOL] = "_OTHER"  # the model invented the name: there is no end of them
        self._histograms[DURATIONS[operation]].record((span.end_ns - span.start_ns) / 1e9, labels)
        if c.FIRST_CHUNK in given:
            self._histograms[FIRST_CHUNK].record(float(str(given[c.FIRST_CHUNK])), labels)
        for attribute, name in TOKENS.items():
            if attribute in given:
                self._histograms[name].record(int(str(given[attribute])), labels)
        # Chat completions don't say which kind of token it was (text, image).
        labels = {**labels, "gen_ai.token.modality": "unknown"}
        for attribute, name in USAGE.items():
            if attribute in given:
                self._counters[name].add(int(str(given[attribute])), labels)
