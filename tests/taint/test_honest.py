"""Stories of honest work: nobody is asked anything."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from taint.tools import OURS, Box, add, get_page, read_diary, read_mail
from treadle import Agent, Notes, Rule, ScriptedModel, Tool, UserSaid, tool
from treadle.core import events as e
from treadle.models.scripted import calls, says
from treadle.runtime.world import World
from treadle.tools.calculator import calculator
from treadle.tools.files import file_tools
from treadle.tools.web_fetch import web_fetch
from treadle.tools.web_search import Hit, search_tool

PAGE, DIARY, MAIL = calls("get_page"), calls("read_diary"), calls("read_mail")
SEND = calls(("send_mail", OURS))
ADD = calls(("add", {"a": 1, "b": 2}))
LISTED = Rule("send_mail", "allow", arguments={"to": "*@ours.example", "cc": "*@ours.example"})


@tool
def post_to_own_channel(text: str) -> str:
    """Post in the channel of one's own team: it isn't labelled outward."""
    return "posted"


@pytest.fixture
def box() -> Box:
    return Box()


@pytest.mark.parametrize(
    "script",
    [
        [ADD],
        [SEND],
        [PAGE, SEND],
        [DIARY, SEND],
        [PAGE, PAGE, PAGE],
        [PAGE, DIARY],
        [MAIL],
        [MAIL, ADD, calls(("save", {"text": "x"}))],
        [PAGE, DIARY, calls(("save", {"text": "x"}))],
        [SEND, PAGE, DIARY],
        [calls("no_such_tool"), DIARY, SEND],
    ],
    ids=[
        "a sum",
        "a mail",
        "a page, and a mail about it",
        "the diary, and a mail about it",
        "research",
        "a page and the diary, and an answer",
        "the mails, and an answer",
        "the mails, and something that stays here",
        "all, and something that stays here",
        "a mail before anything was read",
        "a tool that there isn't brings nothing",
    ],
)
def test_nothing_is_asked(box: Box, script: list[Any]):
    result = box.run(*script)
    assert result.status == "answered"
    assert not any(isinstance(each.event, e.ApprovalAsked) for each in result.records)


def test_a_mail_to_whom_the_developer_has_listed(box: Box):
    assert box.run(MAIL, SEND, rules=[LISTED]).status == "answered"
    assert box.sent == [{**OURS, "cc": None}]


def test_a_mail_to_several_who_are_all_listed(box: Box):
    mail = {"to": ["ann@ours.example", "Bob@OURS.example"], "cc": []}
    assert box.run(MAIL, calls(("send_mail", mail)), rules=[LISTED]).status == "answered"


def test_what_a_person_has_allowed_for_the_thread_is_not_asked_again(box: Box):
    agent = box.agent(MAIL, SEND, calls(("send_mail", {**OURS, "text": "again"})))

    async def go() -> Any:
        [first] = (await agent.run("go", thread="t")).waiting
        always = e.Always({"to": "ann@ours.example"}, "thread")
        await agent.post("t", e.ApprovalGiven(first.id, True, "ann", always=always))
        return await agent.resume("t")

    assert asyncio.run(go()).status == "answered"
    assert len(box.sent) == 2


def test_another_thread_holds_nothing_of_this_one(box: Box):
    box.run(MAIL, thread="one")
    assert box.run(SEND, thread="two").status == "answered"


def test_a_child_that_was_given_nothing_of_it_mails_and_its_parent_holds_nothing(box: Box):
    clerk = Agent(tools=[box.send_mail], model=ScriptedModel([SEND, says("ok")]), name="clerk")
    asked = calls(("clerk", {"task": "mail"}))
    assert box.run(asked, SEND, tools=[clerk.as_tool(), add]).status == "answered"


def test_a_fork_before_the_page_holds_nothing_of_it(box: Box):
    first = box.run(ADD)
    agent = box.agent(SEND)
    box.run(MAIL, said="now the mails")

    async def go() -> Any:
        forked = await agent.fork("t", at=first.records[-1].seq)
        return await agent.run("and now?", thread=forked.thread_id)

    assert asyncio.run(go()).status == "answered"


def test_a_note_of_a_person_brings_nothing(box: Box):
    noted = calls(("remember", {"text": "Ann likes tea"}))
    box.run(noted, notes=Notes(), thread="one")
    result = box.run(DIARY, SEND, notes=Notes(), thread="two", said="tea for Ann")
    assert result.status == "answered"
    recalled = asyncio.run(Notes().bind(box.store, World()).recall("tea for Ann"))
    assert [note.labels for note in recalled.notes] == [()]


def test_work_in_a_folder_with_what_ships(box: Box, tmp_path: Any):
    (tmp_path / "a.txt").write_text("hello")
    script = [calls("list_files"), calls(("read_file", {"path": "a.txt"}))]
    result = box.run(*script, tools=[*file_tools(tmp_path), web_fetch])
    assert result.status == "answered"


def test_research_on_the_web_asks_nothing(box: Box):
    async def one_hit(query: str, count: int) -> list[Hit]:
        return [Hit("Looms", "https://looms.example/", "about treadles")]

    fetch = replace(web_fetch, function=lambda url, page=1: "Treadles move the shafts of a loom.")
    search = search_tool(one_hit)
    script = [
        calls(("web_search", {"query": "treadle"}), ("web_search", {"query": "loom"})),
        calls(("web_fetch", {"url": "https://looms.example/"})),
        calls(("calculator", {"expression": "2 + 2"})),
        calls(("web_fetch", {"url": "https://looms.example/more"})),
    ]
    assert box.run(*script, tools=[search, fetch, calculator]).status == "answered"


def test_what_only_stays_in_the_house_is_not_outward(box: Box):
    posted = calls(("post_to_own_channel", {"text": "x"}))
    assert box.run(MAIL, posted, tools=[read_mail, post_to_own_channel]).status == "answered"


def test_one_s_own_tools_without_labels_are_trusted_and_stay_inside(box: Box):
    bare = [tool(each.function) for each in (get_page, read_diary)]
    assert box.run(PAGE, DIARY, SEND, tools=bare).status == "answered"


def test_a_message_of_a_person_brings_nothing(box: Box):
    said = UserSaid("Mail this to Ann: I am ill", by="bob")
    assert box.run(DIARY, SEND, said=said).status == "answered"


def test_a_server_that_is_trusted_describes_its_tools_without_bringing_anything(box: Box):
    time = Tool("time", "The time.", {"type": "object"}, lambda: "12:00", dict)
    assert box.run(DIARY, SEND, tools=[time, read_diary]).status == "answered"


def test_whoever_wants_no_labels_turns_them_off(box: Box):
    assert box.run(MAIL, SEND, taint="off").status == "answered"


def test_a_warning_stops_nothing_and_is_shown(box: Box):
    assert box.run(MAIL, SEND, taint="warn").status == "answered"
