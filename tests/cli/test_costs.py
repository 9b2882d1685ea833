"""`treadle costs` and `treadle stats`."""

import asyncio
import json
import sqlite3
from contextlib import closing
from decimal import Decimal

import pytest

from cli.commandline import Treadle
from fakes import is_of
from treadle import SQLiteStore
from treadle.cli.costs import MAX_BAR, draw_bar, format_cost
from treadle.cli.event_query import parse_since
from treadle.core import events as e
from treadle.core.codec import encode_event
from treadle.core.errors import UsageError
from treadle.observe.cost import Total
from treadle.stores.store import Row

DAY_S = 86_400.0
ASKED = e.ModelCalled("openai:m", "h", 100, 50, reserved_usd=0.5)


def write(treadle: Treadle, name: str, at: float, *events: e.Event) -> None:
    store = SQLiteStore(treadle.agents.parent / "logs.db")
    opening = (e.ThreadStarted("demo", "k"), e.ThreadClaimed("w"), e.UserSaid("hello"))
    rows = [Row(seq, at, encode_event(event)) for seq, event in enumerate((*opening, *events), 1)]
    asyncio.run(store.append(name, rows))
    store.close()


def replied(cost_usd: float | None) -> e.ModelReplied:
    saved_usd = 0.02 if cost_usd is not None else None
    usage = e.Usage(1000, 20, 250, 5)
    return e.ModelReplied("yes " * 1000, usage, 0.5, cost_usd=cost_usd, cache_saved_usd=saved_usd)


def test_costs_by_day_with_bars(treadle: Treadle) -> None:
    write(treadle, "one", 0.0, ASKED, replied(0.1), ASKED, replied(0.2))
    write(treadle, "two", DAY_S, ASKED, replied(0.15))
    assert treadle("costs").out.splitlines() == [
        "day         calls  in     cached  written  out  reasoning  USD   cache saved  cache spent",
        "1970-01-01  2      2,000  500     0        40   10         0.3   0.04         -            "
        "████████████████████",
        "1970-01-02  1      1,000  250     0        20   5          0.15  0.02         -            "
        "██████████",
        "all         3      3,000  750     0        60   15         0.45  0.06         -",
    ]


def test_costs_without_a_cache_have_no_columns_for_it(treadle: Treadle) -> None:
    write(treadle, "one", 0.0, ASKED, e.ModelReplied("yes", e.Usage(1000, 20), 0.5, cost_usd=0.1))
    assert treadle("costs").out.splitlines()[1:] == [
        "1970-01-01  1      1,000  0       0        20   0          0.1  ████████████████████",
        "all         1      1,000  0       0        20   0          0.1",
    ]


def test_what_caches_saved_and_what_they_cost_is_shown(treadle: Treadle) -> None:
    used = e.Usage(1000, 20, 250, cache_write_tokens=700, cache_write_1h_tokens=100)
    paid = e.ModelReplied(
        "yes", used, 0.5, cost_usd=0.1, cache_saved_usd=0.02, cache_spent_usd=0.007
    )
    unpriced = e.ModelReplied("yes", used, 0.5)
    write(treadle, "one", 0.0, ASKED, paid)
    write(treadle, "old", 0.0, ASKED, unpriced)
    known, unknown, both = treadle("costs", "--by", "thread").out.splitlines()[1:]
    assert known.split()[-4:-1] == ["0.1", "0.02", "0.007"]
    assert unknown.split()[-3:] == ["unknown", "unknown", "unknown"]
    assert both.endswith("unknown, 0.1 known  unknown, 0.02 known  unknown, 0.007 known")
    found = {
        each["thread"]: each
        for each in map(json.loads, treadle("costs", "--by", "thread", "--json").out.splitlines())
    }
    assert [
        (each["cache_saved_usd"], each["cache_spent_usd"], each["cache_unpriced"])
        for each in (found["one"], found["old"])
    ] == [(0.02, 0.007, 0), (0, 0, 1)]
    assert found["one"]["cache_write_1h_tokens"] == 100
    assert "700 tokens, 100 of them for an hour" in treadle("stats", "one").out


def test_costs_of_one_thread_are_by_turn_and_others_by_what_is_asked(treadle: Treadle) -> None:
    write(treadle, "one", 0.0, ASKED, replied(0.1), ASKED, replied(0.2))
    write(treadle, "two", DAY_S, ASKED, replied(0.5))
    assert [line.split()[:3] for line in treadle("costs", "on").out.splitlines()[1:]] == [
        ["one", "1", "2"],
        ["all", "2", "2,000"],
    ]
    found = [
        json.loads(line) for line in treadle("costs", "--by", "thread", "--json").out.splitlines()
    ]
    assert [(each["thread"], each["cost_usd"], each["cached_tokens"]) for each in found] == [
        ("two", 0.5, 250),
        ("one", 0.3, 500),
    ]
    assert (
        treadle("costs", "--by", "thread", "--since", "1970-01-02", "-n", "1")
        .out.splitlines()[1]
        .startswith("two")
    )


