"""Recipes: what they ask, when they stop, and that one failure doesn't stop the rest."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import agent, found, live
from treadle import Agent, Context, Limits, MemoryStore, OutcomeDecided, UsageError, flow, tool
from treadle.core import events as e
from treadle.core.errors import ModelDenied, ModelRejected
from treadle.core.model import Reply
from treadle.models.scripted import ScriptedModel, calls, says
from treadle.patterns import best_of, map_reduce, plain, plan_and_execute, reflect, supervisor, vote


def one(*script, **settings):
    """An agent with these answers."""
    return agent(ScriptedModel(script, price_usd=(0.001, 0.01)), **settings)


def gives(**fields):
    """An answer of a type."""
    return says(json.dumps(fields))


def asked(made, call=-1):
    """What this agent was last told."""
    return made.model.seen[call].messages[-1].text


@tool(needs_approval=True)
def pay(amount: int) -> str:
    """Pay."""
    return f"paid {amount}"


class Busy(ScriptedModel):
    """Says how many it answers at once, at most; each answer takes a second."""

    def __init__(self, script):
        super().__init__(script)
        self.busy = self.most = 0

    async def reply(self, request, emit) -> Reply:
        self.busy += 1
        self.most = max(self.most, self.busy)
        try:
            await asyncio.sleep(1)
            return await super().reply(request, emit)
        finally:
            self.busy -= 1


# Supervisor


def test_a_supervisor_gives_work_to_several_at_once_until_it_can_answer():
    poet = one(says("A poem."), name="poet", description="Writes poems.")
    maths = one(says("42"), says("43"), name="maths")
    script = [
        calls(("poet", {"task": "rhyme"}), ("maths", {"task": "6*7"})),
        calls(("maths", {"task": "+1"})),
    ]
    lead = one(
        *script, says("All done."), instructions="Be kind.", name="lead", limits=Limits(steps=5)
    )
    result = live(supervisor([poet, maths], lead).run("go"))
    assert result.answer == "All done."
    assert [event.content for event in found(result, e.ToolReturned)] == [
        "[the agent poet]\nA poem.",
        "[the agent maths]\n42",
        "[the agent maths]\n43",
    ]
    system = lead.model.seen[0].messages[0].text
    assert system.startswith("Be kind.\n\nYou lead a team")
    assert lead.model.seen[0].tools[0].description.startswith("Writes poems. ")
    [started] = [record.event for record in result.records if isinstance(record.event, e.UserSaid)]
    assert started.text == "go"


def test_its_team_shares_what_its_limits_leave():
    helper = one(says("x " * 50), name="helper")
    lead = one(
        calls(("helper", {"task": "a"})), says("enough"), limits=Limits(tokens=6000), name="lead"
    )
    result = live(supervisor([helper], lead).run("go"))
    assert result.answer == "enough"
    assert (
        helper.model.seen[0].max_output_tokens
        < 6000 - found(result, e.ModelCalled)[0].prompt_tokens
    )


def test_a_supervisor_without_settings_has_a_name_and_the_default_model():
    made = supervisor([Agent(name="a")])
    assert (made.name, made.model, [each.name for each in made.tools]) == (
        "supervisor",
        None,
        ["a"],
    )


@pytest.mark.parametrize("team", [[], [Agent(name="a"), Agent(name="a")], [Agent(), Agent()]])
def test_a_team_whose_members_nobody_could_tell_apart_is_refused(team):
    with pytest.raises(UsageError, match="name of its own"):
        supervisor(team)


# Plan and execute


def test_every_step_of_the_plan_is_done_in_its_order_and_sees_those_before_it():
    planner = one(gives(steps=["buy", "cook"]))
    worker = one(
        gives(result="eggs", succeeded=True),
        gives(result="omelette", succeeded=True),
        says("Dinner!"),
    )
    done = live(plan_and_execute(planner, worker, "make dinner"))
    assert (done.answer, done.done) == ("Dinner!", True)
    assert [(part.role, part.about) for part in done.parts] == [
        ("plan", "make dinner"),
        ("step", "buy"),
        ("step", "cook"),
        ("answer", "make dinner"),
    ]
    assert asked(worker, 1) == (
        "The whole task:\nmake dinner\n\nSo far:\n- done: buy\n  eggs\n\n"
        "Do this step, and only this:\ncook"
    )
    assert "- done: cook\n  omelette" in asked(worker, 2)


def test_a_step_that_fails_is_planned_anew_with_what_is_done():
    planner = one(gives(steps=["buy", "fry"]), gives(steps=["boil"]))
    script = [gives(result="eggs", succeeded=True), gives(result="no pan", succeeded=False)]
    worker = one(*script, gives(result="boiled", succeeded=True), says("Boiled eggs."))
    done = live(plan_and_execute(planner, worker, "make dinner"))
    assert (done.answer, done.done) == ("Boiled eggs.", True)
    assert asked(planner) == (
        "make dinner\n\nSo far:\n- done: buy\n  eggs\n- failed: fry\n  no pan\n\n"
        "Plan the steps that are left."
    )


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ([gives(result="", succeeded=False)], "the worker doesn't say why"),
        ([ModelRejected("too rude")], "too rude"),
        ([says(" "), says(" "), says(" ")], "3 replies in a row were of no use"),
        ([calls("nope")], "limit, steps"),
    ],
)
def test_planning_is_bounded_and_the_last_result_is_the_answer(bad, why):
    planner = one(*[gives(steps=["a", "b"])] * 3)
    good = gives(result="half", succeeded=True)
    worker = one(*([good, *bad] * 3), limits=Limits(steps=len(bad), last_word=False))
    done = live(plan_and_execute(planner, worker, "go"))
    assert (done.answer, done.done) == ("half", False)
    assert done.reason.startswith(f"stopped at the step 'b': {why}")
    assert [part.role for part in done.parts] == ["plan", "step", "step"] * 3
    assert worker.model.answers_left == planner.model.answers_left == 0


def test_without_a_plan_nothing_is_done():
    done = live(plan_and_execute(one(*[gives(steps=[])] * 3), one(), "go"))
    assert not done.done
    assert done.reason.startswith("no plan: 3 answers in a row were unfit")


def test_a_plan_longer_than_allowed_goes_back_to_the_planner():
    planner = one(gives(steps=["a", "b", "c"]), gives(steps=["a"]))
    worker = one(gives(result="r", succeeded=True), says("ok"))
    assert live(plan_and_execute(planner, worker, "go", most_steps=2)).answer == "ok"
    assert "at most 2 items" in asked(planner)


def test_nothing_is_planned_round_what_a_person_may_yet_allow():
    worker = one(calls(("pay", {"amount": 7})), tools=[pay])
    done = live(plan_and_execute(one(gives(steps=["pay it"])), worker, "go"))
    assert not done.done
    assert done.reason == "stopped at the step 'pay it': waiting, pay: pay needs approval"
    assert [held.name for held in done.waiting] == ["pay"]


# Reflection


def bad(feedback):
    return gives(feedback=feedback, good_enough=False)


GOOD = gives(feedback="", good_enough=True)


def test_a_draft_is_revised_by_its_critique_until_it_is_good_enough():
    author, critic = one(says("v1"), says("v2")), one(bad("longer"), GOOD)
    done = live(reflect(author, critic, "write"))
    assert (done.answer, done.done, done.reason) == ("v2", True, "accepted")
    assert asked(author) == "write\n\nYour last draft:\nv1\n\nRevise it by this criticism:\nlonger"
    assert asked(critic).endswith("The draft:\nv2")
    assert [part.role for part in done.parts] == ["draft", "critique", "draft", "critique"]


@pytest.mark.parametrize("rounds", [0, 1, 3])
def test_reflection_ends_after_so_many_rounds(rounds):
    author, critic = one(*(says(f"v{n}") for n in range(rounds + 1))), one(*[bad("no")] * rounds)
    done = live(reflect(author, critic, "write", rounds=rounds))
    assert (done.answer, done.done) == (f"v{rounds}", False)
    assert author.model.answers_left == critic.model.answers_left == 0


@pytest.mark.parametrize(
    ("author", "critic", "answer", "reason"),
    [
        ([ModelRejected("no")], [], "", "no draft: no"),
        ([says("v1")], [ModelRejected("no")], "v1", "no critique: no"),
        ([says("v1"), ModelRejected("no")], [bad("x")], "v1", "no revision: no"),
    ],
)
def test_reflection_keeps_the_draft_that_there_is(author, critic, answer, reason):
    done = live(reflect(one(*author), one(*critic), "write"))
    assert (done.answer, done.done, done.reason) == (answer, False, reason)


# Vote


def test_most_votes_win_whatever_the_spelling():
    done = live(vote([one(says(text)) for text in ("Paris.", "Rome", " paris")], "capital?"))
    assert (done.answer, done.done, done.reason) == ("Paris.", True, "2 of 3")


def test_one_agent_may_vote_several_times_and_who_fails_has_no_vote():
    voter = one(says("a"), ModelRejected("no"), says("b"), says("b"))
    done = live(vote([voter] * 4, "?", at_once=1))
    assert (done.answer, done.reason) == ("b", "2 of 4")
    assert [part.problem for part in done.parts] == ["", "no", "", ""]


def test_a_tie_is_the_earliest_voter_s_or_the_judge_s():
    def voters():
        return [one(says(text)) for text in ("c", "a", "b", "b", "a")]

    done = live(vote(voters(), "?"))
    assert (done.answer, done.done, done.reason) == ("a", False, "2 answers tie at 2 of 5")
    judge = one(gives(why="it is", number=2))
    done = live(vote(voters(), "?", judge=judge))
    assert (done.answer, done.done, done.reason) == ("b", True, "it is")
    assert "Answer 1:\na\n\nAnswer 2:\nb\n\n" in asked(judge)


def test_a_judge_can_name_only_what_there_is_and_without_a_ruling_the_first_stands():
    judge = one(*[gives(why="?", number=3)] * 3)
    done = live(vote([one(says("a")), one(says("b"))], "?", judge=judge))
    assert (done.answer, done.done) == ("a", False)
    assert done.reason.startswith("no judgement: ")


def test_nobody_s_vote_is_no_answer():
    done = live(vote([one(ModelRejected("no"))] * 1, "?"))
    assert (done.answer, done.done, done.reason) == ("", False, "nobody answered")


@given(st.lists(st.sampled_from(["a", "A ", "b", "b!", "c"]), min_size=1, max_size=9))
def test_the_winner_has_most_votes_and_is_the_first_of_those(answers):
    voters = [one(says(text)) for text in answers]
    done = live(vote(voters, "?"))
    same = [plain(text) for text in answers]
    most = max(map(same.count, same))
    assert done.answer == next(text for text in answers if same.count(plain(text)) == most)
    assert done.done == (len({text for text in same if same.count(text) == most}) == 1)


# Best of n


def test_the_best_is_what_the_judge_names_or_what_scores_highest():
    judge = one(gives(why="longest", number=3))
    done = live(best_of(one(says("a"), says("bb"), says("ccc")), "?", judge))
    assert (done.answer, done.reason) == ("ccc", "longest")
    assert [part.role for part in done.parts] == ["candidate"] * 3 + ["judge"]
    done = live(
        best_of(
            one(says("aaa"), ModelRejected("no"), says("bbb")),
            "?",
            lambda result: len(result.answer),
        )
    )
    assert (done.answer, done.done, done.reason) == ("aaa", True, "scored 3")


# Map and reduce


def echo(request):
    return says(f"<{request.messages[-1].text}>")


def joined(parts):
    return " ".join(part.answer or f"({part.problem})" for part in parts)


def test_items_keep_their_order_and_one_that_fails_loses_no_other():
    def script(request):
        text = request.messages[-1].text
        return ModelRejected("too odd") if text == "item 3" else says(text.upper())

    mapper = one(*[script] * 4)
    done = live(map_reduce([1, 2, 3, 4], mapper, joined, task=lambda number: f"item {number}"))
    assert done.answer == "ITEM 1 ITEM 2 (too odd) ITEM 4"
    assert (done.done, done.reason) == (False, "3 of 4 items answered")
    assert [part.about for part in done.parts] == [f"item {number}" for number in (1, 2, 3, 4)]


def test_an_agent_that_reduces_is_told_of_every_item():
    reducer = one(says("sum"))
    done = live(map_reduce(["a", "b"], one(echo, ModelRejected("no")), reducer, at_once=1))
    assert (done.answer, done.done) == ("sum", False)
    assert asked(reducer) == "a\n<a>\n\nb\n(no answer: no)"


def test_what_cannot_be_reduced_is_said_and_the_items_are_there():
    done = live(map_reduce(["a"], one(echo), one(ModelRejected("no"))))
    assert (done.answer, done.done, done.reason) == (
        "",
        False,
        "1 of 1 items answered; not reduced: no",
    )
    assert done.parts[0].answer == "<a>"


def test_nothing_is_mapped_or_reduced_where_there_is_nothing():
    assert live(map_reduce([], one(), one())).done
    done = live(map_reduce(["a"], one(ModelRejected("no")), one()))
    assert (done.answer, done.done) == ("", False)


@given(st.integers(0, 9), st.integers(1, 12))
def test_no_more_run_at_once_than_allowed(items, at_once):
    model = Busy([echo] * items)
    done = live(map_reduce(range(items), agent(model), joined, at_once=at_once))
    assert done.answer.split() == [f"<{number}>" for number in range(items)]
    assert model.most == min(items, at_once)


def test_none_at_once_is_refused():
    with pytest.raises(UsageError, match="at_once=0"):
        live(map_reduce(["a"], one(), joined, at_once=0))


# What the recipes share


def test_use_and_cost_are_of_every_run_also_of_one_that_failed():
    author = one(says("a b c"), says("d"))
    done = live(vote([author, author, one(says(" "), says(" "), says(" "))], "?", at_once=1))
    results = [part.result for part in done.parts]
    assert [result.status for result in results] == ["answered", "answered", "failed"]
    assert done.usage.output_tokens == 4 + 3
    assert done.cost_usd == pytest.approx(sum(result.summary().cost_usd for result in results))


def test_an_unknown_price_makes_the_whole_unknown():
    voter = agent(ScriptedModel([says("a")], price_usd=None))
    assert live(vote([voter], "?")).cost_usd is None


def test_each_agent_s_own_limits_bind_each_of_its_runs():
    mapper = one(*[calls("nope")] * 3, limits=Limits(steps=1, last_word=False))
    done = live(map_reduce("abc", mapper, joined))
    assert [part.problem for part in done.parts] == ["limit, steps"] * 3


def test_a_wrong_key_is_raised_at_once_and_what_runs_is_cancelled():
    store = MemoryStore()
    slow = agent(Busy([echo]), store=store)
    with pytest.raises(ModelDenied, match="key"):
        live(vote([slow, one(ModelDenied("key"))], "?"))
    [info] = live(store.threads())
    assert live(slow.resume(info.thread_id)).status == "cancelled"


def test_cancelling_ends_every_run():
    store = MemoryStore()
    mapper = agent(Busy([echo] * 9), store=store)

    async def whole():
        task = asyncio.create_task(map_reduce(range(9), mapper, joined, at_once=3))
        await asyncio.sleep(1.5)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        threads = [info.thread_id for info in await store.threads()]
        return [(await mapper.resume(thread)).status for thread in threads]

    assert sorted(live(whole())) == ["answered"] * 3 + ["cancelled"] * 3


def test_what_is_passed_along_reaches_the_tools():
    @tool
    def who(ctx: Context) -> str:
        """Who."""
        return ctx.deps

    voter = one(calls("who"), lambda request: says(request.messages[-1].text), tools=[who])
    assert live(vote([voter], "?", deps="ann")).answer == "ann"


def test_a_judge_and_a_reducer_that_are_functions_may_be_async():
    async def length(result):
        return len(result.answer)

    async def joins(parts):
        return "+".join(part.answer for part in parts)

    best = live(best_of(one(says("a"), says("aaa"), says("aa")), "?", length, at_once=1))
    assert (best.answer, best.reason) == ("aaa", "scored 3")
    done = live(map_reduce("ab", one(says("1"), says("2")), joins, at_once=1))
    assert (done.answer, done.done) == ("1+2", True)


@pytest.mark.parametrize("score", [float("nan"), float("inf"), None])
def test_a_score_is_a_finite_number(score):
    with pytest.raises(UsageError, match=f"the judge's score is {score}; it must be a finite"):
        live(best_of(one(says("a")), "?", lambda result: score, n=1))


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        (lambda: best_of(one(), "?", len, n=0), "n=0"),
        (lambda: plan_and_execute(one(), one(), "?", replans=-1), "replans=-1"),
        (lambda: plan_and_execute(one(), one(), "?", most_steps=0), "most_steps=0"),
        (lambda: reflect(one(), one(), "?", rounds=-1), "rounds=-1"),
    ],
)
def test_how_often_is_checked_before_anybody_is_asked(recipe, said):
    with pytest.raises(UsageError, match=said):
        live(recipe())


def test_a_point_before_a_number_is_no_punctuation():
    assert plain("(.5).") == ".5" != plain("5")
    assert plain('"Yes!" ') == plain("yes") == "yes"


def test_in_a_flow_one_run_of_which_nobody_knows_what_came_ends_no_recipe():
    store = MemoryStore()
    payer = one(calls(("pay", {"amount": 7})), tools=[pay], name="payer")
    other = one(says("b"), name="other")

    @flow(store=store)
    async def choose() -> str:
        chosen = await vote([payer, other], "go")
        return f"{chosen.answer}: {chosen.reason}; {chosen.parts[0].problem}"

    assert live(choose.options(thread="t").run()).status == "waiting"
    fork = live(choose.fork("t")).thread_id
    [held] = live(choose.resume(fork)).waiting
    live(choose.post(fork, OutcomeDecided(held.id, "tell", "ann")))
    assert live(choose.resume(fork)).output == "b: 1 of 2; nobody knows what came of it"
