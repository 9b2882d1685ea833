"""Changes the settings of an existing model, e.g. {"temperature": 0, "seed": 7}.

A ModelSettings holds what any model may be told, and can be given to an agent and to a run as well.
Here are besides the few things that belong to the model itself, such as its prices.
"""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from ..core.errors import UsageError
from ..core.model import Model
from ..core.model_settings import (
    ModelSettings,
    convert_setting,
    refuse_uncarried,
    settings_of,
)
from .local.local_model import LocalModel
from .remote_model import RemoteModel

_Count = Annotated[int, msgspec.Meta(ge=1)]
_OWN: dict[str, Any] = {"context_tokens": _Count, "own_template": bool, "prices": Any}
"""The fields of models that a command line may set, beside ModelSettings."""


def split_settings(values: Mapping[str, Any]) -> tuple[dict[str, Any], ModelSettings]:
    """The values that belong to the model itself, and the settings for its requests.

    Raises UsageError for what is no setting.
    """
    own = {
        name: convert_setting(name, value, _OWN[name])
        for name, value in values.items()
        if name in _OWN
    }
    return own, settings_of({name: values[name] for name in values if name not in _OWN})


def with_settings(model: Model, settings: Mapping[str, Any]) -> Model:
    """The model with these settings, which win over its own.

    What isn't a field of ModelSettings or of the model is a field of the request, with the
    provider's own name; None removes it. Raises UsageError for a setting that the model doesn't
    have, and for what is no setting of a model.
    """
    if not settings:
        return model
    if not isinstance(model, RemoteModel | LocalModel):
        raise UsageError(
            f"{model.name} takes no settings from outside; give them where it is made, in Python"
        )
    own, asked = split_settings(settings)
    fields = {field.name for field in dataclasses.fields(model)}
    known = sorted({*model.carried_settings, *(fields & _OWN.keys())})
    for name in own:
        if name not in fields:
            raise UsageError(f"{model.name} has no setting {name!r}; it has {', '.join(known)}")
    refuse_uncarried(asked, known, model.name)
    changed: Model = dataclasses.replace(model, **own, settings=asked.over(model.settings))
    return changed