def test_a_cost_that_is_not_known_is_never_nothing(treadle: Treadle) -> None:
    write(
        treadle,
        "one",
        0.0,
        ASKED,
        replied(0.1),
        ASKED,
        replied(None),
        ASKED,
        e.TurnEnded("cancelled"),
    )
    ran = treadle("costs")
    assert "unknown, 0.1 known" in ran.out
    assert ran.err == "1 call got no reply, and may have been billed, at most $0.5\n"
    [line] = treadle("costs", "--json").out.splitlines()
    found = json.loads(line)
    assert (found["cost_usd"], found["known_usd"], found["unpriced"], found["lost"]) == (
        None,
        0.1,
        1,
        1,
    )


def test_more_lines_than_wanted_are_counted(treadle: Treadle) -> None:
    for name in ("a", "b", "c"):
        write(treadle, name, 0.0, ASKED, replied(0.1))
    ran = treadle("costs", "--by", "thread", "-n", "1")
    assert (len(ran.out.splitlines()), ran.err) == (3, "there are 2 more lines (--limit N)\n")


@pytest.mark.parametrize("command", ["costs", "stats"])
def test_where_there_is_nothing_it_says_so_and_makes_no_database(
    treadle: Treadle, command: str
) -> None:
    ran = treadle(command)
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.endswith(" yet\n")
    assert not (treadle.agents.parent / "logs.db").exists()
    assert treadle(command, "nobody").code == 2


@pytest.mark.parametrize("words", [("--by", "moon"), ("--since", "yesterday")])
def test_what_cannot_be_asked_is_a_usage_error(treadle: Treadle, words: tuple[str, ...]) -> None:
    assert treadle("costs", *words).code == 2


def test_stats_of_a_thread_with_a_tool(treadle: Treadle) -> None:
    treadle("1+2?", "-t", "mine", agent="agent")
    rows = dict(line.split("  ", 1) for line in treadle("stats").out.splitlines())
    assert rows["turns"].strip() == "1 answered"
    assert rows["steps a turn"].strip() == "p50 2, p90 2, p99 2, most 2"
    assert rows["model calls"].strip() == "2, 0 retries"
    assert rows["tool add"].strip().startswith("1 call, 0 errors (0.0%), 0 retries; p50 ")
    found = json.loads(treadle("stats", "mine", "--json").out)
    assert (
        found["turns"],
        found["tools"]["add"]["calls"],
        found["tools"]["add"]["error_rate"],
    ) == (
        {"answered": 1},
        1,
        0.0,
    )


def test_names_out_of_the_log_are_made_visible(treadle: Treadle) -> None:
    call = e.Call("c1", "evil\x1b[2J", "{}")
    events = (
        e.ModelReplied((call,), e.Usage(1, 1), 0.5),
        e.ToolFailed("c1", "unknown_tool", "no"),
    )
    write(treadle, "one", 0.0, e.ModelCalled("m\x1b[31m", "h", 1, 1), *events)
    assert "tool evil\\x1b[2J" in treadle("stats").out
    assert "m\\x1b[31m" in treadle("costs", "--by", "model").out


def test_bars_show_the_smallest_thing_and_end_at_their_length() -> None:
    assert draw_bar(Decimal(1), Decimal(10**9)) == "▏"
    assert draw_bar(Decimal(5), Decimal(5)) == "█" * MAX_BAR
    assert draw_bar(Decimal(0), Decimal(5)) == draw_bar(Decimal(0), Decimal(0)) == ""


def test_small_money_is_written_out() -> None:
    assert format_cost(Total(1, known_usd=Decimal("1E-9"))) == "0.000000001"
    assert format_cost(Total(1, unpriced=1)) == "unknown"


@pytest.mark.parametrize(
    ("text", "at"),
    [
        (None, 0.0),
        ("30m", 1_000_000 - 1800),
        ("24h", 1_000_000 - 86_400),
        ("7d", 395_200),
        ("1970-01-02", 86_400),
    ],
)
def test_since(text: str | None, at: float) -> None:
    assert parse_since(text, 1_000_000.0) == at


@pytest.mark.parametrize("text", ["", "7", "7w", "2026-13-01", "-1d"])
def test_since_nothing_that_is_a_time(text: str) -> None:
    with pytest.raises(UsageError, match="--since"):
        parse_since(text, 0.0)


