"""How a model is to write its replies: temperature, effort, seed and the like. Pure.

1. None means not sent: the model's own value holds, or else the provider's default.
2. What is asked for a run wins over the agent's settings, and those win over the model's own.
3. The names are Treadle's. A dialect maps them to its provider's, or refuses them (models/).
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Annotated, Any

import msgspec

from .check_settings import check_kind
from .errors import UsageError

FIELD_NAMES = {
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "reasoning_effort": "effort",
    "stop_sequences": "stop",
}
"""The providers' names of settings that Treadle has under a name of its own."""
SENT_NAMES = {"effort": "reasoning_effort"}
"""Where the body of chat completions, and the log, have another name."""

_NOT_SETTINGS = {
    "api_key": "set the provider's environment variable (treadle models)",
    "base_url": "name the model by its address, as http://127.0.0.1:8000/v1#name",
    "input": "say it in the question or the instructions",
    "messages": "say it in the question or the instructions",
    "model": "name the model itself",
    "stream": "every reply is streamed",
    "tools": "choose the agent's tools; only those that the provider runs are named here, by type",
}

_KINDS: dict[str, Any] = {
    "temperature": Annotated[float, msgspec.Meta(ge=0)],
    "top_p": Annotated[float, msgspec.Meta(ge=0, le=1)],
    "effort": Annotated[str, msgspec.Meta(min_length=1)],
    "seed": int,
    "stop": tuple[Annotated[str, msgspec.Meta(min_length=1)], ...],
    "service_tier": Annotated[str, msgspec.Meta(min_length=1)],
    "parallel_tool_calls": bool,
    "max_output_tokens": Annotated[int, msgspec.Meta(ge=1)],
    "extra": dict[str, Any],
}


SETTING_NAMES = frozenset(_KINDS)
"""The names of all settings."""


@dataclass(frozen=True)
class ModelSettings:
    """How a model is to write its replies. None: not sent. Raises UsageError for what can't be."""

    _: KW_ONLY
    temperature: float | None = None
    top_p: float | None = None
    effort: str | None = None
    """How much it reasons, in the provider's words: `none`, `low`, `high`, …"""
    seed: int | None = None
    stop: tuple[str, ...] | None = None
    """The reply ends before any of these texts. One text alone will do; (): before none."""
    service_tier: str | None = None
    """The provider's word, such as `flex` or `priority`. It changes the price."""
    parallel_tool_calls: bool | None = None
    """Whether one reply may ask for several calls. Sent only with tools."""
    max_output_tokens: int | None = None
    """The most tokens that a reply is asked to have. The limits of a turn know of it."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the request's body for which there is no setting, under the provider's names.

    They win over all that Treadle sends; None leaves a field out.
    """

    def __post_init__(self) -> None:
        if isinstance(self.stop, str):
            object.__setattr__(self, "stop", (self.stop,))
        for name in self.given():
            value = convert_setting(name, getattr(self, name), _KINDS[name])
            object.__setattr__(self, name, value)
        for name, value in self.extra.items():
            _check_extra(name, value)

    def given(self) -> tuple[str, ...]:
        """The names of the settings that aren't left open."""
        return tuple(name for name in _KINDS if getattr(self, name) not in (None, {}))

    def over(self, lower: "ModelSettings") -> "ModelSettings":
        """Both, where these win. Fields of `extra` are taken one by one."""
        if not lower.given():
            return self
        if not self.given():
            return lower
        changes = {name: getattr(self, name) for name in self.given()}
        changes["extra"] = {**lower.extra, **self.extra}
        return replace(lower, **changes)


NO_SETTINGS = ModelSettings()
"""All is left open."""


def settings_of(values: Mapping[str, Any]) -> ModelSettings:
    """The settings with these names: Treadle's own, or a provider's; others are fields of `extra`.

    None leaves a field of the request out, by the provider's name. Raises UsageError.
    """
    own: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for key, value in values.items():
        name = FIELD_NAMES.get(key, key)
        if name == "extra" or name not in _KINDS or (value is None and name != key):
            extra[key] = value
        elif value is None and name != "max_output_tokens":
            extra[SENT_NAMES.get(name, name)] = None
        else:
            if name == "stop" and isinstance(value, str):
                value = (value,)
            own[name] = convert_setting(key, value, _KINDS[name])
    return ModelSettings(**own, extra=extra)


def check_model_settings(what: str, given: Any) -> None:
    """Raise UsageError unless this is a ModelSettings: a dict, say, is of no use."""
    check_kind(what, given, ModelSettings, "a ModelSettings, as ModelSettings(temperature=0)")


def refuse_uncarried(settings: ModelSettings, carried: Collection[str], model: str) -> None:
    """Raise UsageError for a setting that can't be told to this model."""
    for name in settings.given():
        if name in carried:
            continue
        if name == "extra":
            name = next(iter(settings.extra))
        raise UsageError(
            f"{model} has no setting {name!r}; it has {', '.join(sorted(carried)) or 'none'}"
        )


def convert_setting(name: str, value: Any, kind: Any) -> Any:
    """The value as this type. Raises UsageError."""
    try:
        converted = msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        text = str(error)
        reason = text[:1].lower() + text[1:]
        raise UsageError(f"setting {name!r} can't be {value!r}: {reason}") from None
    if isinstance(converted, float) and not math.isfinite(converted):
        raise UsageError(f"setting {name!r} can't be {value!r}: expected a finite number")
    return converted


def _check_extra(name: str, value: Any) -> None:
    if name in _NOT_SETTINGS and not (name == "tools" and _are_provider_s(value)):
        raise UsageError(f"{name!r} is no setting of a model; {_NOT_SETTINGS[name]}")
    own = FIELD_NAMES.get(name, name)
    if own in _KINDS and value is not None:
        raise UsageError(f"extra has {name!r}, which is a setting: ModelSettings({own}=...)")
    try:
        msgspec.json.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"extra field {name!r} can't be written as JSON: {error}") from None


def _are_provider_s(tools: Any) -> bool:
    """Whether these are tools that the provider runs, such as {"type": "web_search"}, or none."""
    if not isinstance(tools, list | tuple):
        return False
    return all(
        isinstance(each, dict) and each.get("type") not in (None, "function") for each in tools
    )
