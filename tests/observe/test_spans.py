"""Turns, model calls and tool calls as spans: what each covers, and that ids are stable."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fakes import agent, legal_log, live, world
from treadle import ApprovalGiven, MemoryStore, Record, ScriptedModel, tool
from treadle.core import events as e
from treadle.core.trace_context import format_traceparent
from treadle.models.scripted import calls, says
from treadle.observe import conventions as c
from treadle.observe.content import Content
from treadle.observe.otlp import to_otlp_json
from treadle.observe.span import Link, Span, to_ns
from treadle.observe.spans import Spans, build_spans
from treadle.runtime.log import open_log
from treadle.runtime.world import World

CALL = e.Call("c1", "send", '{"to": "bob", "key": "hunter2hunter2"}')
OPENED = (e.ThreadStarted("demo", "k"), e.ThreadClaimed("w1"), e.UserSaid("send it"))
ASKED = e.ModelCalled("openai:gpt-6", "hash", 10, 100)
REPLIED = e.ModelReplied(
    (CALL,), e.Usage(40, 5, 16, 2), 0.5, "tool_calls", cost_usd=0.01, first_token_s=0.25
)
ANSWERED = (ASKED, e.ModelReplied("Sent.", e.Usage(10, 5), 0.5), e.TurnEnded("answered"))


def records(*events: e.Event, name: str = "mine") -> list[e.Record]:
    return [
        e.Record(name, seq, 100.0 + seq, event) for seq, event in enumerate((*OPENED, *events), 1)
    ]


def told(*events: e.Event, content: Content | None = None) -> dict[str, Span]:
    """The last span of each name."""
    return {span.name: span for span in build_spans(records(*events), content)}


def test_a_turn_is_a_span_with_its_calls_in_it() -> None:
    events = (
        ASKED,
        REPLIED,
        e.ToolStarted("c1", "k"),
        e.ToolReturned("c1", "sent", 0.2),
        *ANSWERED,
    )
    chat, execute, again, turn = build_spans(records(*events))
    assert [chat.name, execute.name, again.name, turn.name] == [
        "chat gpt-6",
        "execute_tool send",
        "chat gpt-6",
        "invoke_agent demo",
    ]
    assert [each.kind for each in (chat, execute, turn)] == ["client", "internal", "internal"]
    assert {each.parent for each in (chat, execute, again)} == {turn.context}
    assert {each.context.trace_id for each in (chat, execute, again)} == {turn.context.trace_id}
    assert turn.parent is None
    assert (turn.start_ns, turn.end_ns) == (103 * 10**9, 110 * 10**9)
    assert (chat.start_ns, chat.end_ns) == (104 * 10**9, 105 * 10**9)


def test_a_model_call_says_what_the_log_knows_of_it() -> None:
    assert told(ASKED, REPLIED)["chat gpt-6"].attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-6",
        "gen_ai.conversation.id": "mine",
        "session.id": "mine",
        "gen_ai.request.max_tokens": 100,
        "gen_ai.request.stream": True,
        "gen_ai.response.finish_reasons": ("tool_calls",),
        "gen_ai.response.time_to_first_chunk": 0.25,
        "gen_ai.usage.input_tokens": 40,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_read.input_tokens": 16,
        "gen_ai.usage.reasoning.output_tokens": 2,
        "treadle.cost_usd": 0.01,
        "treadle.purpose": "step",
        "treadle.attempts": 1,
    }


def test_a_tool_call_and_the_turn_say_who_and_what() -> None:
    found = told(
        ASKED, REPLIED, e.ToolStarted("c1", "k"), e.ToolReturned("c1", "sent", 0.2), *ANSWERED
    )
    assert found["execute_tool send"].attributes == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "send",
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": "c1",
        "gen_ai.agent.name": "demo",
        "session.id": "mine",
        "treadle.attempts": 1,
    }
    assert found["invoke_agent demo"].attributes == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "demo",
        "gen_ai.conversation.id": "mine",
        "session.id": "mine",
        "treadle.turn": 1,
        "treadle.status": "answered",
    }


def test_one_span_covers_all_tries() -> None:
    busy = e.ModelFailed("unavailable", "busy", 2.0)
    failed = e.ToolFailed("c1", "raised", "not yet", 0.1, 1.0)
    again = (
        e.ToolStarted("c1", "k"),
        failed,
        e.ToolStarted("c1", "k", 2),
        e.ToolReturned("c1", "sent", 0.2),
    )
    chat, execute, *_ = build_spans(
        records(ASKED, busy, replace(ASKED, attempt=2), REPLIED, *again)
    )
    assert (chat.attributes[c.ATTEMPTS], execute.attributes[c.ATTEMPTS]) == (2, 2)
    assert (chat.error, execute.error) == (None, None)
    [first] = chat.events
    assert (first.name, first.attributes["error.type"], first.at_ns) == (
        "treadle.retry",
        "unavailable",
        105 * 10**9,
    )
    assert [event.name for event in execute.events] == ["treadle.retry"]


def test_a_request_has_used_what_all_its_tries_have() -> None:
    cut = e.ModelFailed("unavailable", "cut", 2.0, e.Usage(30, 7, estimated=True), 0.25)
    log = records(ASKED, cut, replace(ASKED, attempt=2), REPLIED)
    chat = build_spans(log)[0]
    assert (chat.attributes[c.INPUT_TOKENS], chat.attributes[c.OUTPUT_TOKENS]) == (70, 12)
    assert (chat.attributes[c.COST], chat.attributes[c.ESTIMATED]) == (0.26, True)


def test_another_model_that_goes_on_has_a_span_of_its_own() -> None:
    down = e.ModelFailed("unavailable", "no", 60.0, e.Usage(30, 7), 0.25)
    other = replace(ASKED, model="anthropic:opus", attempt=2)
    failed, chat, _ = build_spans(records(ASKED, down, other, REPLIED))
    assert [failed.name, chat.name] == ["chat gpt-6", "chat opus"]
    assert [each.attributes[c.REQUEST_MODEL] for each in (failed, chat)] == ["gpt-6", "opus"]
    assert (failed.attributes[c.ERROR], failed.end_ns, chat.error) == (
        "unavailable",
        105 * 10**9,
        None,
    )
    assert [each.attributes[c.COST] for each in (failed, chat)] == [0.25, 0.01]


def test_a_call_whose_outcome_was_found_out_ends_there_and_without_an_error() -> None:
    cut_off = (
        e.ToolStarted("c1", "k"),
        e.ToolFailed("c1", "timeout", "slow", 9.0, 0.0, unknown=True),
    )
    tools = {"send": e.ToolDescription("Send.", {"type": "object"}, verifies=True)}
    described = e.AgentDescribed("demo", "openai:gpt-6", "", tools)
    for outcome, error in (("ran", None), ("tell", "unknown"), ("not_run", None)):
        decided = e.OutcomeDecided("c1", outcome, "verify", "sent")
        execute = told(described, ASKED, REPLIED, *cut_off, decided)["execute_tool send"]
        assert execute.attributes.get(c.ERROR) == error, outcome
        assert (execute.start_ns, execute.end_ns) == (107 * 10**9, 109 * 10**9)


def test_a_turn_that_waits_for_a_person_to_say_whether_a_call_ran_ends_its_spans() -> None:
    cut_off = e.ToolFailed("c1", "timeout", "slow", 9.0, 0.0, unknown=True)
    fold = Spans()
    log = records(ASKED, REPLIED, e.ToolStarted("c1", "k"), cut_off)
    *_, execute, turn = [span for record in log for span in fold.add(record)]
    assert (execute.name, turn.name) == ("execute_tool send", "invoke_agent demo")
    assert [each.attributes[c.STATUS] for each in (execute, turn)] == ["waiting", "waiting"]
    assert fold.rests


def test_failures_have_a_type_and_no_words_unless_content_is_wanted() -> None:
    denied = e.ModelFailed("denied", "the key sk-aaaaaaaaaaaaaaaaaaaa is wrong")
    events = (ASKED, denied, e.TurnEnded("failed", denied.message))
    for content, words in ((None, ""), (Content(), "the key [redacted] is wrong")):
        found = told(*events, content=content)
        for name in ("chat gpt-6", "invoke_agent demo"):
            assert (found[name].attributes[c.ERROR], found[name].error) == ("denied", words)


@pytest.mark.parametrize("kind", ["arguments", "unknown_tool", "repeated", "denied"])
def test_a_call_that_never_ran_is_a_failed_span_of_no_length(kind) -> None:
    span = told(ASKED, REPLIED, e.ToolFailed("c1", kind, "no"))["execute_tool send"]
    assert (span.attributes[c.ERROR], span.error, span.end_ns - span.start_ns) == (kind, "", 0)


def test_a_turn_that_waits_ends_its_span_and_goes_on_in_another() -> None:
    given = ApprovalGiven("c1", True, "ann", arguments='{"to": "eve"}')
    ran = (e.ToolStarted("c1", "k"), e.ToolReturned("c1", "sent", 0.2), *ANSWERED)
    log = records(
        ASKED, REPLIED, e.ApprovalAsked("c1", "it acts"), given, e.ThreadClaimed("w2"), *ran
    )
    _, waited, execute, _, went_on = build_spans(log, Content())
    assert (waited.attributes[c.STATUS], waited.error, waited.end_ns) == (
        "waiting",
        None,
        106 * 10**9,
    )
    assert [event.name for event in waited.events] == ["treadle.approval_asked"]
    assert went_on.links == (Link(waited.context, "continues"),)
    assert went_on.context.trace_id != waited.context.trace_id
    assert (went_on.start_ns, went_on.attributes[c.STATUS]) == (109 * 10**9, "answered")
    assert [(event.name, event.attributes) for event in went_on.events] == [
        ("treadle.approval_given", {"gen_ai.tool.call.id": "c1", "gen_ai.tool.name": "send"})
    ]
    assert execute.attributes[c.CALL_ARGUMENTS] == '{"to":"eve"}'


def test_a_turn_that_waits_for_what_a_tool_asks_in_mid_call_is_no_interrupted_one() -> None:
    asked = (e.ToolStarted("c1", "k"), e.QuestionAsked("c1", "To whom?"))
    said = e.UserSaid("eve", answers="c1", by="ann", in_call=True)
    again = (e.ToolStarted("c1", "k", 2), e.ToolReturned("c1", "sent", 0.2), *ANSWERED)
    log = records(ASKED, REPLIED, *asked, said, e.ThreadClaimed("w2"), *again)
    _, call, waited, call_again, _, went_on = build_spans(log)
    assert [call.name, call_again.name] == ["execute_tool send"] * 2
    assert call.context.span_id != call_again.context.span_id
    assert [each.attributes.get(c.STATUS) for each in (call, waited, call_again, went_on)] == [
        "waiting",
        "waiting",
        None,
        "answered",
    ]
    assert (call.error, waited.error, call.end_ns) == (None, None, 107 * 10**9)


def test_a_crash_ends_its_spans_where_the_log_ended_and_the_next_process_links_back() -> None:
    log = records(ASKED, REPLIED, e.ToolStarted("c1", "k"), e.ThreadClaimed("w2"))
    decided = (e.OutcomeDecided("c1", "ran", "ann", "sent"), *ANSWERED)
    chat, execute, died, _, went_on = build_spans(
        [*log, *(e.Record("mine", 8 + n, 1000.0 + n, event) for n, event in enumerate(decided))]
    )
    assert chat.error is None
    assert (execute.attributes[c.ERROR], died.attributes[c.ERROR]) == ("interrupted", "interrupted")
    assert (execute.end_ns, died.end_ns) == (106 * 10**9, 106 * 10**9)
    assert (went_on.start_ns, went_on.links) == (1001 * 10**9, (Link(died.context, "continues"),))
    assert [event.name for event in went_on.events] == ["treadle.outcome_ran"]


def test_a_turn_that_was_submitted_begins_with_the_worker_that_claims_it() -> None:
    """Nobody was interrupted, and what waits for a worker is no span: the next one is linked to none."""
    submitted = e.ThreadStarted("demo", "k"), e.UserSaid("send it")
    claimed = e.ThreadClaimed("w1"), *ANSWERED
    events = [*submitted, *claimed, e.UserSaid("again"), *claimed]
    log = [e.Record("mine", seq, 100.0 + seq, event) for seq, event in enumerate(events, 1)]
    spans = build_spans(log)
    assert [each.name for each in spans] == ["chat gpt-6", "invoke_agent demo"] * 2
    first, second = (each for each in spans if each.name.startswith("invoke_agent"))
    assert {each.error for each in spans} == {None}
    assert (first.links, second.links) == ((), ())
    assert {each.context.trace_id for each in spans[:2]} == {first.context.trace_id}
    assert build_spans(log[:2]) == []


def test_cancelling_a_turn_ends_what_it_was_doing() -> None:
    chat, turn = build_spans(records(ASKED, e.TurnEnded("cancelled", "by ann")))
    assert (chat.attributes[c.ERROR], turn.error, turn.attributes[c.STATUS]) == (
        "cancelled",
        None,
        "cancelled",
    )


def test_a_limit_is_named() -> None:
    [turn] = build_spans(records(e.LimitReached("steps", 8, 8), e.TurnEnded("limit", "steps")))
    assert turn.attributes[c.STATUS] == "limit"
    assert turn.events[0].attributes == {"treadle.limit": "steps", "used": 8, "allowed": 8}


def test_a_limit_that_is_waited_for_ends_the_span_and_the_raise_stands_in_the_next() -> None:
    full = e.LimitReached("tokens", 90, 100, "turn:top#3", True)
    raised = e.LimitRaised("ann", tokens=500)
    claim = e.ThreadClaimed("w2")
    waited, chat, turn = build_spans(records(full, raised, claim, *ANSWERED))
    assert waited.attributes[c.STATUS] == "waiting"
    assert waited.events[0].attributes["account"] == "turn:top#3"
    assert chat.name == "chat gpt-6"
    assert turn.attributes[c.STATUS] == "answered"
    assert turn.events[0].name == "treadle.limit_raised"
    assert turn.events[0].attributes == {"by": "ann", "tokens": 500}


def test_feedback_stands_in_the_span_of_the_turn_that_comes_next() -> None:
    said = e.FeedbackGiven(False, "ann", "rude", 3)
    *_, turn = build_spans(records(*ANSWERED, said, e.UserSaid("more"), *ANSWERED))
    assert turn.events[0].name == "treadle.feedback_given"
    assert turn.events[0].attributes == {"treadle.good": False, "by": "ann", "treadle.turn_seq": 3}


def test_what_is_under_way_ends_for_now_with_the_last_record() -> None:
    execute, turn = build_spans(records(ASKED, REPLIED, e.ToolStarted("c1", "k")))[1:]
    assert (turn.attributes[c.STATUS], execute.end_ns, turn.end_ns) == (
        "unfinished",
        106 * 10**9,
        106 * 10**9,
    )
    assert (
        execute.context
        == told(ASKED, REPLIED, e.ToolStarted("c1", "k"))["execute_tool send"].context
    )


def test_a_child_is_below_the_call_that_its_claim_names_and_of_the_root_s_session() -> None:
    execute = told(ASKED, REPLIED, e.ToolStarted("c1", "k"))["execute_tool send"]
    first, second, *rest = records(*ANSWERED, name="child")
    started = e.ThreadStarted("helper", "k", "mine", "c1", 2, "top")
    claimed = e.ThreadClaimed("w1", trace=format_traceparent(execute.context))
    *_, chat, turn = build_spans(
        [replace(first, event=started), replace(second, event=claimed), *rest]
    )
    assert (turn.parent, turn.links) == (execute.context, ())
    assert turn.context.trace_id == chat.context.trace_id == execute.context.trace_id
    assert (turn.attributes[c.PARENT_THREAD], turn.attributes[c.PARENT_CALL]) == ("mine", "c1")
    assert (turn.attributes[c.CONVERSATION], turn.attributes[c.SESSION]) == ("child", "top")
    assert chat.attributes[c.SESSION] == "top"


@pytest.mark.parametrize(
    "text",
    [
        "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "01-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01",
        "no trace",
    ],
)
def test_a_claim_that_names_no_span_has_a_trace_of_its_own(text: str) -> None:
    first, second, *rest = records(*ANSWERED)
    turn = build_spans([first, replace(second, event=e.ThreadClaimed("w1", trace=text)), *rest])[-1]
    assert (turn.parent, turn.context) == (None, build_spans(records(*ANSWERED))[-1].context)


def test_each_turn_and_each_claim_has_a_trace_of_its_own() -> None:
    again = (e.ThreadClaimed("w2"), e.UserSaid("more"), *ANSWERED)
    same = (e.UserSaid("more"), *ANSWERED)
    spans = build_spans(records(*ANSWERED, *again, *same))
    turns = [span for span in spans if span.name == "invoke_agent demo"]
    assert len({turn.context.trace_id for turn in turns}) == 3


def test_an_agent_that_waits_below_ends_the_call_s_span_and_goes_on_in_another() -> None:
    held = (e.PendingDecision("child", "c9", "pay", "{}", "waiting", "it acts"),)
    below = (e.ToolStarted("c1", "k"), e.ChildStarted("c1", "child"), e.ChildWaits("c1", held))
    again = (
        e.ThreadClaimed("w2"),
        e.ToolStarted("c1", "k", 2),
        e.ToolReturned("c1", "done", 0.1),
        *ANSWERED,
    )
    fold = Spans()
    _, first, waited, second, _, went_on = [
        span for record in records(ASKED, REPLIED, *below, *again) for span in fold.add(record)
    ]
    assert (first.attributes[c.STATUS], first.attributes[c.CHILD_THREAD], first.error) == (
        "waiting",
        "child",
        None,
    )
    assert (waited.attributes[c.STATUS], went_on.links) == (
        "waiting",
        (Link(waited.context, "continues"),),
    )
    assert second.attributes[c.ATTEMPTS] == 2
    assert second.context != first.context


def test_handing_over_is_an_event_and_names_the_agent_of_what_follows() -> None:
    reply = replace(REPLIED, content=(e.Call("c1", "hand_to_poet", "{}"),))
    more = (e.UserSaid("and now?"), *ANSWERED)
    _, _, turn, _, second = build_spans(
        records(ASKED, reply, e.HandedOff("c1", "poet"), *ANSWERED, *more)
    )
    assert [(event.name, event.attributes[c.AGENT]) for event in turn.events] == [
        ("treadle.handed_off", "poet")
    ]
    assert (turn.name, second.name) == ("invoke_agent demo", "invoke_agent poet")


def test_a_flow_s_turn_is_a_workflow_and_its_steps_are_spans() -> None:
    asked = (e.StepAsked(e.Call("s1", "fetch", '{"day": 1}')), e.ToolStarted("s1", "k"))
    events = (*asked, e.ToolReturned("s1", '"rain"', 0.2), *ANSWERED)
    step, chat, turn = build_spans(records(*events), Content())
    assert (step.name, step.parent, turn.name) == (
        "step fetch",
        turn.context,
        "invoke_workflow demo",
    )
    assert turn.attributes[c.OPERATION] == "invoke_workflow"
    assert step.attributes == {
        "treadle.step": "fetch",
        "treadle.step.id": "s1",
        "session.id": "mine",
        "treadle.attempts": 1,
        "gen_ai.tool.call.arguments": '{"day":1}',
        "gen_ai.tool.call.result": '"rain"',
    }
    assert "rain" not in str(chat.attributes[c.INPUT_MESSAGES])


def test_a_fork_has_spans_of_its_own_alone_and_links_back_in_the_middle_of_a_turn() -> None:
    log = records(ASKED, REPLIED)
    shared = [replace(record, thread_id="fork") for record in log]
    rest = (
        e.ThreadForked("mine", 5, "k2"),
        e.ToolStarted("c1", "k"),
        e.ToolReturned("c1", "sent", 0.1),
    )
    begun = e.ThreadStarted(
        "demo", "k", "parent", "c9", 1
    )  # it works for its source's parent no more
    shared[0] = replace(shared[0], event=begun)
    fork = [*shared, *(e.Record("fork", 6 + n, 200.0 + n, event) for n, event in enumerate(rest))]
    execute, turn = build_spans(fork)
    assert c.PARENT_THREAD not in turn.attributes
    assert execute.name == "execute_tool send"
    assert turn.links == (Link(build_spans(log)[-1].context, "continues"),)


def test_a_summary_is_a_model_call_aside_and_what_follows_sees_a_compacted_conversation() -> None:
    summing = e.ModelCalled("openai:gpt-6", "hash", 10, 100, "compact", upto_seq=2)
    summed = (
        summing,
        e.ModelReplied("Minutes.", e.Usage(9, 1), 0.1),
        e.ContextCompacted(2, "Minutes."),
    )
    log = records(*summed, *ANSWERED)
    log.insert(2, e.Record("mine", 3, 102.5, e.NotesRecalled(("n1", "n2"), "noted")))
    log[3:] = [replace(record, seq=seq) for seq, record in enumerate(log[3:], 4)]
    aside, chat, turn = build_spans(log, Content())
    assert aside.attributes[c.PURPOSE] == "compact"
    assert c.INPUT_MESSAGES not in aside.attributes
    assert c.COMPACTED not in aside.attributes
    assert chat.attributes[c.COMPACTED] is True
    assert "Minutes" not in str(chat.attributes[c.INPUT_MESSAGES])
    assert [(event.name, *event.attributes.values()) for event in turn.events] == [
        ("treadle.notes_recalled", 2),
        ("treadle.context_compacted", 2),
    ]


def test_content_is_the_turn_s_messages_without_secrets() -> None:
    events = (
        ASKED,
        REPLIED,
        e.ToolStarted("c1", "k"),
        e.ToolReturned("c1", "sent to hunter2hunter2", 0.2),
        *ANSWERED,
    )
    found = told(*events, content=Content({"hunter2hunter2"}))
    execute, chat, turn = (
        found[name] for name in ("execute_tool send", "chat gpt-6", "invoke_agent demo")
    )
    assert execute.attributes[c.CALL_ARGUMENTS] == '{"to":"bob","key":"[redacted]"}'
    assert execute.attributes[c.CALL_RESULT] == "sent to [redacted]"
    call = {
        "type": "tool_call",
        "id": "c1",
        "name": "send",
        "arguments": {"to": "bob", "key": "[redacted]"},
    }
    response = {"type": "tool_call_response", "id": "c1", "response": "sent to [redacted]"}
    assert json.loads(str(chat.attributes[c.INPUT_MESSAGES])) == [
        {"role": "user", "parts": [{"type": "text", "content": "send it"}]},
        {"role": "assistant", "parts": [call], "finish_reason": "tool_call"},
        {"role": "tool", "parts": [response]},
    ]
    answer = [
        {
            "role": "assistant",
            "parts": [{"type": "text", "content": "Sent."}],
            "finish_reason": "stop",
        }
    ]
    assert json.loads(str(chat.attributes[c.OUTPUT_MESSAGES])) == answer
    assert json.loads(str(turn.attributes[c.INPUT_MESSAGES])) == [
        {"role": "user", "parts": [{"type": "text", "content": "send it"}]}
    ]
    assert json.loads(str(turn.attributes[c.OUTPUT_MESSAGES])) == answer
    assert "hunter2" not in repr(found)


def test_pictures_and_files_are_named_and_bad_arguments_kept_as_written() -> None:
    parts = (
        e.Image("https://x.example/a.png"),
        e.Image("data:image/png;base64,AAAA"),
        e.File("a.pdf", "data:,x"),
    )
    bad = replace(REPLIED, content=(e.Call("c1", "send", '{"to": '),))
    log = records(ASKED, bad, e.ToolFailed("c1", "arguments", "no JSON"))
    log[2] = replace(log[2], event=e.UserSaid(("look", *parts)))
    found = {span.name: span for span in build_spans(log, Content())}
    [message] = json.loads(str(found["chat gpt-6"].attributes[c.INPUT_MESSAGES]))
    assert [part.get("uri") or part["content"] for part in message["parts"]] == [
        *("look", "https://x.example/a.png", "[an image]", "[the file a.pdf]")
    ]
    assert found["execute_tool send"].attributes[c.CALL_ARGUMENTS] == '{"to": '


def test_a_real_turn_with_an_approval_becomes_two_traces() -> None:
    @tool(needs_approval=True)
    def send(to: str) -> str:
        """Send."""
        return f"sent to {to}"

    bot = agent(ScriptedModel([calls(("send", {"to": "bob"})), says("Done.")]), send)

    async def both() -> list[e.Record]:
        waits = await bot.run("send it", thread="mine")
        await bot.post("mine", ApprovalGiven(waits.waiting[0].id, True, by="ann"))
        await bot.resume("mine")
        return (await open_log("mine", bot.store, bot.world)).records

    found = build_spans(live(both()))
    assert [span.name for span in found] == [
        *(
            "chat scripted",
            "invoke_agent agent",
            "execute_tool send",
            "chat scripted",
            "invoke_agent agent",
        )
    ]
    assert len({span.context.trace_id for span in found}) == 2


logs = st.lists(st.integers(0, 10**6), max_size=80).map(legal_log)


@given(logs)
def test_of_any_log_every_span_is_whole_and_has_its_place(log):
    found = build_spans(log)
    assert len({span.context for span in found}) == len(found)
    roots = {span.context: span for span in found if span.parent is None}
    for span in found:
        assert span.start_ns <= span.end_ns
        assert all(
            isinstance(value, str | int | float | bool | tuple)
            for value in span.attributes.values()
        )
        if span.parent:
            whole = roots[span.parent]
            assert span.context.trace_id == whole.context.trace_id
            assert whole.start_ns <= span.start_ns <= span.end_ns <= whole.end_ns


@given(logs, st.integers(0, 80))
def test_what_has_ended_never_changes_whatever_comes_later(log, cut):
    def ended(part):
        fold = Spans()
        return [span for record in part for span in fold.add(record)]

    assert ended(log)[: len(ended(log[:cut]))] == ended(log[:cut])


@given(logs)
def test_tokens_and_calls_are_those_of_the_log(log):
    shared = max(
        (record.event.at_seq for record in log if isinstance(record.event, e.ThreadForked)),
        default=0,
    )
    own = [each.event for each in log if each.seq > shared]
    used = [e.Usage()] + [each.usage for each in own if isinstance(each, e.ModelReplied)]
    used += [each.usage for each in own if isinstance(each, e.ModelFailed) and not each.claim]
    spans = [span.attributes for span in build_spans(log) if c.INPUT_TOKENS in span.attributes]
    for kind in (c.INPUT_TOKENS, c.OUTPUT_TOKENS):
        name = kind.removeprefix("gen_ai.usage.")
        assert sum(span[kind] for span in spans) == sum(getattr(each, name) for each in used)


@pytest.mark.parametrize("at", [1e300, -1e300, float("nan"), float("inf"), -1.0, 2e10])
def test_a_time_that_no_clock_should_give_is_zero(at):
    assert to_ns(at) == 0


def test_spans_of_absurd_times_can_be_sent():
    log = asyncio.run(open_log("t", MemoryStore(), World(now=lambda: 1e300)))
    asyncio.run(log.append(e.ThreadStarted("a", "x"), e.UserSaid("go"), e.TurnEnded("cancelled")))
    assert b"invoke_agent a" in to_otlp_json(build_spans(log.records))


def test_calls_that_are_asked_about_together_make_one_part_of_the_turn():
    @tool(needs_approval=True)
    def pay(n: int) -> str:
        """Pay."""
        return "paid"

    model = ScriptedModel([calls(("pay", {"n": 1}), ("pay", {"n": 2})), says("done")])

    async def whole():
        bot = agent(model, pay)
        result = await bot.run("go", thread="mine")
        before = build_spans((await open_log("mine", bot.store, world())).records)
        for call in result.waiting:
            await bot.post("mine", ApprovalGiven(call.id, True, "ann"))
        await bot.resume("mine")
        return before, build_spans((await open_log("mine", bot.store, world())).records)

    before, after = live(whole())
    parts = [span for span in before if span.name.startswith("invoke_agent")]
    assert [span.attributes["treadle.status"] for span in parts] == ["waiting"]
    parts = [span for span in after if span.name.startswith("invoke_agent")]
    assert [span.attributes["treadle.status"] for span in parts] == ["waiting", "answered"]


def test_the_eighth_driver_s_work_has_its_span_and_so_has_what_a_child_waits_for_anew():
    pending = (e.PendingDecision("child", "c9", "pay", "{}", "waiting"),)
    started = e.ToolStarted("c1", "k")
    events = [
        *(e.ThreadStarted("a", "k"), e.ThreadClaimed("w"), e.UserSaid("go")),
        *(
            e.ModelCalled("m", "h", 1, 1),
            e.ModelReplied((e.Call("c1", "look", "{}"),), e.Usage(), 0),
        ),
        *(started, *(each for n in range(8) for each in (e.ThreadClaimed(f"w{n}"), started))),
        *(
            e.ChildStarted("c1", "child"),
            e.ChildWaits("c1", pending),
            e.ChildWaits("c1", pending * 2),
        ),
        *(e.ChildWaits("c1", ()), started, e.ToolReturned("c1", "seen", 0.1)),
    ]
    records = [Record("t", seq, float(seq), event) for seq, event in enumerate(events, 1)]
    spans = build_spans(records)
    assert [span.name for span in spans if span.attributes.get("treadle.status") == "waiting"]
    assert sum(span.name.startswith("execute_tool look") for span in spans) == 10
