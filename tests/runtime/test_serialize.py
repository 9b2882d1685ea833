"""What a flow writes comes back the same, or is refused."""

import math
import typing
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretStr

from treadle import UsageError
from treadle.core.events import Usage
from treadle.runtime.same_value import find_difference
from treadle.runtime.serialize import (
    NotSerializable,
    read_told,
    read_value,
    return_type,
    to_json,
    write_argument,
    write_value,
)


@dataclass
class Order:
    number: int
    lines: tuple[str, ...] = ()
    weight: float = 0.0
    label: bytes = b""


@dataclass
class RushOrder(Order):
    pass


class Customer(BaseModel):
    model_config = {"extra": "forbid"}
    name: str = Field(alias="customerName")
    since: date = date(2026, 1, 2)


class Colour(Enum):
    RED = 1


class Size(StrEnum):
    BIG = "big"


class Point(NamedTuple):
    x: int
    y: int


class Text(str):
    pass


BERLIN = datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=2)))
DECLARED = [
    (b"\x89PNG\xff", bytes),
    ([b"\x89"], list[bytes]),
    ((1, "a"), tuple[int, str]),
    ({3, 1, 2}, set[int]),
    ({1: "a"}, dict[int, str]),
    (Point(1, 2), Point),
    (Colour.RED, Colour),
    (Size.BIG, Size),
    (Decimal("1.10"), Decimal),
    (BERLIN, datetime),
    (time(12, tzinfo=UTC), time),
    (timedelta(days=1, microseconds=3), timedelta),
    (UUID(int=7), UUID),
    (Path("a/b"), Path),
    (deque([1]), deque[int]),
    (Counter("aab"), Counter[str]),
    (Order(1, ("lamp",), 2.5, b"\x89"), Order),
    ([Order(1)], list[Order | Customer]),
    (Customer(customerName="ann"), Customer),
    (Usage(3, 4), Usage),
    (None, int | None),
    (2**70, int),
    (-0.0, float),
]
NOT_FINITE = [
    (math.nan, float),
    (-math.inf, float),
    ([1.0, math.inf], list[float]),
    (Order(1, weight=math.nan), Order),
]
UNDECLARED = [
    (1, {"a": (2,)}),
    {1: "a", None: 2, (1, 2): 3},
    {1, "a"},
    frozenset({1.5}),
    b"\x89",
    [math.inf, {"a": math.nan}],
    1j,
    Decimal("NaN"),
    BERLIN,
    [date(2026, 1, 2), time(1, 2), timedelta(days=-1, seconds=3)],
    UUID(int=7),
    {"$": "tuple", "of": [1]},
    ({"$": "value", "of": [1]},),
]
REFUSED = [
    (Order(1), Any, "is a Order, and would come back as a dict"),
    (RushOrder(1), Order, "is a RushOrder, and would come back as a Order"),
    (Customer(customerName="ann"), Any, "is a Customer, and would come back as a dict"),
    (Colour.RED, Any, "is a Colour, and would come back as a int"),
    ({"a": [Point(1, 2)]}, Any, r"at \['a'\]\[0\] it is a Point, and would come back as a list"),
    (Point(1, 2), tuple, "is a Point, and would come back as a tuple"),
    (Text("a"), Any, "a Text has no JSON form"),
    (Text("a"), str, "a Text has no JSON form"),
    (OrderedDict(a=1), Any, "is a OrderedDict, and would come back as a dict"),
    (SecretStr("key"), SecretStr, "no JSON form"),
    (object(), Any, "a object has no JSON form"),
    ("\ud800", Any, "a str has no JSON form"),
]


def check(value: Any, text: str, kind: Any) -> None:
    back = read_value(text, kind)
    assert not find_difference(value, back)
    assert type(back) is type(value)
    assert back == value or "nan" in repr(value).lower()
    msgspec.json.decode(text)  # it is JSON


@pytest.mark.parametrize(("value", "kind"), DECLARED + NOT_FINITE)
def test_a_result_comes_back_by_the_type_that_is_declared(value, kind):
    check(value, write_value(value, kind), kind)


@pytest.mark.parametrize("value", UNDECLARED)
@pytest.mark.parametrize("kind", [Any, dict[str, Any] | Any, object])
def test_python_s_own_values_come_back_as_results_that_nobody_declared(value, kind):
    check(value, write_value(value, kind), kind)


def test_a_value_within_a_declared_one_comes_back_too():
    value = {"a": (1, {2})}
    check(value, write_value(value, dict[str, Any]), dict[str, Any])


