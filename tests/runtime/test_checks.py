"""Checks and rules with functions: what they change is a fact, and holds wherever a thread goes on."""

import asyncio
import json
from dataclasses import dataclass, replace

import pytest
from pydantic import BaseModel

from fakes import Died, DyingStore, agent, found, live, names, world
from treadle import (
    Agent,
    Allow,
    Always,
    ApprovalGiven,
    Ask,
    Change,
    Context,
    Deny,
    DidNotRun,
    Limits,
    MemoryStore,
    ModelDenied,
    ModelUnavailable,
    NeedsDeps,
    Pending,
    Question,
    Ran,
    Rule,
    ScriptedModel,
    ToolError,
    TrustChanged,
    TurnFailed,
    UsageError,
    UserSaid,
    flow,
    tool,
)
from treadle.core import events as e
from treadle.evals.actual_calls import actual_calls
from treadle.graphs import END, START, Edge, Graph, Node
from treadle.models.scripted import calls, says
from treadle.observe.content import Content
from treadle.observe.conventions import CALL_ARGUMENTS
from treadle.observe.explain import explain
from treadle.observe.spans import build_spans
from treadle.runtime.log import open_log
from treadle.runtime.replay import replay
from treadle.stores.archive import export_threads, import_threads
from treadle.testing.rerun import rerun
from treadle.tools.ask import ask_user

PAY = calls(("pay", {"euros": 500}))


@tool
def pay(euros: int) -> str:
    """Pay."""
    return f"{euros} paid from DE00"


def cap(call, context):
    if call.arguments["euros"] > 200:
        return Change({"euros": 200}, "at most 200")
    return None


async def no_ibans(result, context):
    if "DE00" in result.content:
        return Change(result.content.replace("DE00", "[IBAN]"), "no IBANs")
    return None


RULES = (Rule("pay", before=cap), Rule("pay*", after=no_ibans))


def desk(*script, **settings):
    return agent(ScriptedModel(script), pay, **settings)


def texts(made, request=-1):
    return [message.text for message in made.model.seen[request].messages]


def records_of(made, thread):
    return live(open_log(thread, made._store, made.world)).records


def replays(made, thread):
    """The first difference of a replay by today's agent, and of one without it."""
    records = records_of(made, thread)
    return [live(made.replay(thread)), live(replay(records))]


# What people say


def no_cards(said, context):
    if "4111" in said.text:
        return Deny("send no card numbers")
    if "Ann" in said.text:
        return Change(said.text.replace("Ann", "[name]"), "names")
    return None


def test_a_message_that_is_refused_ends_its_turn_unseen_by_any_model():
    made = desk(says("Hello."), check_input=no_cards)
    result = live(made.run("my card is 4111", thread="t"))
    assert (result.status, result.reason, result.answer) == ("refused", "send no card numbers", "")
    assert made.model.seen == []
    assert live(made.run("hello", thread="t")).answer == "Hello."
    assert texts(made) == ["[withheld: send no card numbers]\n\nhello"]
    assert replays(made, "t") == [None, None]


def test_a_message_that_is_changed_is_shown_and_searched_as_it_was_changed():
    made = desk(says("Hello."), check_input=no_cards)
    result = live(made.run("I am Ann", thread="t"))
    assert texts(made) == ["I am [name]"]
    assert found(result, e.UserSaid)[0].text == "I am Ann"
    [checked] = found(result, e.Checked)
    assert (checked.verdict, checked.by, checked.reason) == ("allow", "no_cards", "names")
    assert replays(made, "t") == [None, None]
    said = explain(records_of(made, "t"), made.run_settings).done
    assert said == ("the check no_cards changes the message to I am [name]: names",)


async def say_during(made, words):
    """Say this one second after a turn has begun; its result."""
    turn = asyncio.create_task(made.run("go", thread="t"))
    await asyncio.sleep(1)
    await made.steer("t", words)
    return await turn


