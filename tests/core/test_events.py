import typing

import msgspec
import pytest

from treadle.core import events as e
from treadle.core.codec import name_of
from treadle.core.event_struct import EventStruct

EVENTS = typing.get_args(e.Event)


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_every_event_is_frozen_closed_and_tagged_by_its_name(kind):
    assert kind.__struct_config__.frozen
    tag = kind.__struct_config__.tag
    assert (kind.__struct_config__.tag_field, name_of(tag)) == ("type", kind.__name__)
    assert kind.__subclasses__() == []


def test_the_union_names_every_event_of_the_module():
    made = {
        each
        for each in vars(e).values()
        if isinstance(each, type) and issubclass(each, EventStruct)
    }
    assert made - {EventStruct} == set(EVENTS)


def test_an_event_never_changes():
    with pytest.raises(AttributeError):
        e.UserSaid("x").content = "y"


def test_usage_adds_up_and_stays_an_estimate_once_it_is_one():
    added = e.Usage(1, 2, 3, 4) + e.Usage(10, 20, 30, 40, estimated=True)
    assert added == e.Usage(11, 22, 33, 44, estimated=True)
    assert added.total_tokens == 33


def test_fields_beyond_the_first_ones_have_defaults_so_that_old_logs_stay_readable():
    for kind in EVENTS:
        fields = msgspec.structs.fields(kind)
        defaults = [field.required for field in fields]
        assert defaults == sorted(defaults, reverse=True)
