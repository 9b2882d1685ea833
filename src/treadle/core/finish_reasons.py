"""Why a model has stopped, as far as what comes next depends on it. Pure."""

from .model_events import ModelReplied

MALFORMED_CALL = "malformed_call"
"""The finish reason of a reply whose call the provider itself couldn't read."""
INCOMPLETE = ("length", "content_filter", MALFORMED_CALL)
"""The finish reasons of a reply that isn't whole."""
PAUSED = "pause_turn"
"""The finish reason of a reply that the provider goes on with when it gets it back as it is."""


def has_text(reply: ModelReplied) -> bool:
    """Whether it says something. What a call was to be that nobody can read isn't said."""
    return bool(reply.text.strip()) and reply.finish_reason != MALFORMED_CALL
