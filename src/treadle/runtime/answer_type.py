"""The type that an answer must be: its JSON Schema, and the check of an answer. Pure."""

import contextlib
import json
from dataclasses import replace
from functools import cached_property
from typing import Any

from ..core.errors import UsageError
from ..core.exact_numbers import is_finite, refuse_rounded
from ..core.find_json import find_json
from ..core.raised import call_guarded
from ..core.result import Result
from ..core.schema_shape import as_object
from ..core.strict_json import value_of


class AnswerType:
    """Any type that pydantic knows, for the answers of an agent."""

    def __init__(self, kind: Any) -> None:
        from pydantic import TypeAdapter  # only who asks for typed answers pays for the import

        try:
            self._type: Any = TypeAdapter(kind)
            self._schema = self._type.json_schema()
        except Exception as error:  # pydantic raises many kinds for what is no type
            raise UsageError(f"output={kind!r} has no JSON Schema: {error}") from error

    @cached_property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of the answer. A type that isn't plainly an object is wrapped in one.

        Providers take nothing but objects, and no reference at the root.
        """
        if not self._is_wrapped:
            return as_object(self._schema) or {}
        inner = dict(self._schema)
        definitions = inner.pop("$defs", None)
        wrapper = {"type": "object", "properties": {"value": inner}, "required": ["value"]}
        if definitions is not None:
            wrapper["$defs"] = definitions
        return wrapper

    @property
    def instructions(self) -> str:
        """For models that can't be held to a schema."""
        return (
            "Give the final answer as one JSON object that fits this JSON Schema, and nothing else:"
            f"\n{json.dumps(self.schema)}"
        )

    def parse(self, answer: str) -> Any:
        """The answer's value. Raises pydantic's ValidationError, or another ValueError.

        The one JSON value in it counts, whatever words, thoughts or code fences stand round it. It
        is read as strictly as the arguments of a call: NaN, say, passes no comparison.
        """
        text = find_json(answer)
        value = value_of(text)
        if not self._is_wrapped:
            return _refuse_inexact(text, self._type.validate_json(text))
        if not isinstance(value, dict) or "value" not in value:
            return self._parse_value(text, value)
        try:
            return self._parse_value(text, value["value"])
        except ValueError:
            with contextlib.suppress(ValueError):  # no wrapper: a field of its own is named `value`
                return self._parse_value(text, value)
            raise

    def _parse_value(self, text: str, value: Any) -> Any:
        # As JSON, not as Python values: only there does a strict type take a date's text.
        return _refuse_inexact(text, self._type.validate_json(json.dumps(value)))

    def check(self, answer: str) -> str | None:
        """What is wrong with the answer, in words for the model; None if nothing is."""
        from pydantic import ValidationError

        from ..core.schema import describe_validation_error

        try:
            call_guarded("the type of the answer", self.parse, answer)
        except ValidationError as error:
            return describe_validation_error(error)
        except (ValueError, RecursionError) as error:
            return f"it is not JSON: {error}"
        return None

    @property
    def _is_wrapped(self) -> bool:
        return self._schema.get("type") != "object"


def _refuse_inexact(text: str, value: Any) -> Any:
    """The value of this text. Raises ValueError for NaN, infinities and decimals that are rounded.

    A type may make NaN of a text.
    """
    if not is_finite(value):
        raise ValueError("a number must be finite")
    return refuse_rounded(text, value)


def with_output(result: Result, answer_type: AnswerType | None) -> Result:
    """The result of a turn, with its answer as a value of this type where it is one; None: text."""
    if result.status != "answered":
        return result
    if answer_type is None:
        return replace(result, outputs=(result.answer,))
    try:
        output = call_guarded("the type of the answer", answer_type.parse, result.answer)
    except Exception:  # it was given to an agent that asked for another type
        return result
    return replace(result, outputs=(output,))
