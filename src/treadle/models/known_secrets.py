"""The secrets of all models in use, which no error of the process may show."""

import os
import threading
import weakref
from typing import Protocol

from ..core.errors import ModelError
from ..core.redact import find_secrets, redact


class HasSecrets(Protocol):
    """Something that sends secrets, such as an Endpoint."""

    def secrets(self) -> frozenset[str]:
        """Its keys and passwords, as `spellings` of core/redact.py."""
        ...


_senders: "weakref.WeakSet[HasSecrets]" = weakref.WeakSet()
_lock = threading.Lock()
"""A set that grows can't be read at the same time."""


def remember_secrets(sender: HasSecrets) -> None:
    """From now on `redact_known` knows what this keeps secret, for as long as it lives."""
    with _lock:
        _senders.add(sender)


def redact_known(text: str) -> str:
    """The text without secrets: those of all models, of the environment, and all by shape.

    For every error's text on its way out, to a caller, a log or a model: an error of a tool or of a
    server may quote what it was sent.
    """
    with _lock:
        senders = list(_senders)
    secrets = find_secrets(os.environ)
    for sender in senders:
        secrets |= sender.secrets()
    return redact(text, secrets)


def redact_error(error: ModelError) -> None:
    """Remove the secrets from all that the error says."""
    error.args = (redact_known(str(error)),)
    error.body = redact_known(error.body) if error.body else ""
    error.request_id = redact_known(error.request_id) if error.request_id else ""
