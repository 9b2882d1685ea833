"""Language models behind the Model protocol (core/model.py): over HTTP, embedded, or scripted."""

from typing import TYPE_CHECKING

from ..on_use import import_on_use

if TYPE_CHECKING:
    from ..core.model import Message, Model, Reply, Request
    from .anthropic.dialect import MESSAGES
    from .guard import refuse_real
    from .local.local_model import LocalModel
    from .model_check import Finding, check_model
    from .remote_model import RemoteModel
    from .resolve import resolve_model
    from .responses.dialect import RESPONSES
    from .settings import with_settings
else:
    __getattr__ = import_on_use(
        __name__,
        {
            "..core.model": "Message Model Reply Request",
            ".anthropic.dialect": "MESSAGES",
            ".guard": "refuse_real",
            ".local.local_model": "LocalModel",
            ".model_check": "Finding check_model",
            ".remote_model": "RemoteModel",
            ".resolve": "resolve_model",
            ".responses.dialect": "RESPONSES",
            ".settings": "with_settings",
        },
    )

__all__ = [
    "MESSAGES",
    "RESPONSES",
    "Finding",
    "LocalModel",
    "Message",
    "Model",
    "RemoteModel",
    "Reply",
    "Request",
    "check_model",
    "refuse_real",
    "resolve_model",
    "with_settings",
]
