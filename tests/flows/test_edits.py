"""A person may change what a step of a flow, or a node of a graph, was asked for with."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from fakes import live, world
from treadle import (
    Agent,
    MemoryStore,
    ScriptedModel,
    TurnFailed,
    UsageError,
    approve,
    flow,
    step,
    tool,
)
from treadle.core import events as e
from treadle.graphs import END, START, Edge, Graph, Node
from treadle.models.scripted import calls, says


def made(function, **settings):
    return flow(**{"store": MemoryStore(), "world": world(), **settings})(function)


def allow(one: Any, arguments: str) -> Any:
    """Allow the one call that waits, with these arguments, and go on."""
    [held] = live(one.resume("t")).waiting
    live(one.post(held.thread_id, e.ApprovalGiven(held.id, True, "ann", arguments=arguments)))
    return live(one.resume("t"))


def pay(to: str, amount: Decimal) -> str:
    assert isinstance(amount, Decimal)
    return f"{amount} to {to}"


async def paying() -> str:
    return await step.options(needs_approval=True)(pay, "bob", Decimal("5.5"))


def test_a_step_runs_with_the_arguments_that_a_person_has_changed():
    one = made(paying)
    live(one.options(thread="t").run())
    assert allow(one, '{"to":"bob","amount":"3.25"}').output == "3.25 to bob"
    assert live(one.replay("t")) is None


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ('{"to":"bob"}', "is a JSON object with to, amount"),
        ('{"to":"bob","amount":"3","more":1}', "is a JSON object with to, amount"),
        ('{"to":["bob"],"amount":"3"}', "to of call pay was a text, and the edit makes it a list"),
        ("{", "no JSON"),
    ],
)
def test_an_edit_that_cannot_stand_for_what_was_asked_is_refused(edit, said):
    one = made(paying)
    live(one.options(thread="t").run())
    with pytest.raises(UsageError, match=said):
        allow(one, edit)
    assert live(one.resume("t")).status == "waiting"


def test_an_edit_that_the_function_does_not_take_fails_the_step_before_it_runs():
    one = made(paying)
    live(one.options(thread="t").run())
    with pytest.raises(TurnFailed, match="it didn't run: the edited arguments won't do"):
        allow(one, '{"to":"bob","amount":"much"}')


def test_an_approval_has_the_details_that_were_allowed():
    async def order() -> list[Any]:
        approval = await approve("pay", amount=5, to="bob")
        return [approval.details, approval.edited]

    one = made(order)
    live(one.options(thread="t").run())
    done = allow(one, '{"what":"pay","amount":3,"to":"bob"}')
    assert done.output == [{"amount": 3, "to": "bob"}, True]
    other = made(order)
    [held] = live(other.options(thread="t").run()).waiting
    live(other.post("t", e.ApprovalGiven(held.id, True, "ann")))
    assert live(other.resume("t")).output == [{"amount": 5, "to": "bob"}, False]


@tool(needs_approval=True)
def refund(amount: int) -> str:
    """Refund."""
    return f"refunded {amount}"


def test_the_call_of_an_agent_in_a_flow_can_be_changed():
    def last(request: Any) -> Any:
        return says(request.messages[-1].text)

    model = ScriptedModel([calls(("refund", {"amount": 500})), last])
    till = Agent(name="till", tools=[refund], model=model)

    async def order() -> str:
        return (await till.run("refund it")).answer

    one = made(order)
    live(one.options(thread="t").run())
    with pytest.raises(UsageError, match="amount"):
        allow(one, '{"amount":"much"}')
    assert "refunded 5" in allow(one, '{"amount":5}').output


@dataclass
class Letter:
    to: str = ""
    amount: Decimal = Decimal(0)
    text: str = ""


def write(to: str, amount: Decimal) -> str:
    assert isinstance(amount, Decimal)
    return f"{to} gets {amount}"


def test_what_a_node_reads_and_what_it_gave_can_be_changed():
    def one(when: Any) -> Graph:
        nodes = [Node(write, "text", approve=when)]
        edges = [Edge(START, "write"), Edge("write", END)]
        return Graph(Letter, nodes, edges, store=MemoryStore(), world=world())

    before = one("before")
    live(before.options(thread="t").run(to="bob", amount=Decimal(9)))
    edit = '{"what":"run write","to":"eve","amount":"1.5"}'
    assert allow(before, edit).output == Letter("bob", Decimal(9), "eve gets 1.5")
    after = one("after")
    live(after.options(thread="t").run(to="bob", amount=Decimal(9)))
    edit = '{"what":"go on with what write gave","gave":"nothing"}'
    assert allow(after, edit).output.text == "nothing"
