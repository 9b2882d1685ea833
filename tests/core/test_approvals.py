from typing import Any

import pytest

from treadle import Agent, MemoryStore, Rule, ScriptedModel, UsageError, run_sync, tool
from treadle.core import events as e
from treadle.core.approvals import Permission, Verdict, apply_rules
from treadle.core.values import Always
from treadle.models.scripted import calls, says


def made(**settings):
    @tool(**settings)
    def write_file(path: str) -> str:
        return path

    return write_file


@pytest.mark.parametrize(
    ("rules", "settings", "action"),
    [
        ([], {}, "allow"),
        ([], {"needs_approval": True}, "ask"),
        ([], {"needs_approval": lambda arguments: arguments["path"] == "/etc"}, "ask"),
        ([], {"needs_approval": lambda arguments: arguments["path"] == "x"}, "allow"),
        ([Rule("write_*", "deny")], {}, "deny"),
        ([Rule("WRITE_*", "deny")], {}, "allow"),
        ([Rule("read_*", "deny")], {}, "allow"),
        ([Rule("*", "allow"), Rule("*", "deny")], {"needs_approval": True}, "allow"),
        ([Rule("*", "ask", read_only=False)], {"read_only": True}, "allow"),
        ([Rule("*", "ask", read_only=False)], {}, "ask"),
        ([Rule("*", "ask", read_only=True)], {"read_only": True}, "ask"),
    ],
)
def test_the_first_rule_that_matches_decides_else_the_tool(rules, settings, action):
    assert apply_rules(rules, made(**settings), {"path": "/etc"}, frozenset()).action == action


def test_always_turns_an_ask_into_an_allow_but_never_a_deny():
    always = (Permission("c", "write_file", Always(), "ada", "agent"),)
    assert apply_rules([Rule("*", "ask")], made(), {"path": "x"}, always).action == "allow"
    assert apply_rules([Rule("*", "deny", "no")], made(), {"path": "x"}, always) == Verdict(
        "deny", "no"
    )
    other = (Permission("c", "other", Always(), "ada", "agent"),)
    assert apply_rules([Rule("*", "ask")], made(), {"path": "x"}, other).action == "ask"


@pytest.mark.parametrize(
    ("pattern", "action"),
    [
        ({"path": "/tmp/*"}, "allow"),
        ({"path": "/etc/*"}, "ask"),
        ({"mode": "*"}, "ask"),
    ],
)
def test_always_holds_only_for_arguments_that_fit_its_pattern(pattern, action):
    always = (Permission("c", "write_file", Always(pattern), "ada", "agent"),)
    assert apply_rules([Rule("*", "ask")], made(), {"path": "/tmp/x"}, always).action == action


REFUND = {"needs_approval": lambda arguments: arguments["euros"] > 100}


@pytest.mark.parametrize(
    "arguments",
    [
        '{"euros": NaN}',
        '{"euros": "nan"}',
        '{"euros": "-inf"}',
        '{"euros": 1e999}',
        '{"euros": 250, "euros": 1}',
        '{"euros": 1, "\\u0065uros": 250}',
        '{"euros": [1]}',
    ],
)
def test_what_a_rule_cannot_judge_is_told_to_the_model_and_does_not_run(arguments):
    ran: list[float] = []

    @tool(**REFUND)
    def refund(euros: float) -> None:
        ran.append(euros)

    model = ScriptedModel([calls(("refund", arguments)), says("I see.")])
    result = Agent(tools=[refund], model=model, store=MemoryStore()).run_sync("Go.")
    [failed] = [each.event for each in result.records if isinstance(each.event, e.ToolFailed)]
    assert (ran, result.status, failed.kind) == ([], "answered", "arguments")


def test_a_rule_judges_what_runs():
    judged: list[Any] = []
    ran: list[Any] = []

    def needs(arguments: Any) -> bool:
        judged.append(arguments["lines"])
        arguments["lines"].append("more")  # of no effect on what runs
        return False

    @tool(needs_approval=needs)
    def order(lines: list[int]) -> None:
        ran.append(lines)

    model = ScriptedModel([calls(("order", '{"lines": ["1", 2]}')), says("Done.")])
    Agent(tools=[order], model=model, store=MemoryStore()).run_sync("Go.")
    assert (judged[0], ran) == ([1, 2, "more"], [[1, 2]])


@pytest.mark.parametrize(
    "edit", ['{"euros": NaN}', '{"euros": "inf"}', '{"euros": 1, "euros": 500}', "{}x"]
)
def test_an_edit_is_read_as_strictly(edit):
    @tool(**REFUND)
    def refund(euros: float) -> str:
        return f"{euros} paid"

    agent = Agent(
        tools=[refund],
        model=ScriptedModel([calls(("refund", {"euros": 500}))]),
        store=MemoryStore(),
    )
    waiting = agent.run_sync("Go.")
    [call] = waiting.waiting
    with pytest.raises(UsageError, match="won't do"):
        run_sync(
            agent.post(waiting.thread_id, e.ApprovalGiven(call.id, True, "ann", arguments=edit))
        )
    assert [each.id for each in run_sync(agent.resume(waiting.thread_id)).waiting] == [call.id]
