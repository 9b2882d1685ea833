"""`-o key=value`: settings of the model, from the command line."""

from collections.abc import Sequence
from typing import Any

import msgspec

from ..core.errors import UsageError
from ..core.model import Model
from .options import AgentOptions


def with_options(model: str | Model | None, settings: AgentOptions) -> str | Model | None:
    """The model with the settings of `-o`; as it is, and not even made, where none is given. Raises UsageError."""
    if not settings.option:
        return model
    given = settings_of(settings.option)

    from ..models.resolve import resolve_model
    from ..models.settings import with_settings

    made = resolve_model(model) if model is None or isinstance(model, str) else model
    return with_settings(made, given)


def settings_of(options: Sequence[str]) -> dict[str, Any]:
    """Of `key=value`, a dict: a value that is JSON is what it means, any other is text. Raises UsageError."""
    return dict(_setting(option) for option in options)


def _setting(option: str) -> tuple[str, Any]:
    key, equals, text = option.partition("=")
    key = key.strip()
    if not (equals and key):
        raise UsageError(
            f"-o {option!r} is no setting; it must be like -o temperature=0 or -o reasoning_effort=low"
        )
    try:
        value = _value(text)
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


def _value(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, RecursionError):
        return text
