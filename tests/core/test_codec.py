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
from treadle.core.describe import policy_from
from treadle.core.errors import StoreDamaged
from treadle.core.state import fold
from treadle.core.waits import find_waits

GOLDEN = Path(__file__).parents[1] / "golden"
ONLY_IN_FORMAT_1 = {e.ThreadClaimed: {"identity"}}


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
        was = json.loads(line)["event"]
        if was["type"] not in codec.LIFTS:
            kept = msgspec.json.decode(encode_record(record))
            if "call" in was:  # blocks have had a name of their own since format 2
                was["call"]["type"] = "Call"
            assert kept["event"] == kept["event"] | was
        assert decode_record(encode_record(record)) == record
    assert fold(records).seq == len(records)


@pytest.mark.parametrize("old", sorted(GOLDEN.glob("format-1*.jsonl")), ids=lambda path: path.stem)
def test_a_log_of_format_1_and_its_twin_of_format_2_fold_to_the_same_state(old):
    """Both say the same, but for what only one of them has: hashes of an agent, or its description."""
    twin = old.with_name(old.name.replace("format-1", "format-2"))
    states = []
    for path in (old, twin):
        records = [decode_record(line) for line in path.read_bytes().splitlines()]
        kept = [each for each in records if not isinstance(each.event, e.AgentDescribed)]
        renumbered = [msgspec.structs.replace(each, seq=seq) for seq, each in enumerate(kept, 1)]
        state = fold(renumbered)
        states.append(msgspec.structs.replace(state, described={}, last_caller="", driver=""))
    assert states[0] == states[1]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"type": "UserSaid", "text": "hi", "by": "ann"}, e.UserSaid("hi", by="ann")),
        (
            {"type": "UserSaid", "text": "hi", "parts": [{"type": "Image", "url": "data:,"}]},
            e.UserSaid(("hi", e.Image("data:,"))),
        ),
        (
            {"type": "UserSaid", "text": " ", "parts": [{"type": "Image", "url": "data:,"}]},
            e.UserSaid((e.Image("data:,"),)),
        ),
        (
            {"type": "ModelReplied", "text": "hi", "usage": {}, "latency_s": 1.0, "refusal": "no"},
            e.ModelReplied("hi", e.Usage(), 1.0, refusal="no"),
        ),
        (
            {
                "type": "ModelReplied",
                "text": "hi",
                "usage": {},
                "latency_s": 1.0,
                "calls": [{"id": "a", "name": "look", "arguments": "{}", "opaque": {"s": 1}}],
            },
            e.ModelReplied((e.Text("hi"), e.Call("a", "look", "{}", {"s": 1})), e.Usage(), 1.0),
        ),
        (
            {
                "type": "ModelReplied",
                "text": "hi",
                "usage": {},
                "latency_s": 1.0,
                "opaque": {"reasoning_content": "hm", "reasoning": "hm", "v": 1},
            },
            e.ModelReplied(
                (
                    e.Thinking("hm", {"reasoning_content": "hm", "reasoning": "hm"}),
                    e.Text("hi"),
                ),
                e.Usage(),
                1.0,
                opaque={"v": 1},
            ),
        ),
        ({"type": "ThreadClaimed", "worker": "w"}, e.ThreadClaimed("w")),
        (
            {
                "type": "ThreadClaimed",
                "worker": "w",
                "identity": {"agent": "a", "model": "m", "instructions": "h"},
            },
            e.ThreadClaimed("w", identity=e.Identity("a", "m", "h")),
        ),
        (
            {"type": "ApprovalGiven", "call_id": "a", "allowed": True, "by": "ann", "always": True},
            e.ApprovalGiven("a", True, "ann", always=e.Always(lasts="thread")),
        ),
        (
            {"type": "ApprovalGiven", "call_id": "a", "allowed": False, "by": "ann"},
            e.ApprovalGiven("a", False, "ann"),
        ),
    ],
)
def test_what_format_1_wrote_is_lifted(old, new):
    assert decode_event(json.dumps(old)) == new
    assert decode_event(encode_event(new)) == new


def test_a_kind_is_found_under_its_names_of_every_format():
    assert codec.name_of("UserSaid.2") == codec.name_of("UserSaid") == "UserSaid"


def test_the_golden_logs_hold_every_event_and_every_field():
    lines = [
        line for path in GOLDEN.glob("format-2*.jsonl") for line in path.read_bytes().splitlines()
    ]
    written: dict[str, set[str]] = {}
    for line in lines:
        event = json.loads(line)["event"]
        written.setdefault(event["type"], set()).update(event)
    for kind in typing.get_args(e.Event):
        tag = kind.__struct_config__.tag
        fields = set(kind.__struct_fields__) - ONLY_IN_FORMAT_1.get(kind, set())
        assert fields <= written.get(tag, set()), f"{tag} lacks {fields - written.get(tag, set())}"


def test_the_golden_logs_have_a_thread_that_was_parked_and_let_go_on():
    path = GOLDEN / "format-2-parked.jsonl"
    records = [decode_record(line) for line in path.read_bytes().splitlines()]
    events = [record.event for record in records]
    let_go_on = next(
        seq
        for seq, event in enumerate(events)
        if isinstance(event, e.ApprovalGiven) and not event.call_id
    )
    [parked] = find_waits(fold(records[:let_go_on]), "t")
    assert (parked.id, parked.status) == ("", "parked")
    assert find_waits(fold(records[: let_go_on + 1]), "t") == ()
    assert e.ChildWaits("c00005000", ()) in events
    [described] = [event for event in events if isinstance(event, e.AgentDescribed)]
    assert described.policy
    assert policy_from(described).parallel
    assert policy_from(described).tools["put"].parallel
