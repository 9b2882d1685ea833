"""What this process has seen of each model at its address. Forgotten when the process ends.

By address and model, and not by object: a program may make its model anew for each request.
"""

from collections.abc import Hashable

from .accepted_fields import AcceptedFields

_accepted: dict[Hashable, AcceptedFields] = {}
_answered: set[Hashable] = set()


def remember(model: Hashable, accepted: AcceptedFields) -> None:
    """Keep what a refusal has shown, once the model has replied to what was sent instead."""
    _accepted[model] = accepted


def recall(model: Hashable, otherwise: AcceptedFields) -> AcceptedFields:
    """What the model accepts, as far as it is known."""
    return _accepted.get(model, otherwise)


def note_answer(model: Hashable) -> None:
    """The address has answered as a model does."""
    _answered.add(model)


def has_answered(model: Hashable) -> bool:
    """Whether the address is known to be a model's: then a page of HTML is an outage."""
    return model in _answered


def forget_all() -> None:
    """As in a new process: for tests, whose servers come and go at the same ports."""
    _accepted.clear()
    _answered.clear()
