"""Answers of a type: its JSON Schema, and the check that an answer is one. Pure, by pydantic."""

import json
import re
from functools import cached_property
from typing import Any

from ..core.errors import UsageError


class Answers:
    """What an answer must be: any type that pydantic knows."""

    def __init__(self, kind: Any) -> None:
        from pydantic import TypeAdapter  # only who asks for typed answers pays for the import

        try:
            self._type: Any = TypeAdapter(kind)
            self._schema = self._type.json_schema()
        except Exception as error:  # pydantic raises many kinds for what is no type
            raise UsageError(f"output={kind!r} has no JSON Schema: {error}") from error

    @cached_property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of the answer. What isn't an object is wrapped in one: providers take nothing else."""
        if self._wrapped:
            inner = {key: value for key, value in self._schema.items() if key != "$defs"}
            outer: dict[str, Any] = {
                "type": "object",
                "properties": {"value": inner},
                "required": ["value"],
            }
            return outer | ({"$defs": self._schema["$defs"]} if "$defs" in self._schema else {})
        return dict(self._schema)

    @property
    def instructions(self) -> str:
        """For models that can't be held to a schema."""
        schema = json.dumps(self.schema)
        return f"Give the final answer as one JSON object that fits this JSON Schema, and nothing else:\n{schema}"

    def parse(self, answer: str) -> Any:
        """The value that the answer is. Raises pydantic's ValidationError, a ValueError."""
        text = _unfenced(answer)
        if not self._wrapped:
            return self._type.validate_json(text)
        value = json.loads(text)
        inner = value["value"] if isinstance(value, dict) and "value" in value else value
        return self._type.validate_json(
            json.dumps(inner)
        )  # as JSON: a strict type takes a date's text only there

    def check(self, answer: str) -> str | None:
        """None if the answer will do, else what is wrong with it, in words for the model."""
        from pydantic import ValidationError

        from ..core.schema import describe_validation_error

        try:
            self.parse(answer)
        except ValidationError as error:
            return describe_validation_error(error)
        except (ValueError, RecursionError) as error:
            return f"it is not JSON: {error}"
        return None

    @property
    def _wrapped(self) -> bool:
        return self._schema.get("type") != "object" and "$ref" not in self._schema


def _unfenced(answer: str) -> str:
    """Without the code fence that models like to put round JSON."""
    fenced = re.fullmatch(r"\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*", answer, re.S)
    return fenced.group(1) if fenced else answer
