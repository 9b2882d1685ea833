"""Traces end to end: from a turn, live and afterwards, to a server that speaks OTLP."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from fakes import agent, live
from observe.receiver import Received, receiving
from treadle import (
    Agent,
    ApprovalGiven,
    Context,
    MemoryStore,
    Pending,
    ScriptedModel,
    ToolRetry,
    UsageError,
    tool,
)
from treadle.core import events as e
from treadle.models.scripted import calls, says
from treadle.observe.cost import cost_entries, group_costs, sum_costs
from treadle.observe.spans import build_spans
from treadle.observe.tracing import KEPT, Tracing
from treadle.runtime.log import open_log
from treadle.stores.store import Row

pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="needs the extra otel")

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Received]:
    with receiving() as received:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20abc,x-project=loom")
        yield received


@tool(needs_approval=True)
def send(to: str) -> str:
    """Send."""
    return f"sent to {to}"


def bot(tracing: Tracing, store: MemoryStore, *script) -> Agent:
    return agent(ScriptedModel(script), send, store=store, listeners=[tracing], name="post office")


def ids_of(records: list[e.Record]) -> list[tuple[str, int, int]]:
    return sorted(
        (span.name, span.context.trace_id, span.context.span_id) for span in build_spans(records)
    )


async def recorded(store: MemoryStore, thread: str) -> list[e.Record]:
    return (await open_log(thread, store, agent(None).world)).records


def test_live_spans_arrive_and_are_those_of_the_log(server: Received) -> None:
    store, tracing = MemoryStore(), Tracing()
    live(bot(tracing, store, says("Hello."), says("Bye.")).run("hello", thread="mine"))
    tracing.close()
    assert server.ids == ids_of(live(recorded(store, "mine")))
    assert [span.name for span in server.spans] == ["chat scripted", "invoke_agent post office"]
    chat, turn = server.spans
    assert (chat.parent_span_id, chat.trace_id, turn.parent_span_id) == (
        turn.span_id,
        turn.trace_id,
        b"",
    )
    assert server.attributes("chat scripted")["gen_ai.conversation.id"] == "mine"
    assert server.attributes("chat scripted")["gen_ai.usage.output_tokens"] > 0
    assert "gen_ai.input.messages" not in server.attributes("chat scripted")
    assert (server.headers[0]["authorization"], server.headers[0]["x-project"]) == (
        "Basic abc",
        "loom",
    )
    named = {
        each.key: each.value.string_value
        for each in server.requests[0].resource_spans[0].resource.attributes
    }
    assert named["service.name"] == "treadle"


def test_a_process_that_takes_over_sends_the_same_spans_as_the_log_has(server: Received) -> None:
    store, first = MemoryStore(), Tracing(store=MemoryStore())
    waits = live(bot(first, store, calls(("send", {"to": "bob"}))).run("send it", thread="mine"))
    first.close()

    second = Tracing(store=store, content=True, secrets={"bobby tables"})
    other = bot(second, store, says("Sent to bobby tables."), says("And again."))

    async def go_on() -> None:
        await other.post("mine", ApprovalGiven(waits.waiting[0].id, True, by="ann"))
        await other.resume("mine")
        await other.run("again", thread="mine")

    live(go_on())
    second.close()
    assert server.ids == ids_of(live(recorded(store, "mine")))
    waited, went_on, again = (
        span for span in server.spans if span.name == "invoke_agent post office"
    )
    [link] = went_on.links
    assert (link.trace_id, link.span_id) == (waited.trace_id, waited.span_id)
    assert link.attributes[0].value.string_value == "continues"
    assert [event.name for event in went_on.events] == ["treadle.approval_given"]
    assert not again.links
    said = "".join(each.value.string_value for span in server.spans for each in span.attributes)
    assert "Sent to [redacted]." in said
    assert "bobby" not in said


def test_an_agent_that_is_a_tool_is_traced_below_its_call_in_the_session_of_the_root(
    server: Received,
) -> None:
    store = MemoryStore()
    tracing = Tracing(store=store)
    helper = agent(ScriptedModel([says("42")]), name="helper", listeners=[tracing])
    script = [calls(("helper", {"task": "think"})), says("It is 42.")]
    boss = agent(
        ScriptedModel(script), helper.as_tool(), name="boss", store=store, listeners=[tracing]
    )
    assert live(boss.run("ask it", thread="top")).answer == "It is 42."
    tracing.close()
    execute, below, whole = (
        next(span for span in server.spans if span.name == name)
        for name in ("execute_tool helper", "invoke_agent helper", "invoke_agent boss")
    )
    assert (below.parent_span_id, execute.parent_span_id) == (execute.span_id, whole.span_id)
    assert whole.parent_span_id == b""
    assert below.trace_id == execute.trace_id == whole.trace_id
    said = server.attributes("invoke_agent helper")
    child = said["gen_ai.conversation.id"]
    assert (said["treadle.parent.thread_id"], said["session.id"]) == ("top", "top")
    assert server.attributes("execute_tool helper")["treadle.child.thread_id"] == child
    both = [record for name in ("top", child) for record in live(recorded(store, name))]
    paid = cost_entries(both)
    assert group_costs(paid, "tree").keys() == {"top"}
    used = [record.event.usage for record in both if isinstance(record.event, e.ModelReplied)]
    assert sum_costs(paid).usage == sum(used, e.Usage())
    assert (
        len(server.ids) == len(set(server.ids)) == 6
    )  # both agents tell of the child; it is sent once


def test_the_caller_s_own_span_is_the_parent_and_a_tool_s_own_spans_are_below_its_call(
    server: Received,
) -> None:
    """Of a sync tool, an async tool that is tried again, and one of a child; live and exported."""
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    theirs = provider.get_tracer("theirs")
    tries = []

    @tool
    def plain() -> str:
        with theirs.start_as_current_span("within plain"):
            return "1"

    @tool
    async def flaky(context: Context) -> str:
        with theirs.start_as_current_span("within flaky"):
            tries.append(context.traceparent)
            if len(tries) == 1:
                raise ToolRetry("not yet", retry_after_s=0)
            return "2"

    store = MemoryStore()
    tracing = Tracing(store=store)
    script = [calls(("plain", {})), says("42")]
    helper = agent(ScriptedModel(script), plain, name="helper")
    script = [calls(("flaky", {}), ("helper", {"task": "think"})), says("It is 42.")]
    boss = agent(
        ScriptedModel(script),
        flaky,
        helper.as_tool(),
        name="boss",
        store=store,
        listeners=[tracing],
    )
    with theirs.start_as_current_span("request"):
        boss.run_sync("ask it", thread="top")
    tracing.close()
    sent = {span.name: span for span in server.spans}
    made = {span.name: span for span in kept.get_finished_spans()}
    request = made["request"].context
    assert int.from_bytes(sent["invoke_agent boss"].parent_span_id) == request.span_id
    assert {int.from_bytes(span.trace_id) for span in sent.values()} == {request.trace_id}
    assert {span.context.trace_id for span in made.values()} == {request.trace_id}
    for name in ("plain", "flaky"):
        execute = int.from_bytes(sent[f"execute_tool {name}"].span_id)
        assert made[f"within {name}"].parent.span_id == execute
    assert {text.split("-")[2] for text in tries} == {sent["execute_tool flaky"].span_id.hex()}
    child = server.attributes("invoke_agent helper")["gen_ai.conversation.id"]
    exported = [
        span for name in ("top", child) for span in build_spans(live(recorded(store, name)))
    ]
    assert {span.context.span_id for span in exported} == {
        int.from_bytes(span.span_id) for span in server.spans
    }


def test_without_tracing_a_tool_s_own_spans_are_below_the_caller_s() -> None:
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    theirs = provider.get_tracer("theirs")

    @tool
    def plain() -> str:
        with theirs.start_as_current_span("within"):
            return "1"

    one = agent(ScriptedModel([calls(("plain", {})), says("42")]), plain)
    with theirs.start_as_current_span("request") as request:
        one.run_sync("ask it")
    [within] = [span for span in kept.get_finished_spans() if span.name == "within"]
    assert within.parent.span_id == request.get_span_context().span_id


def test_what_was_heard_twice_is_sent_once(server: Received) -> None:
    store, tracing = MemoryStore(), Tracing()
    live(bot(tracing, store, says("Hello.")).run("hello", thread="mine"))
    for record in live(recorded(store, "mine"))[1:]:
        tracing(record)
    tracing.close()
    assert len(server.spans) == 2


@pytest.mark.parametrize("own", [True, False])
def test_a_thread_whose_beginning_is_elsewhere_is_named_and_left_alone(
    server: Received, caplog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own: bool
) -> None:
    monkeypatch.setenv("TREADLE_DB", str(tmp_path / "none.db"))
    tracing = Tracing(store=MemoryStore() if own else None)
    for seq in (7, 8):
        tracing(e.Record("mine", seq, 1.0, e.UserSaid("hello")))
    tracing.close()
    assert caplog.text.count("thread mine isn't traced") == 1
    assert not (tmp_path / "none.db").exists()
    assert server.spans == []


class Counting(MemoryStore):
    """Counts how often a thread is read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
        self.reads += 1
        return await super().read(thread_id, after_seq)


