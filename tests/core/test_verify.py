"""`verify`: what fits a tool, when `decide` asks it, and what a log says of it. The asking is tested in runtime."""

import functools
from dataclasses import replace
from typing import Any

import pytest

from fakes import killed_while_it_paid, live
from treadle import Context, DidNotRun, Ran, Record, Tool, UsageError, tool
from treadle.core import events as e
from treadle.core.decide import Append, RunTools, Wait, decide
from treadle.core.describe import describe_tool, policy_from
from treadle.core.errors import IllegalEvent
from treadle.core.policy import Policy
from treadle.core.state import MAX_CLAIMS, State, apply, fold, is_parked
from treadle.core.waits import after_claim
from treadle.runtime.log import open_log
from treadle.runtime.world import World


def was_paid(euros: int, context: Context) -> Ran:
    return Ran(f"{euros} paid under {context.idempotency_key}")


@tool(verify=was_paid)
def pay(euros: int, to: str = "ann") -> str:
    """Pays."""
    return "paid"


def asked(made: Tool, arguments: dict[str, Any]) -> dict[str, Any]:
    return made.verify_signature.keywords(arguments, "the context")


def test_it_gets_the_arguments_that_it_has_parameters_for_and_a_context():
    assert asked(pay, {"euros": 5, "to": "bob"}) == {"euros": 5, "context": "the context"}


def test_it_may_take_none_or_all_of_them():
    made = replace(pay, verify=lambda: DidNotRun())
    assert asked(made, {"euros": 5}) == {}
    made = replace(pay, verify=lambda **given: DidNotRun())
    assert asked(made, {"euros": 5, "to": "bob"}) == {"euros": 5, "to": "bob"}


def test_a_context_that_may_be_none_is_one_and_a_default_of_its_own_stays():
    def verify(where: Context | None = None, tries: int = 3) -> DidNotRun:
        return DidNotRun()

    assert asked(replace(pay, verify=verify), {"euros": 5}) == {"where": "the context"}


def test_what_wraps_a_function_will_do():
    class Bank:
        async def __call__(self, to: str) -> DidNotRun:
            return DidNotRun()

    assert asked(replace(pay, verify=Bank()), {"euros": 5, "to": "bob"}) == {"to": "bob"}
    partial = functools.partial(was_paid, context=None)  # type: ignore[arg-type]
    assert "euros" in asked(replace(pay, verify=partial), {"euros": 5, "to": "bob"})


def yields(euros: int) -> Any:
    yield DidNotRun()


def unreadable(euros: "Missing") -> Ran:  # type: ignore[name-defined]  # noqa: F821
    return Ran()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"verify": lambda euro: None}, "has a parameter 'euro', which is no argument.*euros, to"),
        ({"verify": "was_paid"}, "no function"),
        ({"verify": yields}, "a generator"),
        ({"verify": unreadable}, "annotation can't be read"),
        ({"verify": was_paid, "idempotent": True}, "idempotent and has a verify"),
        ({"verify": was_paid, "read_only": True}, "idempotent and has a verify"),
        ({"honours_key": True}, "no verify"),
        ({"honours_key": "yes", "verify": was_paid}, "honours_key"),
        ({"settle_s": -1, "verify": was_paid}, "settle_s"),
        ({"settle_s": float("nan"), "verify": was_paid}, "settle_s"),
        ({"function": None, "verify": was_paid}, "never have an unknown outcome"),
    ],
)
def test_what_does_not_fit_is_refused_where_it_is_written(settings, words):
    with pytest.raises(UsageError, match=words):
        replace(pay, **{"verify": None, **settings})


def test_a_tool_made_from_a_schema_has_the_arguments_of_that():
    schema = {"type": "object", "properties": {"euros": {"type": "integer"}}}
    made = Tool("pay", "", schema, lambda **_: "paid", verify=was_paid)
    assert asked(made, {"euros": 5}) == {"euros": 5, "context": "the context"}
    with pytest.raises(UsageError, match="no argument"):
        Tool("pay", "", schema, lambda **_: "paid", verify=lambda dollars: None)


class Shop:
    def __init__(self, name: str) -> None:
        self.name = name

    def was_sold(self, n: int) -> Ran:
        return Ran(f"{self.name} sold {n}")

    @classmethod
    def was_bought(cls, n: int) -> Ran:
        return Ran(f"{cls.__name__} bought {n}")

    @staticmethod
    def was_lent(n: int) -> Ran:
        return Ran(f"lent {n}")

    @tool(verify=was_sold)
    def sell(self, n: int) -> str:
        """Sells."""
        return f"{self.name} sells"

    @tool(verify=was_bought)
    def buy(self, n: int) -> str:
        """Buys."""
        return "buys"

    @tool(verify=was_lent)
    def lend(self, n: int) -> str:
        """Lends."""
        return "lends"


def test_that_of_a_method_is_the_same_object_s():
    shop = Shop("Corner")
    made = (shop.sell, shop.buy, shop.lend)
    answers = [each.verify(**asked(each, {"n": 3})) for each in made]
    assert answers == [Ran("Corner sold 3"), Ran("Shop bought 3"), Ran("lent 3")]


