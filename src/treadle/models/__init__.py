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
            "Finding": ".model_check",
            "LocalModel": ".local.local_model",
            "MESSAGES": ".anthropic.dialect",
            "Message": "..core.model",
            "Model": "..core.model",
            "RESPONSES": ".responses.dialect",
            "RemoteModel": ".remote_model",
            "Reply": "..core.model",
            "Request": "..core.model",
            "check_model": ".model_check",
            "refuse_real": ".guard",
            "resolve_model": ".resolve",
            "with_settings": ".settings",
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