def reads_to_go_on(others: int) -> int:
    """How often a waiting thread is read again, after so many others have begun to wait."""
    store, spans = Counting(), InMemorySpanExporter()
    tracing = Tracing(processors=[SimpleSpanProcessor(spans)], store=store)
    waits = bot(tracing, store, calls(("send", {"to": "bob"})), says("Sent."))
    waiting = live(waits.run("send it", thread="0")).waiting
    records = live(recorded(store, "0"))
    for number in range(1, others + 1):
        for record in records:
            tracing(replace(record, thread_id=str(number)))
    live(waits.post("0", ApprovalGiven(waiting[0].id, True, by="ann")))
    approved = live(recorded(store, "0"))[-1]
    store.reads = 0
    tracing(approved)
    reads = store.reads
    live(waits.resume("0"))
    ours = [
        (span.name, span.context.trace_id, span.context.span_id)
        for span in spans.get_finished_spans()
        if span.attributes and span.attributes["session.id"] == "0"
    ]
    assert sorted(ours) == ids_of(live(recorded(store, "0")))
    return reads


@pytest.mark.slow
def test_of_threads_that_wait_the_last_ones_are_remembered() -> None:
    """Else a server would keep each thread that ever waited: most go on in another process."""
    assert (reads_to_go_on(others=1), reads_to_go_on(others=KEPT)) == (0, 1)