def test_what_is_said_before_another_attempt_of_the_model_is_checked_first():
    script = [ModelUnavailable("down", retry_after_s=5), says("Hello.")]
    made = desk(*script, check_input=no_cards)
    assert live(say_during(made, "I am Ann")).answer == "Hello."
    assert texts(made) == ["go\n\nI am [name]"]
    assert replays(made, "t") == [None, None]
    made = desk(*script, check_input=no_cards)
    assert live(say_during(made, "my card is 4111")).answer == "Hello."
    assert texts(made) == ["go\n\n[withheld: send no card numbers]"]


def test_what_is_said_while_a_function_makes_the_instructions_is_checked_first():
    async def instructions(context):
        await asyncio.sleep(3)
        return "Be brief."

    script = [says("One."), says("Two.")]
    made = agent(ScriptedModel(script), pay, check_input=no_cards, instructions=instructions)
    live(made.run("first", thread="t"))
    assert live(say_during(made, "I am Ann")).answer == "Two."
    assert texts(made)[-1] == "go\n\nI am [name]"
    assert replays(made, "t") == [None, None]


def test_messages_don_t_make_the_pause_before_another_attempt_longer():
    script = [ModelUnavailable("down", retry_after_s=5), says("Hello.")]
    made = desk(*script)

    async def whole():
        began = asyncio.get_running_loop().time()
        turn = asyncio.create_task(made.run("go", thread="t"))
        for number in range(4):
            await asyncio.sleep(1.1)
            await made.steer("t", f"more {number}")
        await turn
        return asyncio.get_running_loop().time() - began

    assert live(whole()) < 7


def test_what_is_said_meanwhile_and_answers_to_questions_are_checked_too():
    script = [calls(("ask_user", {"question": "Who?"})), says("Done.")]
    made = agent(ScriptedModel(script), ask_user, check_input=no_cards)
    waiting = live(made.run("go", thread="t"))
    [question] = waiting.waiting
    live(made.post("t", UserSaid("Ann, card 4111", answers=question.id)))
    live(made.steer("t", "I am Ann"))
    live(made.resume("t"))
    assert texts(made)[-2:] == ["[withheld: send no card numbers]", "I am [name]"]
    assert replays(made, "t") == [None, None]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("to Ann", "sent to [name]"),
        ("to 4111", "error: a check refused the answer to its question: send no card numbers"),
        ("to Bob", "sent to Bob"),
    ],
)
def test_no_tool_sees_an_answer_to_its_question_before_the_checks_do(said, told):
    seen = []

    @tool
    def send(ctx: Context) -> str:
        if not ctx.answers:
            raise Question("To whom?")
        seen.append(ctx.answers[-1].text)
        return f"sent {ctx.answers[-1].text}"

    made = agent(ScriptedModel([calls("send"), says("Done.")]), send, check_input=no_cards)
    [question] = live(made.run("go", thread="t")).waiting
    live(made.post("t", UserSaid(said, answers=question.id)))
    assert live(made.resume("t")).answer == "Done."
    assert texts(made)[-1] == told
    assert seen == ([told.removeprefix("sent ")] if told.startswith("sent") else [])
    assert replays(made, "t") == [None, None]


# Answers


def polite(answer, context):
    if "damn" in answer:
        return Deny("be polite")
    return Change(answer.replace("x@y.z", "[mail]")) if "@" in answer else None


def test_an_answer_that_is_refused_is_told_why_and_tried_once_more():
    made = desk(says("damn"), says("write to x@y.z"), check_output=polite)
    result = live(made.run("go", thread="t"))
    assert (result.status, result.answer) == ("answered", "write to [mail]")
    assert texts(made)[-1] == "That answer can't be used: be polite. Answer again, corrected."
    assert replays(made, "t") == [None, None]
    again = replace(made, model=ScriptedModel([says("Yes.")]))
    live(again.run("sure?", thread="t"))
    assert "write to [mail]" in texts(again)  # the model sees what the person was given


