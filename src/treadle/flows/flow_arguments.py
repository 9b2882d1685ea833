"""The arguments of a flow's run, as they are written to the log and read from it."""

from collections.abc import Callable
from typing import Any

from ..core.errors import UsageError
from ..runtime.arguments import read_by_annotations, write_arguments
from ..runtime.serialize import return_type


def encode_arguments(
    name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> str:
    """The arguments as JSON. Raises UsageError for what can't be kept, before anything runs."""
    return_type(function)
    said = write_arguments(function, args, kwargs, marks=True).text
    decode_arguments(name, function, said)
    return said


def decode_arguments(name: str, function: Callable[..., Any], text: str) -> dict[str, Any]:
    """The arguments with the types of the function's annotations.

    They are read from the log in every run, so that every run gets the same.
    """
    try:
        return read_by_annotations(function, text)
    except UsageError as error:
        raise UsageError(f"the flow {name}: {error}") from None