def test_a_server_that_refuses_costs_the_turn_nothing(server: Received) -> None:
    server.status = 400
    tracing = Tracing()
    assert live(bot(tracing, MemoryStore(), says("Hello.")).run("hello")).answer == "Hello."
    tracing.close()
    assert server.spans == []


def test_failures_have_the_status_of_an_error(server: Received) -> None:
    tracing = Tracing(store=MemoryStore())
    denied = (
        e.ModelCalled("m", "h", 1, 1),
        e.ModelFailed("denied", "no"),
        e.TurnEnded("failed", "no"),
    )
    opening = (e.ThreadStarted("a", "k"), e.ThreadClaimed("w"), e.UserSaid("go"))
    for seq, event in enumerate((*opening, *denied), 1):
        tracing(e.Record("mine", seq, float(seq), event))
    tracing.close()
    assert [(span.status.code, span.status.message) for span in server.spans] == [(2, ""), (2, "")]
    assert server.attributes("chat m")["error.type"] == "denied"


def test_the_environment_samples_whole_traces(
    server: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    tracing = Tracing(store=MemoryStore())
    opening = (e.ThreadStarted("a", "k"), e.ThreadClaimed("w"), e.UserSaid("go"))
    answered = (
        e.ModelCalled("m", "h", 1, 1),
        e.ModelReplied("yes", e.Usage(1, 1), 0.1),
        e.TurnEnded("answered"),
    )
    for name in map(str, range(40)):
        for seq, event in enumerate((*opening, *answered), 1):
            tracing(e.Record(name, seq, float(seq), event))
    tracing.close()
    traces = [span.trace_id for span in server.spans]
    assert 0 < len(traces) < 80
    assert all(traces.count(each) == 2 for each in traces)


def test_metrics_of_what_ended() -> None:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    reader = InMemoryMetricReader()
    tracing = Tracing(processors=[], store=MemoryStore(), meter_provider=MeterProvider([reader]))
    call = e.Call("c1", "send", "{}")
    events = (
        *(
            e.ThreadStarted("a", "k"),
            e.ThreadClaimed("w"),
            e.UserSaid("go"),
            e.ModelCalled("openai:m", "h", 1, 1),
        ),
        e.ModelReplied((call,), e.Usage(40, 5, 16), 0.5, first_token_s=0.25),
        *(e.ToolStarted("c1", "k"), e.ToolFailed("c1", "raised", "no"), e.TurnEnded("cancelled")),
    )
    for seq, event in enumerate(events, 1):
        tracing(e.Record("mine", seq, float(seq), event))
    data = reader.get_metrics_data()
    assert data is not None
    found = {
        metric.name: [
            (getattr(point, "sum", None) or point.value, dict(point.attributes))
            for point in metric.data.data_points
        ]
        for metric in data.resource_metrics[0].scope_metrics[0].metrics
    }
    chat = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "m",
    }
    counted = chat | {"gen_ai.token.modality": "unknown"}
    tooled = {"gen_ai.tool.name": "send", "gen_ai.tool.type": "function", "gen_ai.agent.name": "a"}
    assert found == {
        "gen_ai.client.inference.duration": [(1.0, chat)],
        "gen_ai.client.inference.time_to_first_chunk": [(0.25, chat)],
        "gen_ai.client.inference.operation.input_tokens": [(40, chat)],
        "gen_ai.client.inference.operation.output_tokens": [(5, chat)],
        "gen_ai.client.inference.usage.input_tokens": [(40, counted)],
        "gen_ai.client.inference.usage.output_tokens": [(5, counted)],
        "gen_ai.client.inference.usage.cache_read.input_tokens": [(16, counted)],
        "gen_ai.execute_tool.duration": [(1.0, tooled | {"error.type": "raised"})],
        "gen_ai.invoke_agent.duration": [
            (5.0, {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "a"})
        ],
    }