def test_an_answer_that_is_refused_each_time_fails_the_turn_and_is_never_given():
    made = desk(*[says("damn")] * 3, check_output=polite)
    with pytest.raises(TurnFailed) as failed:
        live(made.run("go"))
    assert failed.value.result.answer == ""


def test_what_was_said_by_a_limit_is_checked_or_kept_back():
    limits = Limits(steps=1)
    script = [calls(("pay", {"euros": 1}), text="damn"), says("x@y.z")]
    result = live(desk(*script, check_output=polite, limits=limits).run("go"))
    assert (result.status, result.answer) == ("limit", "[mail]")
    limits = Limits(steps=1, last_word=False)
    result = live(desk(script[0], check_output=polite, limits=limits).run("go"))
    assert "damn" not in result.answer


def test_a_text_beside_calls_that_wait_is_kept_back():
    rules = [Rule("pay", "ask")]
    made = desk(calls(("pay", {"euros": 1}), text="damn"), check_output=polite, rules=rules)
    result = live(made.run("go"))
    assert (result.status, result.answer) == ("waiting", "")


def talk_while_it_waits(*said, **settings):
    rules = [Rule("pay", "ask")]
    made = desk(calls(("pay", {"euros": 1})), *said, check_output=polite, rules=rules, **settings)
    [held] = live(made.run("pay", thread="t")).waiting
    return made, held, live(made.run("any news?", thread="t"))


def test_what_is_said_while_a_call_waits_is_checked_and_given():
    made, held, result = talk_while_it_waits(says("damn"), says("ask x@y.z"), says("Paid."))
    assert (result.status, result.answer, result.waiting) == ("waiting", "ask [mail]", (held,))
    assert texts(made)[-1] == "That answer can't be used: be polite. Answer again, corrected."
    assert live(made.resume("t")).answer == "ask [mail]"  # nothing is asked again
    live(made.post("t", ApprovalGiven(held.id, True, "ann")))
    assert live(made.resume("t")).answer == "Paid."
    assert "ask [mail]" in texts(made)
    assert replays(made, "t") == [None, None]


def test_what_is_said_while_a_call_waits_fails_no_turn():
    made, held, result = talk_while_it_waits(*[says("damn")] * 3, says("Paid."))
    assert (result.status, result.answer, result.waiting) == ("waiting", "", (held,))
    live(made.post("t", ApprovalGiven(held.id, True, "ann")))
    assert live(made.resume("t")).answer == "Paid."


def test_what_is_no_answer_of_the_type_is_kept_back_while_a_call_waits():
    made, held, result = talk_while_it_waits(says("Not yet."), says('{"euros":5}'), output=Price)
    assert (result.status, result.answer, result.waiting) == ("waiting", "", (held,))
    assert live(made.due()) == []


@pytest.mark.parametrize("ends", ["failed", "limit"])
def test_a_text_beside_a_hand_over_to_an_agent_without_a_check_is_kept_back(ends):
    last = [ModelDenied("no key")] if ends == "failed" else [calls("look")]
    limits = Limits(steps=2, last_word=False)
    store, same = MemoryStore(), world()
    second = Agent(name="second", model=ScriptedModel(last), limits=limits, store=store, world=same)
    first = Agent(
        model=ScriptedModel([calls("hand_to_second", text="damn it")]),
        handoffs=[second],
        check_output=polite,
        limits=limits,
        store=store,
        world=same,
    )
    try:
        result = live(first.run("go", thread="t"))
    except ModelDenied as error:
        result = error.result
    assert result.status == ends
    assert "damn" not in result.answer


def test_a_stream_shows_no_text_before_it_was_checked():
    made = desk(says("damn you"), says("dear x@y.z"), check_output=polite)

    async def read():
        return [item async for item in made.stream("go", thread="t")]

    shown = [item.text for item in live(read()) if hasattr(item, "thinking")]
    assert shown == ["dear [mail]"]


class Price(BaseModel):
    euros: int


