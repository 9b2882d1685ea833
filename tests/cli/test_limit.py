"""`treadle limit`: what is used of a turn's limits, by whom; more for what waits or has ended there."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from cli.commandline import Treadle
from treadle import SQLiteStore
from treadle.core import events as e
from treadle.runtime.log import open_log
from treadle.runtime.world import World

PAPERS = """
import asyncio
from treadle import Agent, Budget, Limits, ScriptedModel, flow
from treadle.models.scripted import says

def read(request):
    return says("fine")

def made(**settings):
    return Agent("Review.", model=ScriptedModel([read] * 99, max_output_tokens=100), **settings)

reader = made(name="reader")

@flow(limits=Limits(tokens=200, tool_calls=100))
async def review(papers: int) -> list[str]:
    return [(await reader.run(f"paper {n}")).answer for n in range(papers)]

daily = made(name="daily", budgets=[Budget("team", tokens_a_day=200)])

@flow
async def letters(count: int) -> list[str]:
    return [(await daily.run(f"letter {n}")).answer for n in range(count)]

short = made(limits=Limits(steps=0, last_word=False))
"""


@pytest.fixture
def papers(treadle: Treadle):
    """A flow that waits at its limit, in the thread `t`."""
    treadle.agents.write_text(PAPERS, "utf8")
    begin(treadle, "review")
    return treadle


def begin(treadle: Treadle, name: str) -> None:
    namespace: dict = {}
    exec(compile(PAPERS, str(treadle.agents), "exec"), namespace)
    assert asyncio.run(namespace[name].options(thread="t").run(8)).status == "waiting"


def store_of(treadle: Treadle) -> SQLiteStore:
    return SQLiteStore(treadle.agents.parent / "logs.db")


def test_a_flow_that_waits_at_its_limit_is_raised_and_goes_on(papers: Treadle) -> None:
    seen = papers("limit", "t", agent="review")
    assert seen.code == 0
    assert "of 200 tokens used or reserved" in seen.out
    assert "wait until its limit is raised: thread t.reader-" in seen.out
    assert "treadle limit t --agent" in seen.err
    raised = papers("limit", "t", "--tokens", "+50_000", "--by", "ann", agent="review")
    assert (raised.code, raised.out) == (0, "")
    assert "thread t: ann lets it use 50,000 tokens more\n" in raised.err
    assert "go on: treadle resume t --agent" in raised.err
    assert papers("due").out.startswith("t  ")
    assert "waits for you" not in papers("explain", "t", agent="review").out
    resumed = papers("resume", "t", agent="review")
    assert (resumed.code, resumed.out) == (
        0,
        f"{json.dumps(['fine'] * 8, separators=(',', ':'))}\n",
    )


def test_raised_and_resumed_in_one(papers: Treadle) -> None:
    assert papers("limit", "t", "--tokens", "5000", "--resume", agent="review").code == 0


def test_where_it_waits_is_said_once_everywhere(papers: Treadle) -> None:
    resumed = papers("resume", "t", agent="review")
    assert resumed.code == 4
    assert resumed.err.count("waits for you: the next model call doesn't fit") == 1
    assert "or from elsewhere: treadle limit t --agent" in resumed.err
    explained = papers("explain", "t", agent="review").out
    assert "waits for you to:\n  raise the limit of tokens of thread t (the next" in explained
    assert "treadle resume would:\n  nothing, until somebody decides" in explained
    assert "--tokens +N\n" in explained
    assert "paid from:\n  thread t and all that works for it: " in explained
    shown = papers("show", "t").out
    assert "waits for a person: the limit of tokens of thread t\n" in shown
    assert "are used or reserved; see treadle limit t\n" in shown
    assert papers("due").out == ""
    assert papers("threads").out.split()[4] == "waiting"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--tokens", "many"), "tokens: many is not a whole number to add, such as +1000"),
        (("--tokens", "1.5"), "is not a whole number"),
        (("--tokens", "-5"), "tokens: -5 would lower a limit, which can't be done"),
        (("--tokens", "0"), "raises nothing; to let what waits try again: --again"),
        (("--usd", "nan"), "cost usd: nan is no amount"),
        (("--seconds", "inf"), "seconds: inf is no amount"),
        (("--usd", "1,50"), "1,50 is not an amount to add, such as +1.50"),
        (("--seconds", "1,000"), "1,000 is not an amount to add"),
        (("--tokens", "5,00"), "5,00 is not a whole number to add"),
        (("--usd", "lots"), "lots is not an amount to add, such as +1.50"),
        (("--tokens", "5", "--again"), "leave it out"),
        (("--resume",), "say how much more, or --again"),
    ],
)
def test_what_raises_nothing_is_refused_in_words(papers: Treadle, words, said: str) -> None:
    ran = papers("limit", "t", *words)
    assert ran.code == 2
    assert said in ran.err
    records = asyncio.run(open_log("t", store_of(papers), World())).records
    assert not [each for each in records if isinstance(each.event, e.LimitRaised)]


def test_another_limit_than_the_one_that_was_reached_is_told(papers: Treadle) -> None:
    ran = papers("limit", "t", "--usd", "$1.50", "--steps", "3")
    assert "lets it use 3 steps and 1.5 US dollars more" in ran.err
    assert "but the limit that it has reached is another: 200 tokens" in ran.err


def test_a_child_names_the_thread_whose_limit_it_waits_for(papers: Treadle) -> None:
    child = asyncio.run(store_of(papers).threads(parent="t"))[0].thread_id
    ran = papers("limit", child, "--tokens", "5")
    assert ran.code == 2
    assert "waits for a limit of thread t: treadle limit t --tokens +N" in ran.err


def test_as_json(papers: Treadle) -> None:
    found = json.loads(papers("limit", "t", "--json", agent="review").out)
    assert found["limits"]["tokens"] == 200
    assert found["used"]["tokens"] == found["accounts"][0]["tokens"]
    assert len(found["accounts"][0]["waits_for_limit"]) == 1


def test_a_turn_that_has_ended_at_its_limit_goes_on(papers: Treadle) -> None:
    ran = papers("go", "-t", "s", agent="short")
    assert ran.code == 3
    assert "let it use more: treadle limit s --agent" in ran.err
    assert "steps       0 of 0\n" in papers("limit", "s").out
    assert papers("limit", "s", "--steps", "2").code == 0
    resumed = papers("resume", "s", agent="short")
    assert "the last turn ended at a limit, which was raised since" in resumed.err
    assert (resumed.code, resumed.out) == (0, "fine\n")
    refused = papers("limit", "s", "--steps", "2")
    assert refused.code == 2
    assert "its last turn has ended: answered; nothing was written" in refused.err


def test_the_limit_of_a_budget_stands_in_the_code(treadle: Treadle) -> None:
    treadle.agents.write_text(PAPERS, "utf8")
    begin(treadle, "letters")
    ran = treadle("limit", "t", "--tokens", "5")
    assert ran.code == 2
    assert "the budget team for " in ran.err
    assert "whose limit stands in the code: raise it there, then treadle limit t --again" in ran.err
    out = treadle("explain", "t", agent="letters").out
    assert "wait, or raise the limit of tokens a day in the code (the next model call" in out
    assert "of 200 tokens used or reserved\n" in out
    treadle.agents.write_text(PAPERS.replace("tokens_a_day=200", "tokens_a_day=9000"), "utf8")
    assert treadle("limit", "t", "--again").code == 0
    assert treadle("resume", "t", agent="letters").code == 0


@pytest.mark.slow
def test_a_person_at_the_terminal_is_asked_how_much_more(papers: Treadle) -> None:
    left = papers("resume", "t", agent="review", typed="\n")
    assert left.code == 4
    assert "How many tokens more? Enter leaves it:" in left.err
    ran = papers("resume", "t", agent="review", typed="lots\n-1\n+9000\n")
    assert ran.code == 0
    assert "tokens: lots is not a whole number to add" in ran.err
    assert ran.err.count("How many tokens more?") == 3


def test_a_call_whose_process_is_gone_is_named(papers: Treadle) -> None:
    store = store_of(papers)
    account = "turn:t#3"

    async def die() -> None:
        log = await open_log("gone", store, World())
        called = e.ModelCalled("m", "h", 5, 6, accounts=(account,))
        await log.append(
            e.ThreadStarted("x", "k"), e.ThreadClaimed("dead"), e.UserSaid("go"), called
        )

        await store.queue("gone too", "dead", (account,))

    asyncio.run(die())
    out = papers("limit", "t").out
    assert "of that, 11 tokens are reserved by thread gone, whose process is gone: nobody" in out
    assert "gone too" not in out


def test_the_check_of_the_database_knows_the_accounts(papers: Treadle) -> None:
    assert papers("db", "check").code == 0
    path = papers.agents.parent / "logs.db"
    with closing(sqlite3.connect(Path(path))) as db, db:
        db.execute("update account set tokens = tokens + 7")
    checked = papers("db", "check")
    assert checked.code == 1
    assert "the account turn:t#3: " in checked.out
    repaired = papers("db", "check", "--repair")
    assert repaired.code == 0
    assert papers("db", "check").code == 0
