"""Why a model has stopped, as far as what comes next depends on it. Pure."""

from .model_events import ModelFailed, ModelReplied

MALFORMED_CALL = "malformed_call"
"""The finish reason of a reply whose call the provider itself couldn't read."""
INCOMPLETE = ("length", "content_filter", MALFORMED_CALL)
"""The finish reasons of a reply that isn't whole."""
PAUSED = "pause_turn"
"""The finish reason of a reply that the provider goes on with when it gets it back as it is."""


def has_text(reply: ModelReplied) -> bool:
    """Whether it says something. What a call was to be that nobody can read isn't said."""
    return bool(reply.text.strip()) and reply.finish_reason != MALFORMED_CALL


def is_of_model(failed: ModelFailed) -> bool:
    """Whether the model can't be asked, or isn't there; else the request is at fault."""
    is_gone = failed.kind == "rejected" and failed.status in (404, 410) and failed.refused is None
    return is_gone or failed.kind in ("unavailable", "denied")