def test_an_answer_of_a_type_is_checked_as_its_value_and_changed_to_one():
    def round_down(price, context):
        return Change(Price(euros=price.euros // 10 * 10)) if price.euros % 10 else None

    made = desk(says('{"euros": 57}'), output=Price, check_output=round_down)
    assert live(made.run("go")).output == Price(euros=50)


# Calls and results


def test_a_rule_changes_arguments_and_results_and_both_are_in_the_log():
    made = desk(PAY, says("Paid."), rules=RULES)
    result = live(made.run("go", thread="t"))
    [returned] = found(result, e.ToolReturned)
    assert returned.content == "200 paid from [IBAN]"
    assert (returned.original.content, returned.original.by) == ("200 paid from DE00", "no_ibans")
    assert texts(made)[-1] == (
        "A rule of this agent changed the arguments of this call before it ran, to:"
        ' {"euros":200}\n200 paid from [IBAN]'
    )
    assert replays(made, "t") == [None, None]
    done = explain(records_of(made, "t"), made.run_settings).done
    assert "the rule cap changes the call" in done[0]
    assert "the rule no_ibans changed it, no IBANs; it was: 200 paid from DE00" in done[1]


@pytest.mark.parametrize("by", ["a rule", "a person"])
def test_whoever_reads_the_log_is_told_the_arguments_that_a_call_ran_with(by):
    rules = RULES[:1] if by == "a rule" else [Rule("pay", "ask")]
    made = desk(PAY, says("Paid."), rules=rules)
    result = live(made.run("go", thread="t"))
    if by == "a person":
        [asked] = result.waiting
        live(made.post("t", e.ApprovalGiven(asked.id, True, "ann", arguments='{"euros":200}')))
        live(made.resume("t"))
    records = records_of(made, "t")
    [call] = actual_calls(records)
    assert call.arguments == {"euros": 200}
    assert [ran.arguments for ran in live(made.fork("t")).ran] == ['{"euros":200}']
    assert '({"euros":200}) returned 200 paid' in explain(records, made.run_settings).done[-1]
    spans = build_spans(records, Content())
    [told] = [span.attributes[CALL_ARGUMENTS] for span in spans if "pay" in span.name]
    assert json.loads(told) == {"euros": 200}
    assert live(rerun(records, made))[0].answer == "Paid."


def verdicts(*given):
    """Rules that give these, one after the other."""
    return [Rule("*", before=lambda call, context, said=said: said) for said in given]


@pytest.mark.parametrize(
    ("rules", "status", "kinds"),
    [
        (verdicts(None, Deny("no")), "answered", ["ToolFailed"]),
        (verdicts(Allow(), Deny("no")), "answered", ["ToolStarted", "ToolReturned"]),
        (verdicts(Ask("sure?"), Deny("no")), "waiting", ["ApprovalAsked"]),
        ([*verdicts(None), Rule("pay", "ask")], "waiting", ["ApprovalAsked"]),
        ([*verdicts(Allow()), Rule("pay", "ask")], "answered", ["ToolStarted", "ToolReturned"]),
        ([Rule("pay", "deny"), *verdicts(Allow())], "answered", ["ToolFailed"]),
        (verdicts(Change({"euros": "many"})), "waiting", ["ApprovalAsked"]),
        (verdicts("yes"), "waiting", ["ApprovalAsked"]),
    ],
)
def test_the_first_rule_that_decides_holds(rules, status, kinds):
    result = live(desk(PAY, says("Done."), rules=rules).run("go"))
    assert result.status == status
    of_calls = ("ToolStarted", "ToolReturned", "ToolFailed", "ApprovalAsked")
    assert [name for name in names(result.records) if name in of_calls] == kinds


def approved_yesterday(*script, rules=(), **settings):
    """An agent whose call of pay a person has approved, and the ids of its thread and call."""
    asks = [*rules, Rule("pay", "ask")]
    made = desk(PAY, *script, rules=asks, **settings)
    [held] = live(made.run("go", thread="t")).waiting
    live(made.post("t", ApprovalGiven(held.id, True, "ann")))
    return made


@pytest.mark.parametrize(
    ("yesterday", "today", "told"),
    [
        ([], [Rule("pay", "deny", "payday is over")], "may not make this call: payday is over"),
        ([], verdicts(Deny("no")), "may not make this call: no"),
        (verdicts(Ask("sure?")), [Rule("pay", "deny")], "may not make this call"),
        (verdicts(Ask("sure?")), [*verdicts(Ask()), Rule("pay", "deny")], "500 paid"),
        (verdicts(None), [Rule("pay", "ask")], "500 paid"),
        ([], verdicts(Ask("sure?")), "500 paid"),
    ],
)
def test_a_deny_of_today_s_agent_wins_over_an_approval_before_the_call_begins(
    yesterday, today, told
):
    made = replace(approved_yesterday(says("Done."), rules=yesterday), rules=today)
    assert live(made.resume("t")).answer == "Done."
    assert told in texts(made)[-1]
    assert replays(made, "t")[1] is None


def test_what_a_rule_of_today_s_agent_changes_is_approved_anew():
    made = replace(approved_yesterday(says("Done.")), rules=[*RULES, Rule("pay", "ask")])
    [held] = live(made.resume("t")).waiting
    assert held.final_arguments == '{"euros":200}'
    live(made.post("t", ApprovalGiven(held.id, True, "ann")))
    live(made.resume("t"))
    assert "200 paid" in texts(made)[-1]
    assert len(found(live(made.resume("t")), e.Checked)) == 1


def test_a_call_that_did_not_run_is_denied_by_today_s_agent():
    paid = []

    @tool(verify=DidNotRun)
    def send() -> str:
        paid.append(1)
        return "sent"

    made = agent(ScriptedModel([calls("send"), says("Done.")]), send)
    store = MemoryStore()
    with pytest.raises(Died):
        live(replace(made, store=DyingStore(store, 5, Died, False)).run("go", thread="t"))
    paid.clear()
    model = ScriptedModel([says("Done.")])
    made = replace(made, store=store, model=model, rules=[Rule("send", "deny")])
    live(made.resume("t"))
    assert "may not make this call" in texts(made)[-1]
    assert paid == []


def test_a_person_sees_and_allows_the_arguments_as_a_rule_has_changed_them():
    made = desk(PAY, says("Paid."), rules=[*RULES, Rule("*", "ask")])
    waiting = live(made.run("go", thread="t"))
    [call] = waiting.waiting
    assert call.final_arguments == '{"euros":200}'
    live(made.post("t", ApprovalGiven(call.id, True, "ann", digest=call.digest)))
    result = live(made.resume("t"))
    assert found(result, e.ToolReturned)[0].original.content == "200 paid from DE00"
    assert replays(made, "t") == [None, None]


def test_a_permission_covers_what_a_rule_asks_for():
    made = desk(PAY, PAY, says("Paid."), rules=verdicts(Ask("sure?")))
    [call] = live(made.run("go", thread="t")).waiting
    live(made.post("t", ApprovalGiven(call.id, True, "ann", always=Always())))
    assert live(made.resume("t")).status == "answered"


def test_a_rule_and_a_check_that_fail_let_nothing_through():
    def broken(what, context):
        raise ValueError("no network")

    result = live(desk(PAY, rules=[Rule("*", before=broken)]).run("go"))
    assert "broken raised ValueError: no network" in result.waiting[0].reason
    made = desk(PAY, says("Done."), rules=[Rule("*", after=broken)])
    live(made.run("go"))
    assert texts(made)[-1] == "[withheld: broken raised ValueError: no network]"
    result = live(desk(check_input=broken).run("go"))
    assert (result.status, result.reason) == ("refused", "broken raised ValueError: no network")


@pytest.mark.parametrize("left", range(2, 12))
def test_a_resume_asks_nothing_again_that_the_log_has(left):
    asked = []

    def count(what, context):
        asked.append(type(what).__name__)

    inner = MemoryStore()
    rules = [Rule("pay", before=count)]
    script = [PAY, says("Paid.")]

    def life(store, model):
        made = agent(model, replace(pay, idempotent=True), store=store, rules=rules)
        return replace(made, check_input=count, check_output=count)

    dying = DyingStore(inner, left, Died, True)
    with pytest.raises(Died):
        live(life(dying, ScriptedModel(script)).run("go", thread="t"))
    replied = names(live(open_log("t", inner, world())).records).count("ModelReplied")
    made = life(inner, ScriptedModel(script[replied:]))
    assert live(made.resume("t")).status == "answered"
    assert asked == ["UserSaid", "ToolCall", "str"]
    assert live(made.replay("t")) is None


def test_a_fork_and_an_adopted_import_are_judged_by_who_goes_on():
    made = desk(PAY, says("Paid."), rules=[*verdicts(Change({"euros": 1})), Rule("*", "ask")])
    live(made.run("go", thread="t"))
    fork = live(made.fork("t")).thread_id
    [call] = live(made.resume(fork)).waiting
    assert call.final_arguments == '{"euros":1}'

    async def copy():
        lines = [line async for line in export_threads(made._store, ["t"])]
        await import_threads(other._store, lines)

    other = desk(says("Paid."), rules=RULES)
    live(copy())
    live(other.post("t", TrustChanged(True, "ann")))
    result = live(other.resume("t"))
    assert found(result, e.ToolReturned)[0].original.content == "200 paid from DE00"


@dataclass
class Task:
    task: str = ""
    answer: str = ""


def test_rules_hold_in_children_flows_and_graphs():
    def teller(**settings):
        return desk(PAY, says("x@y.z"), rules=RULES, check_output=polite, name="teller", **settings)

    boss = agent(ScriptedModel([calls(("teller", {"task": "Pay."})), says("Done.")]), name="boss")
    helper = teller()
    boss = replace(boss, tools=[helper.as_tool()])
    live(boss.run("go", thread="t"))
    assert texts(boss)[-1] == "[the agent teller]\n[mail]"
    assert texts(helper)[-1].endswith("200 paid from [IBAN]")

    @flow(store=MemoryStore())
    async def job():
        return (await teller().run("Pay.")).answer

    assert live(job.run()).output == "[mail]"

    made = teller()
    nodes = [Node(made, "answer", said="{task}")]
    graph = Graph(Task, nodes, [Edge(START, "teller"), Edge("teller", END)], store=MemoryStore())
    assert live(graph.run(task="Pay.")).output.answer == "[mail]"
    assert texts(made)[-1].endswith("200 paid from [IBAN]")


def test_a_result_that_comes_from_elsewhere_is_judged_too():
    @tool
    def build(context_free: str = "x") -> str:
        """Build."""
        raise Pending("job-1")

    def redact(result, context):
        return Change(result.content.replace("key", "[key]"))

    model = ScriptedModel([calls("build"), says("Built.")])
    made = agent(model, build, rules=[Rule("build", after=redact)])
    live(made.run("go", thread="t"))
    live(made.settle("job-1", "the key"))
    assert live(made.settle("job-1", "the key"))[0].again
    live(made.resume("t"))
    assert texts(made)[-1] == "the [key]"


def test_what_a_poll_gives_is_judged_with_the_arguments_of_its_call():
    async def what_became(handle, ctx):
        return "the key"

    @tool(poll=what_became)
    def build(name: str) -> str:
        raise Pending("job-1", due=0)

    def redact(result, context):
        return Change(f"{result.arguments['name']}: {result.content.replace('key', '[key]')}")

    model = ScriptedModel([calls(("build", {"name": "door"})), says("Built.")])
    made = agent(model, build, rules=[Rule("build", after=redact)])
    live(made.run("go", thread="t"))
    live(made.resume("t"))
    assert texts(made)[-1] == "door: the [key]"


def test_what_verify_says_of_a_lost_call_is_judged_too():
    @tool(verify=lambda: Ran("paid from DE00"))
    def send() -> str:
        """Send."""
        return "paid from DE00"

    made = agent(ScriptedModel([calls("send")]), send, rules=[Rule("*", after=no_ibans)])
    store = MemoryStore()
    dying = DyingStore(store, 5, Died, False)
    with pytest.raises(Died):
        live(replace(made, store=dying).run("go", thread="t"))
    made = replace(made, store=store, model=ScriptedModel([says("Sent.")]))
    result = live(made.resume("t"))
    decided = found(result, e.OutcomeDecided)
    assert [each.content for each in decided] == ["paid from [IBAN]"]
    assert decided[0].original.content == "paid from DE00"


def test_deps_reach_checks_and_async_checks_are_awaited():
    async def who(said, context):
        await asyncio.sleep(0)
        return Change(f"{said.text}, {context.deps}")

    made = desk(says("Hello."), check_input=who)
    live(made.run("I am", deps="Ann"))
    assert texts(made) == ["I am, Ann"]


def test_a_refused_result_costs_nothing_of_the_call_and_later_rules_do_not_see_it():
    seen = []
    rules = [
        Rule("pay", after=lambda result, context: Deny("not for models")),
        Rule("pay", after=lambda result, context: seen.append(result)),
    ]
    made = desk(PAY, says("Done."), rules=rules)
    result = live(made.run("go"))
    assert texts(made)[-1] == "[withheld: not for models]"
    assert found(result, e.ToolReturned)[0].original.content == "500 paid from DE00"
    assert seen == []


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Rule("x"), "needs one of an action, before= and after="),
        (lambda: Rule("x", "ask", before=cap), "needs one of"),
        (lambda: Rule("x", after="y"), "Rule(after=) is the text 'y'; give a function"),
        (lambda: Agent(check_input="no"), "Agent(check_input=) is the text 'no'"),
    ],
)
def test_wrong_settings_are_refused_where_they_are_written(make, told):
    with pytest.raises(UsageError) as error:
        make()
    assert told in str(error.value)


