"""Makes the model of the command line, with its settings: `-o key=value`."""

from collections.abc import Sequence
from typing import Any

import msgspec

from ..core.errors import UsageError
from ..core.model import Model
from .options import AgentOptions


def make_model(model: str | Model | None) -> Model:
    """The model itself, or the one of this name; None: the default. Raises UsageError."""
    from ..models.resolve import resolve_model

    if model is None or isinstance(model, str):
        return resolve_model(model)
    return model


def with_model_options(model: str | Model | None, settings: AgentOptions) -> str | Model | None:
    """The model with the settings of `-o`.

    Unchanged, and not even made, without any. Raises UsageError.
    """
    if not settings.option:
        return model
    given = parse_model_options(settings.option)

    from ..models.settings import with_settings

    return with_settings(make_model(model), given)


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