DAMAGE = {
    "no JSON": f"update record set event = 'no JSON' where {is_of('two')} and seq = 5",
    "other JSON": f"update record set event = '{{}}' where {is_of('two')} and seq = 5",
    "the first": "update record set event = '' where thread_id = 'two' and seq = 1",
    "the last": f"update record set event = '' where {is_of('two')} and seq = 6",
    "missing": f"delete from record where {is_of('two')} and seq = 2",
    "not begun": f"delete from record where {is_of('two')}",
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_thread_is_listed_so_and_the_others_are_counted(
    treadle: Treadle, kind: str
) -> None:
    ended = e.TurnEnded("answered")
    for name in ("one", "two", "three"):
        write(treadle, name, 0.0, ASKED, replied(0.25), ended)
    with closing(sqlite3.connect(treadle.agents.parent / "logs.db")) as db, db:
        db.execute(DAMAGE[kind])
    listed = [json.loads(line) for line in treadle("threads", "--json").out.splitlines()]
    assert {each["thread_id"]: each["status"] for each in listed} == {
        "three": "answered",
        "two": "damaged",
        "one": "answered",
    }
    alone = treadle("threads", "--json", "--status", "damaged").out
    assert json.loads(alone)["thread_id"] == "two"
    costs = treadle("costs", "--by", "thread")
    assert [line.split()[0] for line in costs.out.splitlines()] == ["thread", "one", "three", "all"]
    for ran in (costs, treadle("stats")):
        assert ran.code == 0
        assert "left out: record" in ran.err
        assert "'two'" in ran.err
    assert treadle("costs", "two").code == 1
    for name in ("one", "three"):
        assert treadle("summary", name).out.startswith(f"thread       {name}, of demo: answered")
    assert treadle("summary", "two").code == 1


HOSTILE = {
    "more tokens than a float": {"usage": {"input_tokens": 10**400, "output_tokens": 1}},
    "more digits than Python prints": {"usage": {"input_tokens": int("9" * 4300)}},
    "64 bits and one": {"usage": {"output_tokens": 2**63}},
    "the largest numbers": {"usage": {"input_tokens": 2**63 - 1}, "cost_usd": 1.7e308},
    "below nothing": {"usage": {"input_tokens": -(2**63)}, "cost_usd": -1e308, "latency_s": -1.0},
    "no time at all": {"latency_s": 5e-324},
    "other types": {"usage": [], "cost_usd": {}},
}


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_thread_keeps_nothing_from_listing_the_others(
    treadle: Treadle, kind: str, ends: bool
) -> None:
    for name in ("one", "three"):
        write(treadle, name, 0.0, ASKED, replied(0.25), e.TurnEnded("answered"))
    events = [e.ThreadStarted("agent", "k"), e.UserSaid("hi"), ASKED, replied(0.25)]
    raw = [json.loads(encode_event(event)) for event in events]
    raw[3] |= HOSTILE[kind]
    if ends:
        raw.append({"type": "TurnEnded", "status": "answered"})
    rows = [Row(seq, 0.0, json.dumps(each).encode()) for seq, each in enumerate(raw, 1)]
    store = SQLiteStore(treadle.agents.parent / "logs.db")
    asyncio.run(store.append("two", rows))
    store.close()
    listed = [
        json.loads(line)["thread_id"]
        for line in treadle("threads", "--json").out.split("\n")
        if line
    ]
    assert sorted(listed) == ["one", "three", "two"]
    assert treadle("threads", "--text", "nothing").code == 0
    named = treadle("costs", "--by", "thread", "--json").out
    assert {"one", "three"} <= {json.loads(line)["thread"] for line in named.splitlines()}
    for words in (
        ["stats"],
        ["stats", "--json"],
        ["summary", "one"],
        ["summary", "three", "--json"],
    ):
        assert treadle(*words).code == 0, words
    assert treadle("summary", "two").code in (0, 1)


def test_a_thread_whose_name_is_damaged_is_named_as_well_as_it_can_be(treadle: Treadle) -> None:
    for name in ("one", "two"):
        write(treadle, name, 0.0, ASKED, replied(0.25), e.TurnEnded("answered"))
    with closing(sqlite3.connect(treadle.agents.parent / "logs.db")) as db, db:
        db.execute("update thread set thread_id = cast(x'FF' as text) where thread_id = 'two'")
    listed = [json.loads(line) for line in treadle("threads", "--json").out.splitlines()]
    assert [(each["thread_id"], each["status"]) for each in listed] == [
        ("\ufffd", "damaged"),
        ("one", "answered"),
    ]
    costs = treadle("costs", "--by", "thread")
    assert [line.split()[0] for line in costs.out.splitlines()] == ["thread", "one", "all"]
    assert "left out: thread '\ufffd'" in costs.err
    assert "thread two has records but isn't in the list of threads" in treadle("db", "check").out
    for command in ("show", "summary"):
        last = treadle(command, "last")
        assert (last.code, last.out) == (1, "")
        assert "none of its records can be found" in last.err
        assert last.err.endswith("give its name: treadle threads lists them\n")