def test_the_words_of_a_failure_are_judged_as_a_result_is():
    @tool
    def fail() -> str:
        """Fail."""
        raise ToolError("account DE00 is closed")

    seen = []
    rules = [Rule("*", after=no_ibans), Rule("*", after=lambda what, _: seen.append(what))]
    made = agent(ScriptedModel([calls("fail"), says("Done.")]), fail, rules=rules)
    result = live(made.run("go", thread="t"))
    assert texts(made)[-1] == "error: account [IBAN] is closed"
    assert [(each.content, each.failed) for each in seen] == [("account [IBAN] is closed", True)]
    [failed] = found(result, e.ToolFailed)
    assert failed.original.content == "account DE00 is closed"
    assert "it was: account DE00" in explain(records_of(made, "t"), made.run_settings).done[-1]
    assert replays(made, "t") == [None, None]


def test_a_failure_is_withheld_by_a_rule_and_a_later_attempt_is_not_hindered():
    tries = []

    @tool(retries=1, idempotent=True)
    def flaky() -> str:
        tries.append(1)
        raise ConnectionError("DE00 is away")

    rules = [Rule("*", after=lambda result, context: Deny("not for models"))]
    made = agent(ScriptedModel([calls("flaky"), says("Done.")]), flaky, rules=rules)
    live(made.run("go"))
    assert texts(made)[-1] == "error: [withheld: not for models]"
    assert len(tries) == 2


