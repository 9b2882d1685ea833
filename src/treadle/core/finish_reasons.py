"""Why a model has stopped, as far as what comes next depends on it. Pure."""

MALFORMED_CALL = "malformed_call"
"""The finish reason of a reply whose call the provider itself couldn't read."""
INCOMPLETE = ("length", "content_filter", MALFORMED_CALL)
"""The finish reasons of a reply that isn't whole."""
PAUSED = "pause_turn"
"""The finish reason of a reply that the provider goes on with when it gets it back as it is."""
