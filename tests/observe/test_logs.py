"""One line of JSON for each record, safe for any reader."""

import json
import logging
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import agent, legal_log, live
from treadle import ScriptedModel
from treadle.core import events as e
from treadle.models.remote_model import RemoteModel
from treadle.models.scripted import says
from treadle.observe.logs import RecordLogger, json_line, level_of


def record(event: e.Event) -> e.Record:
    return e.Record("mine", 7, 1.5, event)


def test_a_line_is_the_envelope_and_the_event() -> None:
    event = e.ToolStarted("c1", "its key", 2)
    assert json_line(record(event)) == (
        '{"thread_id":"mine","seq":7,"at":"1970-01-01T00:00:01.500+00:00","type":"ToolStarted","call_id":"c1","attempt":2}'
    )


def test_what_a_line_must_not_hold() -> None:
    call = e.Call("c1", "send", '{"key": "swordfish-1"}', {"signature": "s" * 9})
    reply = e.ModelReplied(
        (e.Text("Bearer abcdefgh \x1b[2J\x7f\u202e\n" + "x" * 600), call),
        e.Usage(),
        0.1,
        opaque={"a": 1},
    )
    line = json_line(record(reply), {"swordfish-1"})
    found = json.loads(line)
    assert line.isascii()
    assert line.isprintable()
    said, asked = found["content"]
    assert (
        said["text"] == "Bearer [redacted] \x1b[2J\x7f\u202e\n" + "x" * 475 + "… (625 characters)"
    )
    arguments = '{"key": "[redacted]"}'
    assert asked == {"type": "Call", "id": "c1", "name": "send", "arguments": arguments}
    assert "opaque" not in found


def test_a_secret_at_the_cut_is_not_cut_open() -> None:
    line = json_line(record(e.UserSaid("x " * 245 + "sk-aaaaaaaaaaaaaaaaaaaaaaaaaaa")))
    assert "sk-" not in line


def test_a_model_s_key_is_in_no_line_though_the_environment_has_none(caplog) -> None:
    write = RecordLogger()
    model = RemoteModel("m", base_url="http://127.0.0.1:9/v1", api_key="hunter2-of-the-shop")
    assert model.name
    caplog.set_level(logging.INFO, "treadle.records")
    write(record(e.UserSaid("the key is hunter2-of-the-shop")))
    assert "the key is [redacted]" in caplog.text


@pytest.mark.parametrize(
    ("event", "level"),
    [
        (e.ModelCalled("m", "h", 1, 1), logging.DEBUG),
        (e.UserSaid("hello"), logging.INFO),
        (e.TurnEnded("answered"), logging.INFO),
        (e.ToolFailed("c1", "raised", "no"), logging.WARNING),
        (e.LimitReached("tokens", 5, 5), logging.WARNING),
        (e.LimitRaised("ann", tokens=5), logging.INFO),
        (e.FeedbackGiven(False, "ann", "", 3), logging.INFO),
        (e.TurnEnded("failed", "no"), logging.ERROR),
    ],
)
def test_levels(event: e.Event, level: int) -> None:
    assert level_of(event) == level


def test_an_agent_s_records_go_through_logging(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "treadle.records"):
        live(
            agent(ScriptedModel([says("Hello.")]), listeners=[RecordLogger()]).run(
                "hi", thread="mine"
            )
        )
    lines = [
        json.loads(each.getMessage()) for each in caplog.records if each.name == "treadle.records"
    ]
    assert [line["type"] for line in lines] == [
        "ThreadStarted",
        "UserSaid",
        "ModelReplied",
        "TurnEnded",
    ]
    assert {line["thread_id"] for line in lines} == {"mine"}


def test_it_writes_nothing_that_nobody_wants(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "treadle.records"):
        RecordLogger()(record(e.UserSaid("hello")))
    assert caplog.records == []


def test_no_event_is_forgotten() -> None:
    assert len(get_args(e.Event)) == 30  # a new one needs a level here


@given(st.lists(st.integers(0, 10**6), max_size=40).map(legal_log))
def test_every_record_is_one_line(log):
    for each in log:
        line = json_line(each)
        assert line.isascii()
        assert line.isprintable()
        assert json.loads(line)["seq"] == each.seq