def test_what_a_helper_had_got_before_its_limit_is_judged():
    model = ScriptedModel([calls(("pay", {"euros": 1}), text="They use DE00.")])
    limits = Limits(steps=1, last_word=False)
    helper = Agent(name="helper", tools=[pay], model=model, limits=limits)
    script = [calls(("helper", {"task": "look"})), says("Done.")]
    made = agent(ScriptedModel(script), helper.as_tool(), rules=[Rule("*", after=no_ibans)])
    live(made.run("go"))
    assert "They use [IBAN]." in texts(made)[-1]


@pytest.mark.parametrize("how", ["polled", "posted"])
def test_that_work_elsewhere_has_failed_is_judged_too(how):
    async def what_became(handle, ctx):
        raise ToolError("DE00 is closed")

    @tool(poll=what_became)
    def order() -> str:
        raise Pending("job-1", due=0 if how == "polled" else 900)

    made = agent(
        ScriptedModel([calls("order"), says("Done.")]), order, rules=[Rule("*", after=no_ibans)]
    )
    live(made.run("go", thread="t"))
    if how == "posted":
        live(made.settle("job-1", ToolError("DE00 is closed")))
        [again] = live(made.settle("job-1", ToolError("DE00 is closed")))
        assert again.again
    live(made.resume("t"))
    assert texts(made)[-1] == "error: [IBAN] is closed"


