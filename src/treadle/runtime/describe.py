"""Describes a model as its agent's log keeps it, and makes a stand-in of that. Pure.

Settings are kept as they are. Of what else is sent with a request only the names listed here are:
anything else could be a key, an address or a header, so that the log has but a hash of it.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from ..core import events as e
from ..core.model import Model
from ..core.model_settings import SENT_NAMES, SETTING_NAMES, ModelSettings
from ..models.scripted import ScriptedModel

_PLAIN_FIELDS = ("top_k", "min_p", "frequency_penalty", "presence_penalty", "verbosity")
"""Fields of requests that the log holds as they are."""


def own_settings(model: Model) -> ModelSettings:
    """The model's own settings, if it has any."""
    own = getattr(model, "settings", None)
    return own if isinstance(own, ModelSettings) else ModelSettings()


def describe_model(model: Model, asked: ModelSettings) -> dict[str, Any]:
    """The model's sizes and settings, under what is asked of it."""
    described: dict[str, Any] = {
        "context_tokens": model.context_tokens,
        "max_output_tokens": model.max_output_tokens,
    }
    return described | describe_settings(asked.over(own_settings(model)))


def describe_settings(settings: ModelSettings) -> dict[str, Any]:
    """What is given of these settings, as the log has it."""
    described: dict[str, Any] = {}
    for name in settings.given():
        if name != "extra":
            value = getattr(settings, name)
            described[SENT_NAMES.get(name, name)] = list(value) if name == "stop" else value
    hidden: dict[str, str] = {}
    for name, value in settings.extra.items():
        if name in _PLAIN_FIELDS and isinstance(value, str | int | float):
            described[name] = value
        elif value is not None:
            plain = msgspec.json.encode(value, order="sorted")
            hidden[name] = hashlib.blake2b(plain, digest_size=8).hexdigest()
    if hidden:
        described["extra"] = hidden
    return described


def settings_in_log(described: Mapping[str, Any]) -> ModelSettings:
    """The settings that a description tells, but for those of which it has only a hash."""
    own = {sent: name for name, sent in SENT_NAMES.items()}
    named = {own.get(name, name): value for name, value in described.items()}
    told = {name: named[name] for name in SETTING_NAMES - {"extra"} if name in named}
    if "stop" in told:
        told["stop"] = tuple(told["stop"])
    return ModelSettings(**told)


def model_from(described: e.AgentDescribed) -> Model:
    """A model with the described name and sizes."""
    model = ScriptedModel([], name=described.model, price_usd=None)
    for name in ("context_tokens", "max_output_tokens"):
        size = described.settings.get(name)
        if isinstance(size, int):
            setattr(model, name, size)
    return model
