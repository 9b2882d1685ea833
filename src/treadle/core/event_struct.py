"""What all events share."""

import msgspec


class EventStruct(
    msgspec.Struct, frozen=True, tag_field="type", tag=True, omit_defaults=True, gc=False
):
    """The options that all events share.

    Nothing of JSON refers to itself. So Python's search for such cycles needn't look at events
    (`gc=False`): opening a long thread makes tens of thousands of them.
    """
