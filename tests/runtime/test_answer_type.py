import datetime
from decimal import Decimal
from typing import Any, Literal

import pydantic
import pytest

from treadle.core.errors import UsageError
from treadle.runtime.answer_type import AnswerType


class Day(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)
    on: datetime.date
    at: tuple[int, int] = (0, 0)


class Node(pydantic.BaseModel):
    value: int
    kids: list["Node"] = []


@pytest.mark.parametrize(
    ("kind", "answer", "value"),
    [
        (int, '{"value": 3}', 3),
        (int, "3", 3),
        (str, '{"value": "x"}', "x"),
        (list[int], '{"value": [1, 2]}', [1, 2]),
        (list[int], "[1, 2]", [1, 2]),
        (Literal["a", "b"], '{"value": "b"}', "b"),
        (int | None, '{"value": null}', None),
        (dict[str, int], '{"a": 1}', {"a": 1}),
        (dict[str, int], '{"value": 1}', {"value": 1}),
        (Day, '{"on": "2026-01-02", "at": [1, 2]}', Day(on=datetime.date(2026, 1, 2), at=(1, 2))),
        (list[Day], '{"value": [{"on": "2026-01-02"}]}', [Day(on=datetime.date(2026, 1, 2))]),
        (int, '```json\n{"value": 3}\n```', 3),
        (int, " ```\n3\n``` ", 3),
        (
            Node,
            '{"value": {"value": 1, "kids": [{"value": 2}]}}',
            Node(value=1, kids=[Node(value=2)]),
        ),
        (Node, '{"value": 1, "kids": []}', Node(value=1)),
        (Node | None, '{"value": 1}', Node(value=1)),
        (Node, '<think>A {9}?</think>\n\n{"value": 1}', Node(value=1)),
        (Node, 'So {9} it is.\n</think>\n\n{"value": 1}', Node(value=1)),
        (Node, 'Here it is:\n```json\n{"value": 1}\n```\nGood?', Node(value=1)),
        (Node, 'It is {"value": 1}, by [1].', Node(value=1)),
        (Node, 'It is {"value": 1}.\n```json\n{"value":1}\n```', Node(value=1)),
        (list[int], "These: [1, 2]", [1, 2]),
        (str, '{"value": "a {\\"b\\": 1} c"}', 'a {"b": 1} c'),
    ],
)
def test_an_answer_becomes_the_value_that_was_asked_for(kind: Any, answer: str, value: Any):
    answers = AnswerType(kind)
    assert answers.check(answer) is None
    assert answers.parse(answer) == value


@pytest.mark.parametrize(
    ("kind", "answer", "said"),
    [
        (int, "three", "it is not JSON"),
        (Decimal, '{"value": 12345678901234567.89}', "too many digits for a number of JSON"),
        (int, '{"value": "x"}', "valid integer"),
        (Day, "{", "JSON"),
        (Node, 'Was {"value": 1}, is {"value": 2}.', "it holds 2 JSON values; give one"),
        (Node, "```json\n{1}\n```", "JSON"),
        (Day, "{}", "on: Field required"),
        (list[int], "[" * 100_000, "JSON"),
        (int, "9" * 6000, ""),
        (float, '{"value": NaN}', "JSON"),
        (float, "1e400", "too large"),
        (float, '{"value": "nan"}', "must be finite"),
        (dict[str, float], '{"a": "Infinity"}', "must be finite"),
        (Node, '{"value": 1, "value": 2}', "comes twice"),
    ],
)
def test_an_unfit_answer_is_told_in_words(kind: Any, answer: str, said: str):
    wrong = AnswerType(kind).check(answer)
    assert wrong
    assert said in wrong


@pytest.mark.parametrize("kind", [int, list[Day], Day, dict[str, int], Day | None, Node])
def test_the_schema_is_always_of_an_object_and_its_references_resolve(kind: Any):
    schema = AnswerType(kind).schema
    assert schema["type"] == "object"
    assert "properties" in schema
    assert "$ref" not in schema
    assert str(schema).count("#/$defs/") == 0 or {"Day", "Node"} & schema["$defs"].keys()


def test_a_type_that_can_have_no_schema_is_the_caller_s_error():
    with pytest.raises(UsageError, match="no JSON Schema"):
        AnswerType(type(lambda: 0))
