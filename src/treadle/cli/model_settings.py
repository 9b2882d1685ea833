"""Gives an agent the settings of the command line: `-o key=value`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

from ..core.errors import UsageError
from ..runtime.agent import Agent
from ..runtime.agent_settings import make_model
from .options import AgentOptions


def with_model_options(agent: Agent, settings: AgentOptions) -> Agent:
    """The agent with the settings of `-o`.

    What belongs to the model itself, such as its prices, makes another model. Raises UsageError.
    """
    if not settings.option:
        return agent
    from ..models.settings import split_settings, with_settings

    own, asked = split_settings(parse_model_options(settings.option))
    agent = replace(agent, settings=asked.over(agent.settings))
    if own:
        agent = replace(agent, model=with_settings(make_model(agent.model), own))
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
