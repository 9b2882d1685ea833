import json
import typing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import legal_log
from treadle import Record
from treadle.core import codec
from treadle.core import events as e
from treadle.core.codec import decode_event, decode_record, encode_event, encode_record
from treadle.core.errors import StoreDamaged

GOLDEN = Path(__file__).parents[1] / "golden"


@given(st.lists(st.integers(0, 10_000), min_size=12, max_size=25))
def test_any_log_comes_back_as_it_was_one_line_a_record(choices):
    for record in legal_log(choices):
        assert decode_record(encode_record(record)) == record
        assert decode_event(encode_event(record.event)) == record.event
        assert b"\n" not in encode_record(record)


def test_defaults_are_left_out_and_the_name_is_under_type():
    assert json.loads(encode_event(e.ToolStarted("a", "k"))) == {
        "type": "ToolStarted",
        "call_id": "a",
        "key": "k",
    }


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"7",
        b'"x"',
        b"{}",
        b"\xff\xfe",
        "\ud800",
        b"[" * 100_000,
        b'{"type":"Unheard"}',
        b'{"type":["UserSaid"]}',
        b'{"type":"UserSaid"}',
        b'{"type":"UserSaid","text":1}',
        b'{"type":"UserSaid","text":"\\ud800"}',
        b'{"type":"TurnEnded","status":"mad"}',
        b'{"thread_id":"t","seq":1,"at":0.0,"event":{"type":"Unheard"}}',
        b'{"thread_id":"t","seq":"1","at":0.0,"event":{"type":"UserSaid","text":"x"}}',
        b'{"seq":1}',
    ],
)
def test_what_is_no_event_is_reported_as_damage_and_nothing_else(data):
    for decode in (decode_event, decode_record):
        with pytest.raises(StoreDamaged):
            decode(data)


@given(st.binary(max_size=60) | st.text(max_size=40))
def test_no_bytes_at_all_raise_anything_else(data):
    for decode in (decode_event, decode_record):
        with pytest.raises(StoreDamaged):
            decode(data)


def test_fields_of_a_newer_version_are_passed_over():
    assert decode_event(b'{"type":"UserSaid","text":"x","later":1}') == e.UserSaid("x")


def test_an_old_meaning_is_lifted_through_every_version(monkeypatch):
    monkeypatch.setitem(codec.LIFTS, "Said.1", lambda raw: {"type": "Said.2", "text": raw["words"]})
    monkeypatch.setitem(codec.LIFTS, "Said.2", lambda raw: {**raw, "type": "UserSaid"})
    old = b'{"type":"Said.1","words":"hi"}'
    assert decode_event(old) == e.UserSaid("hi")
    assert decode_record(b'{"thread_id":"t","seq":3,"at":1.5,"event":' + old + b"}") == Record(
        "t", 3, 1.5, e.UserSaid("hi")
    )


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("format-*.jsonl")), ids=lambda path: path.stem)
def test_the_golden_log_of_every_format_is_still_read(path):
    """These files are never edited: a change that breaks one needs a lift in the codec."""
    records = [decode_record(line) for line in path.read_bytes().splitlines()]
    assert [record.seq for record in records] == list(range(1, len(records) + 1))
    for line, record in zip(path.read_bytes().splitlines(), records, strict=True):
        kept = msgspec.json.decode(encode_record(record))
        assert (
            kept["event"].items()
            >= {k: v for k, v in json.loads(line)["event"].items() if k != "type"}.items()
        )


def test_the_golden_logs_hold_every_event():
    lines = [
        line for path in GOLDEN.glob("format-1*.jsonl") for line in path.read_bytes().splitlines()
    ]
    assert {type(decode_record(line).event) for line in lines} == set(typing.get_args(e.Event))
