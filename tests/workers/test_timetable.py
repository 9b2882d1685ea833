"""A timetable begins each thread once, at its time, however many workers look."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fakes import agent, live, world
from treadle import (
    Budget,
    MemoryStore,
    ScriptedModel,
    UsageError,
    UserSaid,
    flow,
    step,
    stop,
)
from treadle.graphs import END, START, Edge, Graph, Node
from treadle.models.scripted import says
from treadle.runtime.log import open_log
from treadle.workers import Scheduled, Worker, read_timetable, work

NOON = datetime(2026, 11, 27, 12, 0, tzinfo=UTC).timestamp()
HOURLY = Scheduled("report", "0 * * * *", "agent", "Write it.")


def at(time: str) -> datetime:
    return datetime.fromisoformat(time).replace(tzinfo=UTC)


def test_the_last_time_up_to_now_is_due_unless_that_is_too_long_ago():
    assert HOURLY.find_due(NOON) == at("2026-11-27T12:00")
    assert HOURLY.find_due(NOON + 299) == at("2026-11-27T12:00")
    assert HOURLY.find_due(NOON + 301) is None
    assert HOURLY.find_due(NOON - 1) is None
    often = Scheduled("often", "* * * * *", "agent", "Go.")
    assert often.find_due(NOON + 125) == at("2026-11-27T12:02")


def test_it_is_looked_at_again_at_its_next_time_and_at_least_once_an_hour():
    assert HOURLY.seconds_to_next(NOON + 600) == 3000
    assert Scheduled("yearly", "0 0 1 1 *", "agent", "Go.").seconds_to_next(NOON) == 3600


def test_a_time_of_a_dense_line_is_made_up_for_however_late_without_going_through_all_of_them():
    each_minute = Scheduled("often", "* * * * *", "agent", "Go.", late_s=366 * 86_400)
    assert each_minute.find_due(NOON + 0.5) == at("2026-11-27T12:00")
    january = Scheduled("january", "* * * 1 *", "agent", "Go.", late_s=366 * 86_400)
    assert january.find_due(NOON) == at("2026-01-31T23:59")


def test_nothing_is_due_again_in_the_hour_that_clocks_give_twice():
    line = Scheduled("night", "30 2 * * *", "agent", "Go.", timezone="Europe/Berlin")
    again = at("2026-10-25T01:10").timestamp()  # it is 2:10 there, for the second time
    assert line.seconds_to_next(again) == 3600
    assert line.find_due(again) is None


def test_times_are_those_of_its_timezone_also_where_clocks_are_changed():
    line = Scheduled("night", "30 2 * * *", "agent", "Go.", timezone="Europe/Berlin")
    times = line.times_after(at("2026-03-28T12:00"))
    assert [next(times).astimezone(UTC) for _ in range(2)] == [
        at("2026-03-29T01:00"),  # 2:30 is skipped
        at("2026-03-30T00:30"),
    ]


def test_the_thread_is_named_by_its_time():
    assert HOURLY.thread_at(at("2026-11-27T12:00")) == "report-2026-11-27T12:00Z"
    assert HOURLY.thread_at(at("2026-11-27T12:00:30")) == "report-2026-11-27T12:00:30Z"


async def add(a: int, b: int) -> int:
    return a + b


def test_each_time_begins_one_thread_of_two_workers_that_look(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TREADLE_ENGINE", raising=False)
    store = MemoryStore()

    @flow(store=store)
    async def adds(a: int, b: int) -> int:
        return await step(add, a, b)

    speaker = agent(ScriptedModel([says("done")] * 9), store=store)
    lines = [
        Scheduled("report", "* * * * *", "agent", "Write it."),
        Scheduled("sum", "*/2 * * * *", "adds", arguments={"a": 1, "b": 2}),
    ]

    async def whole() -> None:
        workers = [Worker([speaker, adds], timetable=lines, world=world()) for _ in range(2)]
        async with work(workers[0]), work(workers[1]):
            await asyncio.sleep(190)
            await stop(0)

    live(whole())
    infos = asyncio.run(store.threads())
    assert {info.status for info in infos} == {"answered"}
    kinds = [info.thread_id.partition("-")[0] for info in infos]
    assert 3 <= kinds.count("report") <= 5
    assert 1 <= kinds.count("sum") <= 3
    assert len(set(infos)) == len(infos)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"cron": "61 * * * *"}, "Bad minute"),
        ({"cron": "every day"}, "cron is 'every day'"),
        ({"timezone": "Berlin"}, "no timezone 'Berlin'"),
        ({"said": ""}, "needs either what is `said`"),
        ({"arguments": {"a": 1}}, "needs either what is `said`"),
        ({"name": " "}, "needs a name"),
        ({"late_s": -1}, "late_s"),
        ({"late_s": 0}, "late_s=0 leaves .* give 10 or more"),
        ({"late_s": 1e12}, "late_s=1e.12 is more than a year"),
        ({"timezone": "Europe"}, "no timezone 'Europe'"),
        ({"arguments": {}}, "needs either what is `said`"),
        ({"cron": 5}, "cron is an int; give a text"),
        ({"said": 5}, "said is an int"),
        ({"agent": None}, "agent is None"),
        ({"timezone": 1}, "timezone is an int"),
        ({"said": "", "arguments": "a=1"}, "arguments is the text 'a=1'; give a table"),
    ],
)
def test_a_wrong_line_is_refused_in_words(settings: dict[str, Any], told: str):
    given: dict[str, Any] = {"name": "r", "cron": "0 * * * *", "agent": "a", "said": "Go."}
    with pytest.raises(UsageError, match=told):
        Scheduled(**(given | settings))


@flow
async def sums(a: int, b: int) -> int:
    return await step(add, a, b)


@flow
async def rests() -> None:
    pass


@dataclass
class Topic:
    text: str


def think(text: str) -> str:
    return text


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ({"agent": "agent", "arguments": {"a": 1}}, "'agent' is an agent"),
        ({"agent": "sums", "said": "Go."}, "'sums' is a flow, to which nothing is said"),
        ({"agent": "sums", "arguments": {"a": 1}}, "'r': .*'b'"),
        ({"agent": "sums", "arguments": {"a": 1, "b": "x"}}, "'r': .*sums"),
        ({"agent": "thinks", "said": "Go."}, "'thinks' is a flow"),
        ({"agent": "thinks", "arguments": {"topic": "x"}}, "'r': .*topic"),
    ],
)
def test_a_line_that_doesn_t_fit_whom_it_names_is_refused_when_the_worker_is_made(
    line: dict[str, Any], told: str
):
    speaker = agent(ScriptedModel([]), store=MemoryStore())
    edges = [Edge(START, "think"), Edge("think", END)]
    thinks = Graph(Topic, [Node(think, "text")], edges, name="thinks")
    with pytest.raises(UsageError, match=told):
        Worker([speaker, sums, thinks], timetable=[Scheduled("r", "0 * * * *", **line)])


def test_a_flow_without_parameters_begins_with_an_empty_table(tmp_path: Path):
    path = tmp_path / "times.toml"
    path.write_text('[rest]\ncron = "* * * * *"\nagent = "rests"\narguments = {}\n')
    own = replace(rests, store=MemoryStore())

    async def whole() -> None:
        async with work(Worker([own], timetable=read_timetable(path), world=world())):
            await asyncio.sleep(70)
            await stop(0)
        infos = await own.store.threads()
        assert {info.status for info in infos} == {"answered"}
        assert infos[0].thread_id.startswith("rest-")

    live(whole())


def test_who_begins_it_pays_for_it_where_each_user_has_a_budget():
    mine = Budget("mine", tokens_a_day=10_000, per="user")
    store = MemoryStore()
    speaker = agent(ScriptedModel([says("done")]), store=store, budgets=[mine])
    counts = replace(rests, store=store, budgets=[mine])
    hourly = {"cron": "0 * * * *", "late_s": 3600.0}
    nobodys = Scheduled("report", agent="agent", said="Write it.", **hourly)
    with pytest.raises(UsageError, match="say with `by` whose pays for it"):
        Worker([speaker], timetable=[nobodys])
    lines = [
        replace(nobodys, by="ann"),
        Scheduled("rest", agent="rests", arguments={}, by="ben", **hourly),
    ]

    async def whole() -> set[tuple[str, str]]:
        async with work(Worker([speaker, counts], timetable=lines, world=world())):
            await asyncio.sleep(5)
            await stop(0)
        found = set()
        for info in await store.threads():
            log = await open_log(info.thread_id, store, world())
            said = [each.event for each in log.records if isinstance(each.event, UserSaid)]
            found.add((info.status, said[0].by))
        return found

    assert live(whole()) == {("answered", "ann"), ("answered", "ben")}


def test_a_timetable_is_a_file_of_toml(tmp_path: Path):
    path = tmp_path / "times.toml"
    path.write_text('[report]\ncron = "0 9 * * MON-FRI"\nagent = "shop"\nsaid = "Write it."\n')
    assert read_timetable(path) == [Scheduled("report", "0 9 * * MON-FRI", "shop", "Write it.")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("report = 5", "report is no table"),
        ("[report]\ncron = ", "no TOML"),
        ('[report]\ncron = "0 9 * * *"\nagent = "a"\nsays = "Go."', "no key 'says'; the keys are"),
        ('[report]\ncron = "0 9 * * *"\nagent = "a"\nname = "b"', "no key 'name'"),
        ('[report]\nagent = "a"\nsaid = "Go."', "lacks 'cron'"),
    ],
)
def test_a_file_that_is_no_timetable_is_refused_in_words(tmp_path: Path, text: str, told: str):
    path = tmp_path / "times.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=told):
        read_timetable(path)


def test_a_file_that_is_missing_is_named(tmp_path: Path):
    with pytest.raises(UsageError, match="No such file"):
        read_timetable(tmp_path / "nothing.toml")


def test_two_lines_of_one_name_are_refused():
    """Each is found by its name alone: one of them would begin the other's threads."""
    speaker = agent(ScriptedModel([]), store=MemoryStore())
    with pytest.raises(UsageError, match="two of the timetable's lines are named 'report'"):
        Worker([speaker], timetable=[HOURLY, HOURLY])
