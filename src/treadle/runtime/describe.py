"""Describes a model as its agent's log keeps it, and makes a stand-in of that. Pure.

Only the settings that are listed here: anything else could be a key, an address or a header.
"""

from collections.abc import Mapping
from typing import Any

from ..core import events as e
from ..core.model import Model
from ..models.scripted import ScriptedModel

RECORDED_SETTINGS = (
    "context_tokens",
    "max_output_tokens",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "reasoning_effort",
    "verbosity",
    "service_tier",
    "parallel_tool_calls",
)
"""The settings of a model that the log may hold."""


def describe_model(model: Model) -> dict[str, Any]:
    """The model's settings: plain values under the names above."""
    extra = getattr(model, "extra", None)
    own = {name: getattr(model, name, None) for name in RECORDED_SETTINGS}
    if isinstance(extra, Mapping):
        own |= {name: extra[name] for name in RECORDED_SETTINGS if name in extra}
    return {name: value for name, value in own.items() if isinstance(value, str | int | float)}


def model_from(described: e.AgentDescribed) -> Model:
    """A model with the described name and sizes."""
    sizes = {
        name: value
        for name, value in described.settings.items()
        if name in ("context_tokens", "max_output_tokens") and isinstance(value, int)
    }
    return ScriptedModel([], name=described.model, price_usd=None, **sizes)
