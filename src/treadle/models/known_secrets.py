"""The secrets of all models in use, which no error of the process may show."""

import os
import threading
import traceback
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
    return redact(text, known_secrets()) if text else text


def known_secrets() -> frozenset[str]:
    """Those of the environment and of all models in use, as `spellings` of core/redact.py."""
    with _lock:
        senders = list(_senders)
    return find_secrets(os.environ).union(*(sender.secrets() for sender in senders))


def redact_error(error: BaseException) -> BaseException:
    """The error without secrets in its words, and in those of what caused it.

    It is the same one, with other arguments, so that its type can still be caught; one that keeps
    its words elsewhere becomes a RuntimeError.
    """
    waiting, seen = [error], {id(error)}
    while waiting:
        each = waiting.pop()
        each.args = tuple(redact_known(arg) if type(arg) is str else arg for arg in each.args)
        if isinstance(each, ModelError):
            each.body, each.request_id = redact_known(each.body), redact_known(each.request_id)
        if notes := getattr(each, "__notes__", None):
            each.__notes__ = [redact_known(note) for note in notes]
        for cause in (each.__cause__, each.__context__, *getattr(each, "exceptions", ())):
            if cause is not None and id(cause) not in seen:
                seen.add(id(cause))
                waiting.append(cause)
    said = "".join(traceback.format_exception_only(error)).strip()
    shown = redact_known(said)
    if shown == said:
        return error
    plain = RuntimeError(shown)
    plain.__suppress_context__ = True
    return plain
