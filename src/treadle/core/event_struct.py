"""What all events share."""

import msgspec


class EventStruct(msgspec.Struct, frozen=True, tag_field="type", tag=True, omit_defaults=True):
    """The options that all events share."""
