"""Gives an agent the settings of the command line: `-o key=value`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

from ..core.errors import UsageError
from ..core.model import Model, ModelChoice
from ..runtime.agent import Agent
from .options import AgentOptions


def choose_models(given: Sequence[str] | None) -> ModelChoice:
    """The models of `-m`, which may be repeated and may name several with commas between them."""
    if not given:
        return None
    from ..models.choose import split_names

    return [name for text in given for name in split_names(text)]


def with_model_options(agent: Agent, settings: AgentOptions) -> Agent:
    """The agent with the settings of `-o`.

    What belongs to the model itself, such as its prices, makes another model. Raises UsageError.
    """
    if not settings.option:
        return agent
    from ..models.choose import UnusableModel, make_models
    from ..models.settings import split_settings, with_settings

    def with_own(model: Model, own: dict[str, Any]) -> Model:
        return model if isinstance(model, UnusableModel) else with_settings(model, own)

    own, asked = split_settings(parse_model_options(settings.option))
    agent = replace(agent, settings=asked.over(agent.settings))
    if own:
        models = [with_own(each, own) for each in make_models(agent.model)]
        agent = replace(agent, model=models)
    agent.run_settings.refuse_uncarried()
    return agent


def parse_model_options(options: Sequence[str]) -> dict[str, Any]:
    """The settings in texts like `key=value`.

    A value is JSON, or else a text. Raises UsageError.
    """
    return dict(_parse_option(option) for option in options)


def _parse_option(option: str) -> tuple[str, Any]:
    key, equals, text = option.partition("=")
    key = key.strip()
    if not (equals and key):
        raise UsageError(
            f"-o {option!r} is no setting; it must be like -o temperature=0 or"
            " -o reasoning_effort=low"
        )
    try:
        value = _parse_value(text)
        msgspec.json.encode([key, value])
    except UnicodeEncodeError:
        raise UsageError(
            f"-o {option!r} isn't UTF-8; write it in the encoding of your terminal"
        ) from None
    except msgspec.ValidationError:
        raise UsageError(
            f"-o {option!r}: the number is too large; for a text, put it in double quotes"
        ) from None
    return key, value


def _parse_value(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, RecursionError):
        return text
