"""Cases of turns that people found good or bad."""

import json

from fakes import agent, live
from treadle import FeedbackGiven, Limits, ScriptedModel, tool
from treadle.core import events as e
from treadle.evals.dataset import Case, Dataset
from treadle.evals.dataset_files import load_dataset
from treadle.evals.rated_cases import make_cases, write_case
from treadle.models.scripted import calls, says
from treadle.runtime.log import open_log
from treadle.runtime.world import World


@tool(needs_approval=True)
def pay(amount: int) -> str:
    """Pays."""
    return "paid"


def test_a_case_says_again_what_led_to_the_turn_and_a_judge_knows_what_people_found(tmp_path):
    agents = agent(ScriptedModel([says("Hi."), calls(("pay", {"amount": 3})), says("Paid.")]), pay)
    live(agents.run("hello", thread="a b/c"))
    call = live(agents.run("pay 3", thread="a b/c")).waiting[0].id
    live(agents.post("a b/c", e.ApprovalGiven(call, True, "ann")))
    live(agents.resume("a b/c"))
    live(agents.post("a b/c", FeedbackGiven(False, "ann", "says no amount")))
    live(agents.post("a b/c", FeedbackGiven(True, "ben", turn_seq=3)))
    records = live(open_log("a b/c", agents.store, World())).records

    good, bad = make_cases(records)
    assert (good.input, good.approve) == (("hello",), None)
    assert (bad.input, bad.approve) == (("hello", "pay 3"), {"pay": True})
    assert "good:\nHi." in good.checks[0].rubric
    assert "(says no amount):\nPaid." in bad.checks[0].rubric
    assert make_cases(records, "bad") == [bad]

    file = tmp_path / "cases.jsonl"
    file.write_text("\n".join(json.dumps(write_case(case)) for case in (good, bad)), "utf8")
    assert list(load_dataset(str(file)).cases) == [good, bad]


def test_a_turn_that_went_on_after_its_end_is_one_turn():
    model = ScriptedModel([calls("look"), says("Hi."), says("Well.")])
    limits = Limits(steps=1, last_word=False)
    agents = agent(model, limits=limits)
    live(agents.run("hello", thread="t"))
    live(agents.raise_limit("t", "ann", steps=1))
    live(agents.resume("t"))
    live(agents.run("and?", thread="t"))
    live(agents.post("t", FeedbackGiven(False, "ann")))
    [case] = make_cases(live(open_log("t", agents.store, World())).records)
    assert (case.input, case.name) == (("hello", "and?"), "t-2")


def test_each_case_has_a_name_of_its_own_that_tells_its_thread():
    def name(thread):
        agents = agent(ScriptedModel([says("Hi.")]))
        live(agents.run("hello", thread=thread))
        live(agents.post(thread, FeedbackGiven(True, "ann")))
        [case] = make_cases(live(open_log(thread, agents.store, World())).records)
        return case.name

    threads = ["shop-1", "shop/1", "shop 1", "s" * 70 + "a", "s" * 70 + "b", "s" * 70]
    names = [name(thread) for thread in threads]
    assert names[0] == "shop-1-1"
    assert names[5] == "s" * 70 + "-1"
    assert names[1].startswith("shop-1-")
    Dataset("d", [Case("x", name=each) for each in names])