def test_one_that_does_not_fit_a_method_is_refused_in_the_class():
    def was_sold(self: Any, amount: int) -> Ran:
        return Ran()

    with pytest.raises(UsageError, match="'amount', which is no argument"):

        class Broken:
            @tool(verify=was_sold)
            def sell(self, n: int) -> str:
                return ""


# When it is asked


def crashed(thread: str = "t") -> State:
    """A payment whose process is gone."""
    store = killed_while_it_paid(thread, "go", '{"euros": 5}')
    state = live(open_log(thread, store, World())).state
    return after_claim(state)


def after(state: State, *events: e.Event) -> State:
    for event in events:
        state = apply(state, Record("t", state.seq + 1, state.at, event, 0.0))
    return state


POLICY = Policy({"pay": pay})
UNCLEAR = e.OutcomeDecided("c1", "unclear", "verify", reason="it is down")


def test_a_call_of_unknown_outcome_is_checked():
    state = crashed()
    assert state.turn
    assert decide(state, POLICY) == RunTools((), (state.turn.calls["c1"],))
    assert decide(state, replace(POLICY, unknown="tell")) == decide(state, POLICY)


def test_one_that_is_unclear_waits_for_a_person_or_the_model_is_told():
    state = after(crashed(), UNCLEAR)
    assert decide(state, POLICY) == Wait()
    told = e.OutcomeDecided("c1", "tell", "policy")
    assert decide(state, replace(POLICY, unknown="tell")) == Append((told,))
    again = after_claim(state)
    assert decide(again, POLICY) == Wait(), "nor does the next driver ask"


def test_once_it_has_run_again_and_is_unknown_again_it_is_checked_again():
    state = after(crashed(), UNCLEAR, e.OutcomeDecided("c1", "not_run", "ann"))
    state = after_claim(after(state, e.ToolStarted("c1", "its key", 2)))
    assert isinstance(decide(state, POLICY), RunTools)


def test_what_others_have_written_is_never_asked_about():
    state = after(crashed(), e.TrustChanged(False, "ann"), e.TrustChanged(True, "ann"))
    assert decide(state, POLICY) == Wait()


def test_other_calls_of_the_round_run_meanwhile_and_effects_wait():
    calls = tuple(
        e.Call(f"c{n}", name, '{"euros": 5}') for n, name in enumerate(("pay", "look", "pay"))
    )
    state = after(
        State(),
        e.ThreadStarted("agent", "key"),
        e.ThreadClaimed("one"),
        e.UserSaid("go"),
        e.ModelCalled("m", "h", 10, 10),
        e.ModelReplied(calls, e.Usage(1, 1), 0.1, "tool_calls"),
        e.ToolStarted("c0", "k"),
        e.ThreadClaimed("two"),
    )

    @tool(read_only=True)
    def look(euros: int) -> str:
        return ""

    decided = decide(state, Policy({"pay": pay, "look": look}))
    assert isinstance(decided, RunTools)
    assert [each.id for each in decided.calls] == ["c1"]
    assert [each.id for each in decided.checks] == ["c0"]


def test_a_call_that_kills_every_driver_is_parked_though_verify_says_each_time_that_it_did_not_run():
    state = crashed()
    for number in range(20):
        not_run = e.OutcomeDecided("c1", "not_run", "verify")
        started = e.ToolStarted("c1", "its key", number + 2)
        if is_parked(state):
            break
        state = after(state, not_run, started, e.ThreadClaimed(f"claim {number}"))
    assert number == MAX_CLAIMS
    ran = after(crashed(), e.OutcomeDecided("c1", "ran", "verify"))
    assert ran.claims == 0


# What the log says


def test_a_log_says_which_tools_have_one():
    described = e.AgentDescribed("agent", "m", "", {"pay": describe_tool(pay)})
    assert described.tools["pay"].verifies
    assert policy_from(described).must_check(crashed().turn.calls["c1"])  # type: ignore[union-attr]
    assert not describe_tool(replace(pay, verify=None)).verifies


def test_a_time_out_leaves_the_call_unknown_under_its_claim():
    timeout = e.ToolFailed("c1", "timeout", "too long", 1.0, 0.0, unknown=True)
    state = fold([])
    state = after(
        state,
        e.ThreadStarted("agent", "key"),
        e.ThreadClaimed("one"),
        e.UserSaid("go"),
        e.ModelCalled("m", "h", 10, 10),
        e.ModelReplied((e.Call("c1", "pay", "{}"),), e.Usage(1, 1), 0.1, "tool_calls"),
        e.ToolStarted("c1", "k"),
        timeout,
    )
    assert state.turn
    call = state.turn.calls["c1"]
    assert (call.status, call.claim) == ("unknown", "one")
    late = e.ToolReturned("c1", "paid", 2.0, claim="one")
    assert after(state, late).phase == "ready"
    decided = after(state, e.OutcomeDecided("c1", "ran", "verify"))
    with pytest.raises(IllegalEvent, match="isn't open any more"):
        after(decided, late)