def test_a_posted_result_is_judged_by_an_agent_that_lacks_the_tool():
    """As a server lacks the tools that a client of it brings."""

    @tool
    def order() -> str:
        raise Pending("job-1")

    rules = [Rule("*", after=no_ibans)]
    made = agent(ScriptedModel([calls("order"), says("Done.")]), order, rules=rules)
    live(made.run("go", thread="t"))
    live(replace(made, tools=[]).settle("job-1", "from DE00"))
    live(made.resume("t"))
    assert texts(made)[-1] == "from [IBAN]"


# What needs deps, and has none


class Desk:
    """What checks, polls and verifies may need."""

    name = "desk one"


def deny_all(what: object, context: Context[Desk]) -> Deny | None:
    return None if context.deps.name else Deny("nobody is there")


async def poll_desk(handle: object, context: Context[Desk]) -> str:
    return f"built at {context.deps.name}"


@tool(poll=poll_desk)
def build() -> str:
    raise Pending("job", due=1)


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"check_input": deny_all}, "the check deny_all"),
        ({"check_output": deny_all}, "the check deny_all"),
        ({"rules": [Rule("pay", before=deny_all)]}, "the rule deny_all"),
        ({"rules": [Rule("pay", after=deny_all)]}, "the tool pay"),
    ],
)
def test_a_check_that_needs_deps_refuses_nothing_where_there_are_none(settings, what):
    made = desk(PAY, says("Done."), **settings)
    with pytest.raises(NeedsDeps, match=f"{what} needs deps, a Desk"):
        live(made.run("go", thread="t"))
    assert live(made.resume("t", deps=Desk())).answer == "Done."
    assert "withheld" not in str(texts(made))