@pytest.mark.parametrize(("value", "kind", "said"), REFUSED)
def test_what_would_come_back_as_something_else_is_refused_and_named(value, kind, said):
    with pytest.raises(NotSerializable, match=said):
        write_value(value, kind)
    with pytest.raises(NotSerializable, match=said):
        write_argument(value, kind)


@pytest.mark.parametrize(("value", "kind"), DECLARED)
def test_an_argument_comes_back_by_its_annotation(value, kind):
    text, chosen = write_argument(value, kind)
    check(value, text, chosen)


@pytest.mark.parametrize(
    ("value", "kind"),
    [*NOT_FINITE, ((1, 2), Any), ((1, 2), list[int]), ({1: "a"}, dict), (b"a", Any), ({1}, Any)],
)
def test_an_argument_that_would_come_back_as_something_else_is_refused(value, kind):
    with pytest.raises(NotSerializable, match=r"would come back|valid number|NaN"):
        write_argument(value, kind)


@pytest.mark.parametrize(
    ("value", "kind"), [(5, float), ("a", Path), ({"k": True}, dict[str, int]), ("x", int)]
)
def test_plain_json_comes_back_as_it_is_where_the_annotation_would_make_it_something_else(
    value, kind
):
    """A function gets what it was called with, though its annotation isn't quite right."""
    text, chosen = write_argument(value, kind)
    back = read_value(text, chosen)
    assert (type(back), back) == (type(value), value)


def test_a_whole_number_may_be_given_where_a_float_is_declared():
    for value, kind in (
        ({"a": 1}, dict[str, float]),
        ([("a", 3)], list[tuple[str, float]]),
        (Order(1, weight=2), Order),
    ):
        assert read_value(write_value(value, kind), kind) == value


def test_plain_json_comes_back_as_the_declared_type_makes_of_it():
    assert read_value(write_value("a", Path), Path) == Path("a")
    with pytest.raises(NotSerializable, match=r"it isn't what the function says.*: 0: Input"):
        write_value(["x"], list[int])


def test_the_order_of_a_set_is_the_same_in_each_process():
    assert write_argument({"c", "a", "b"}, set[str])[0] == '["a","b","c"]'
    assert write_argument({"z": {"c", "a"}, "b": {"b"}}, dict[str, set[str]])[0].endswith(
        '"z":["a","c"]}'
    )


def test_a_type_that_no_json_can_make_is_refused_before_anything_runs():
    class Connection:
        pass

    def connect() -> Connection: ...

    def several() -> typing.Iterator[Connection]: ...

    for function in (connect, several, Connection):
        with pytest.raises(UsageError, match="a log keeps JSON, from which that can't be made"):
            return_type(function)

    def late() -> "NotThereAnyMore": ...  # noqa: F821

    assert return_type(late) is Any
    assert return_type(Order) is Order


def test_what_people_are_shown_needs_no_way_back():
    assert to_json({"who": Point(1, 2), "colour": Colour.RED}) == '{"who":[1,2],"colour":1}'
    with pytest.raises(NotSerializable, match="NaN"):
        to_json({"a": math.nan})


@dataclass
class Nested:
    inner: list["Nested"] = field(default_factory=list)


def test_deep_values_and_values_that_hold_themselves_are_no_danger():
    deep: Any = []
    for _ in range(900):
        deep = [deep]
    assert write_value(deep).count("[") == 901
    round_and_round: list[Any] = []
    round_and_round.append(round_and_round)
    with pytest.raises(NotSerializable, match="no JSON form"):
        write_value(round_and_round)
    assert write_value(Nested([Nested()]), Nested) == '{"inner":[{"inner":[]}]}'


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec="utf-8"))
    | st.binary()
    | st.decimals()
    | st.datetimes(timezones=st.just(UTC))
    | st.dates()
    | st.uuids(),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text(st.characters(codec="utf-8")) | st.integers(), inner)
        | st.frozensets(st.integers() | st.binary())
    ),
    max_leaves=10,
)


@given(VALUES)
def test_any_value_of_python_s_own_types_comes_back_the_same(value):
    assert not find_difference(value, read_value(write_value(value)))


@given(VALUES)
def test_an_argument_comes_back_the_same_or_is_refused(value):
    try:
        text, kind = write_argument(value, Any)
    except NotSerializable:
        return
    assert not find_difference(value, read_value(text, kind, finite=True))


@pytest.mark.parametrize(
    ("told", "kind", "value"),
    [("booked", str, "booked"), ("12", str, "12"), ('"booked"', str, "booked"), ("12", int, 12)],
)
def test_what_a_person_says_of_a_step_is_of_its_type_and_a_text_needs_no_quotes(told, kind, value):
    assert read_told(told, kind) == value
    assert type(read_told(told, kind)) is kind