def test_a_tool_that_the_model_has_invented_has_no_metric_of_its_own() -> None:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    reader = InMemoryMetricReader()
    tracing = Tracing(processors=[], store=MemoryStore(), meter_provider=MeterProvider([reader]))
    names = ("sned", "send_mail", "mail")
    calls = tuple(e.Call(name, name, "{}") for name in names)
    events = (
        *(
            e.ThreadStarted("a", "k"),
            e.ThreadClaimed("w"),
            e.UserSaid("go"),
            e.ModelCalled("openai:m", "h", 1, 1),
        ),
        e.ModelReplied(calls, e.Usage(40, 5, 16), 0.5),
        *(e.ToolFailed(name, "unknown_tool", "no such tool") for name in names),
    )
    for seq, event in enumerate(events, 1):
        tracing(e.Record("mine", seq, float(seq), event))
    data = reader.get_metrics_data()
    assert data is not None
    metrics = {metric.name: metric for metric in data.resource_metrics[0].scope_metrics[0].metrics}
    [point] = metrics["gen_ai.execute_tool.duration"].data.data_points
    assert (point.attributes or {})["gen_ai.tool.name"] == "_OTHER"


@pytest.mark.parametrize(
    "module", ["opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http.trace_exporter"]
)
def test_without_the_extra_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError, match=r"pip install 'treadle\[otel\]'"):
        Tracing()


@pytest.mark.parametrize("same_process", [True, False])
def test_what_was_posted_while_nobody_drove_is_sent_with_the_next_drive(same_process) -> None:
    """A call that was settled, and a turn that was cancelled: no listener hears of a post."""

    @tool
    def build() -> str:
        """Build it elsewhere."""
        raise Pending({"job": 7})

    store, spans = MemoryStore(), InMemorySpanExporter()
    tracings = [Tracing(processors=[SimpleSpanProcessor(spans)], store=store) for _ in range(3)]
    if same_process:
        tracings = tracings[:1] * 3
    model = ScriptedModel([calls("build"), says("Built."), calls("build"), says("Well.")])
    first, second, third = (
        agent(model, build, store=store, listeners=[tracing]) for tracing in tracings
    )
    live(first.run("build it", thread="t"))
    live(first.settle({"job": 7}, "passed"))
    live(second.resume("t"))
    live(second.run("again", thread="t"))
    live(second.post("t", e.TurnEnded("cancelled", "too slow")))
    live(third.run("and?", thread="t"))
    sent = [
        (span.name, span.context.trace_id, span.context.span_id)
        for span in spans.get_finished_spans()
    ]
    assert sorted(sent) == ids_of(live(recorded(store, "t")))


def test_what_was_posted_before_a_fork_is_sent_by_the_thread_that_it_was_posted_to() -> None:
    @tool
    def build() -> str:
        """Build it elsewhere."""
        raise Pending({"job": 7})

    store, spans = MemoryStore(), InMemorySpanExporter()
    tracing = Tracing(processors=[SimpleSpanProcessor(spans)], store=store)
    untraced = agent(ScriptedModel([calls("build")]), build, store=store)
    live(untraced.run("build it", thread="t"))
    live(untraced.settle({"job": 7}, "passed"))
    forked = live(untraced.fork("t")).thread_id
    goes_on = agent(ScriptedModel([says("Built.")]), build, store=store, listeners=[tracing])
    assert live(goes_on.resume(forked)).answer == "Built."
    sent = [span.name for span in spans.get_finished_spans()]
    assert sorted(sent) == [name for name, *_ in ids_of(live(recorded(store, forked)))]