def test_a_poll_or_a_post_that_needs_deps_waits_for_them():
    script = [calls("build"), says("Done.")]
    made = agent(ScriptedModel(script), build, rules=[Rule("build", after=deny_all)])

    async def whole():
        await made.run("go", thread="t", deps=Desk())
        await asyncio.sleep(2)
        with pytest.raises(NeedsDeps, match="the poll of the tool build needs deps, a Desk"):
            await made.resume("t")
        with pytest.raises(NeedsDeps, match="an after rule of the tool build needs deps, a Desk"):
            await made.settle("job", "built elsewhere")
        await made.settle("job", "built elsewhere", deps=Desk())
        assert (await made.resume("t", deps=Desk())).answer == "Done."

    live(whole())
    assert texts(made)[-1] == "built elsewhere"


def test_a_verify_that_needs_deps_is_asked_once_there_are_some():
    def was_sent(context: Context[Desk]) -> Ran:
        return Ran(f"sent from {context.deps.name}")

    @tool(verify=was_sent)
    def send() -> str:
        return "sent"

    made = agent(ScriptedModel([calls("send")]), send)
    store = MemoryStore()
    with pytest.raises(Died):
        live(replace(made, store=DyingStore(store, 5, Died, False)).run("go", thread="t"))
    made = replace(made, store=store, model=ScriptedModel([says("Sent.")]))
    with pytest.raises(NeedsDeps, match="the verify of the tool send needs deps, a Desk"):
        live(made.resume("t"))
    assert live(made.resume("t", deps=Desk())).answer == "Sent."
    assert texts(made)[-1] == "sent from desk one"
