"""Settings for a model that is made already, such as those of the command line: {"temperature": 0, "seed": 7}."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from ..core.errors import UsageError
from ..core.model import Model
from .local.model import LocalModel
from .openai import OpenAIModel

_Count = Annotated[int, msgspec.Meta(ge=1)]
_FIELDS: dict[type, dict[str, Any]] = {
    OpenAIModel: {"context_tokens": _Count, "max_output_tokens": _Count},
    LocalModel: {
        "context_tokens": _Count,
        "max_output_tokens": _Count,
        "seed": int,
        "temperature": Annotated[float, msgspec.Meta(ge=0)],
    },
}
"""What is a field of the model itself. All else is a field of the request, which only an OpenAIModel has."""

_OUTPUT_LIMIT = ("max_tokens", "max_completion_tokens")
"""Names that providers have for max_output_tokens. As that, the limits of a turn know of it."""

_REFUSED = {
    "api_key": "set the provider's environment variable (treadle models)",
    "base_url": "name the model by its address, as http://127.0.0.1:8000/v1#name",
    "messages": "say it in the question or the instructions",
    "model": "name the model itself",
    "stream": "every reply is streamed",
    "tools": "choose the agent's tools",
}


def with_settings(model: Model, settings: Mapping[str, Any]) -> Model:
    """The model with these settings; they win over its own, and None leaves out a field that would be sent.

    Fields of a request are the provider's own names and go to it as they are. Raises UsageError for a setting that the
    model doesn't have, and for what is no setting of a model.
    """
    if not settings:
        return model
    if not isinstance(model, OpenAIModel | LocalModel):
        raise UsageError(
            f"{model.name} takes no settings from outside; give them where it is made, in Python"
        )
    known = _FIELDS[OpenAIModel if isinstance(model, OpenAIModel) else LocalModel]
    own: dict[str, Any] = {}
    body: dict[str, Any] = {}
    for key, value in settings.items():
        if key in _REFUSED:
            raise UsageError(f"{key!r} is no setting of a model; {_REFUSED[key]}")
        name = "max_output_tokens" if key in _OUTPUT_LIMIT and value is not None else key
        if name in known:
            own[name] = _checked(key, value, known[name])
        else:
            body[key] = value
    if isinstance(model, OpenAIModel):
        return dataclasses.replace(model, **own, extra={**model.extra, **body})
    if body:
        raise UsageError(
            f"the embedded model has no setting {next(iter(body))!r}; it has {', '.join(known)}"
        )
    return dataclasses.replace(model, **own)


def _checked(key: str, value: Any, kind: Any) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        said = str(error)
        raise UsageError(
            f"setting {key!r} can't be {value!r}: {said[:1].lower()}{said[1:]}"
        ) from None
