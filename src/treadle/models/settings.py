"""Changes the settings of an existing model, e.g. {"temperature":

0, "seed": 7} from a command line.
"""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from ..core.errors import UsageError
from ..core.model import Model
from .local.local_model import LocalModel
from .remote_model import RemoteModel

_Count = Annotated[int, msgspec.Meta(ge=1)]
_FIELDS: dict[type, dict[str, Any]] = {
    RemoteModel: {"context_tokens": _Count, "max_output_tokens": _Count, "prices": Any},
    LocalModel: {
        "context_tokens": _Count,
        "max_output_tokens": _Count,
        "own_template": bool,
        "seed": int,
        "temperature": Annotated[float, msgspec.Meta(ge=0)],
    },
}
"""Settings that are fields of the model.

All others are fields of the request's body, which only an RemoteModel has.
"""

_OUTPUT_LIMIT = ("max_tokens", "max_completion_tokens")
"""The providers' names of max_output_tokens. The limits of a turn know only that one."""

_REFUSED = {
    "api_key": "set the provider's environment variable (treadle models)",
    "base_url": "name the model by its address, as http://127.0.0.1:8000/v1#name",
    "input": "say it in the question or the instructions",
    "messages": "say it in the question or the instructions",
    "model": "name the model itself",
    "stream": "every reply is streamed",
    "tools": "choose the agent's tools; only those that the provider runs are named here, by type",
}


def with_settings(model: Model, settings: Mapping[str, Any]) -> Model:
    """The model with these settings, which win over its own. None removes a field of the request.

    Fields of the request have the provider's own names and are sent as they are. Raises UsageError
    for a setting that the model doesn't have, and for what is no setting of a model.
    """
    if not settings:
        return model
    if not isinstance(model, RemoteModel | LocalModel):
        raise UsageError(
            f"{model.name} takes no settings from outside; give them where it is made, in Python"
        )
    known = _FIELDS[LocalModel]
    if isinstance(model, RemoteModel):
        known = _FIELDS[RemoteModel]
    own: dict[str, Any] = {}
    body: dict[str, Any] = {}
    for key, value in settings.items():
        if key in _REFUSED and not (key == "tools" and _are_provider_s(value)):
            raise UsageError(f"{key!r} is no setting of a model; {_REFUSED[key]}")
        name = "max_output_tokens" if key in _OUTPUT_LIMIT and value is not None else key
        if name in known:
            own[name] = _convert(key, value, known[name])
        else:
            body[key] = value
    if isinstance(model, RemoteModel):
        return dataclasses.replace(model, **own, extra={**model.extra, **body})
    if body:
        raise UsageError(
            f"the embedded model has no setting {next(iter(body))!r}; it has {', '.join(known)}"
        )
    return dataclasses.replace(model, **own)


def _are_provider_s(tools: Any) -> bool:
    """Whether these are tools that the provider runs, such as {"type": "web_search"}."""
    if not isinstance(tools, list | tuple) or not tools:
        return False
    return all(
        isinstance(each, dict) and each.get("type") not in (None, "function") for each in tools
    )


def _convert(key: str, value: Any, kind: Any) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        text = str(error)
        reason = text[:1].lower() + text[1:]
        raise UsageError(f"setting {key!r} can't be {value!r}: {reason}") from None
