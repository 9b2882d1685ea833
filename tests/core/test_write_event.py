"""What is written is what can be read, and reads as the same."""

from enum import Enum

import pytest

from fakes import candidates
from treadle.core import events as e
from treadle.core.codec import decode_event
from treadle.core.errors import UsageError
from treadle.core.state import State
from treadle.core.write_event import write_event


class Name(Enum):
    ANN = "ann"


def given(**changes):
    return e.ApprovalGiven(**({"call_id": "c1", "allowed": True, "by": "ann"} | changes))


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (given(allowed="no"), "ApprovalGiven.allowed is 'no' (str); it must be bool"),
        (given(by=None), "ApprovalGiven.by is None; it must be str"),
        (given(reason=5), "ApprovalGiven.reason is 5 (int); it must be str"),
        (given(reason=b"x"), "ApprovalGiven.reason is b'x' (bytes), which a log can't hold"),
        (given(reason=object), "ApprovalGiven.reason can't be written as JSON"),
        (given(by=Name.ANN), "it would come back as 'ann' (str)"),
        (given(by="\ud800"), "half of a surrogate pair"),
        (given(arguments={}), "ApprovalGiven.arguments is {} (dict); it must be str | None"),
        (given(always=True), "ApprovalGiven.always is True (bool); it must be Always | None"),
        (given(always={"path": "docs/*"}), "ApprovalGiven.always is {'path': 'docs/*'} (dict)"),
        (given(always=e.Usage()), "ApprovalGiven.always is Usage("),
        (given(always=e.Always({}, "forever")), "'forever' (str); it must be 'turn' or 'thread'"),
        (given(always=e.Always({"path": 5})), "always.arguments[...] is 5 (int); it must be str"),
        (given(always=e.Always(["path"])), "always.arguments is ['path'] (list); it must be dict"),
        (e.TurnEnded("stopped"), "TurnEnded.status is 'stopped' (str); it must be 'answered' or"),
        (e.UserSaid("x", labels=("odd",)), "labels[0] is 'odd' (str); it must be 'untrusted' or"),
        (e.UserSaid(5), "UserSaid.content is 5 (int); it must be str | tuple"),
        (e.UserSaid(("x", e.Image(5))), "UserSaid.content[1].url is 5 (int); it must be str"),
        (e.LimitReached("x", float("nan"), 1), "LimitReached.used is nan (float); it must be a"),
        (e.LimitReached("x", 10**400, 1), "it must be a finite number"),
        (e.ModelCalled("m", "h", 2**64, 1), "it must be int <= 9223372036854775807"),
        (e.ModelReplied("x", None, 0.1), "ModelReplied.usage is None; it must be Usage"),
        (e.ModelReplied("x", e.Usage(), 0.1, cost_usd=float("nan")), "cost_usd is nan (float)"),
        (e.AgentDescribed("a", "m", "i", settings={None: 1}), "AgentDescribed.settings can't be"),
        (5, "this is no event of a log: 5 (int)"),
        (e.Always(), "this is no event of a log: Always"),
    ],
)
def test_a_wrong_value_is_refused_in_words_that_name_the_field_and_what_instead(event, words):
    with pytest.raises(UsageError) as raised:
        write_event(event)
    assert words in str(raised.value)


def test_every_event_comes_back_as_it_was_written():
    for event in candidates(State()):
        data, read = write_event(event)
        assert read == event == decode_event(data)


def test_what_json_holds_in_another_shape_is_what_the_log_says_from_now_on():
    data, read = write_event(e.ModelReplied("x", e.Usage(), 0.1, opaque={"at": (1, 2)}))
    assert read.opaque == {"at": [1, 2]}
    assert decode_event(data) == read
    assert write_event(e.UserSaid(["a", "b"]))[1] == e.UserSaid(("a", "b"))
