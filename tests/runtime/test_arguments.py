"""The arguments of a call are written once, and each reading makes new objects."""

import functools
from dataclasses import dataclass
from typing import Any

import pytest

from treadle import UsageError
from treadle.core.context import Context
from treadle.runtime.arguments import read_arguments, read_by_annotations, write_arguments


@dataclass
class Order:
    label: bytes


def mixed(a: int, /, order: Order, *rest: float, more: dict[int, str], **others: bytes) -> None: ...


def test_every_kind_of_parameter_comes_back_in_its_place():
    given = ((1, Order(b"\x89"), 2.5), {"more": {1: "a"}, "z": b"\xff"})
    written = write_arguments(mixed, *given)
    assert (
        written.text == '{"a":1,"order":{"label":"iQ=="},"rest":[2.5],"more":{"1":"a"},"z":"/w=="}'
    )
    assert read_arguments(written, {}) == given
    first, second = (read_arguments(written, {})[0][1] for _ in range(2))
    assert first is not second


def test_a_default_is_left_to_the_function_and_the_context_goes_where_it_belongs():
    def pay(who: str, context: Context, euros: int = 1) -> None: ...

    written = write_arguments(pay, ("ann",), {"euros": 2}, "context")
    assert written.text == '{"who":"ann","euros":2}'
    args, kwargs = read_arguments(written, {"context": "here"})
    assert (args, kwargs) == (("ann", "here", 2), {})
    assert write_arguments(pay, ("ann",), {}, "context").text == '{"who":"ann"}'


class Calls:
    def __call__(self, order: Order) -> None: ...

    def method(self, order: Order) -> None: ...


@pytest.mark.parametrize("function", [Calls(), Calls().method, functools.partial(Calls().method)])
def test_the_annotations_of_methods_partials_and_callable_objects_count(function):
    written = write_arguments(function, (Order(b"\x89"),), {})
    assert read_arguments(written, {})[0] == (Order(b"\x89"),)


def test_builtins_get_what_they_were_given():
    written = write_arguments(print, ("a", 1), {"sep": "-"})
    assert read_arguments(written, {}) == (("a", 1), {"sep": "-"})
    assert read_arguments(write_arguments(max, (1, 2), {}), {}) == ((1, 2), {})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (((1,), {"label": object()}), "label can't be: a object has no JSON form"),
        (((1,), {"label": [(1, 2)]}), r"label can't be: at \[0\] it is a tuple, and would come"),
        (((1,), {"label": "x" * 1_000_000}), "and it has 1,000,02. characters"),
        (((1,), {"number": 2}), "number is given twice"),
        (((), {}), "missing a required argument: 'number'"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name(given: Any, said):
    def note(number: int, /, **more: Any) -> None: ...

    with pytest.raises(UsageError, match=f"note: .*{said}"):
        write_arguments(note, *given)


def test_arguments_are_read_by_annotations_and_what_does_not_fit_is_refused():
    def sell(order: Order, times: float = 1.0) -> None: ...

    assert read_by_annotations(sell, '{"order":{"label":"iQ=="}}') == {"order": Order(b"\x89")}
    for text, said in (
        ('{"order":3}', "order: Input should be"),
        ('{"order":{"label":""},"times":"NaN"}', "times"),
        ('{"order":{"label":""},"other":1}', "unexpected keyword argument 'other'"),
        ("{}", "missing a required argument: 'order'"),
    ):
        with pytest.raises(UsageError, match=said):
            read_by_annotations(sell, text)
