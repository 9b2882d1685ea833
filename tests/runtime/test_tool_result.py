"""What the model is shown of a tool's result: no result is lost, pictures are shown as such."""

import base64
import collections
import dataclasses
import datetime
import decimal
import enum
import json
import math
import pathlib
import types
import uuid
from typing import Any

import msgspec
import pydantic
import pytest

from fakes import agent, found
from treadle import Audio, File, Image, ScriptedModel, tool
from treadle.core import events as e
from treadle.models.scripted import calls, says
from treadle.runtime.tool_result import MORE, ShownResult, render_result

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
PDF = b"%PDF-1.7 x"
PICTURE = Image("https://x.test/a.png")


class Odd:
    """Has no JSON form."""


class Point(pydantic.BaseModel):
    x: int


@dataclasses.dataclass
class Pair:
    left: int
    right: Any


class Shape(msgspec.Struct):
    sides: int


class Colour(enum.Enum):
    RED = "red"
    PAIR = (1, 2)


class Grid:
    def tolist(self) -> list[int]:
        return [1, 2]


class Frame:
    def to_dict(self) -> dict[str, int]:
        return {"a": 1}


class Drawing:
    def _repr_png_(self) -> bytes:
        return PNG


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("broken words")


def cyclic() -> list[Any]:
    result: list[Any] = []
    result.append(result)
    return result


@pytest.mark.parametrize(
    ("result", "shown"),
    [
        (math.inf, "inf"),
        (math.nan, "nan"),
        ({"distance": math.inf, "unit": None}, '{"distance":"inf","unit":null}'),
        ([Pair(1, -math.inf)], '[{"left":1,"right":"-inf"}]'),
        ([None, "null"], '[null,"null"]'),
    ],
)
def test_an_infinite_number_is_not_shown_as_nothing(result, shown):
    assert render_result(result, 100).text == shown


@pytest.mark.parametrize(
    ("result", "shown"),
    [
        ("text", "text"),
        ("", ""),
        (None, "done; it gave no result"),
        ({"a": [1, 2.5, None, True]}, '{"a":[1,2.5,null,true]}'),
        (Point(x=1), '{"x":1}'),
        ([Point(x=1), Pair(1, "b")], '[{"x":1},{"left":1,"right":"b"}]'),
        (Pair(1, Shape(3)), '{"left":1,"right":{"sides":3}}'),
        ((1, 2), "[1,2]"),
        (10**30, "1" + "0" * 30),
        ("lone \ud800 surrogate", "lone ? surrogate"),
        ({"a": "\ud800"}, '{"a":"?"}'),
        (pathlib.PurePosixPath("report.csv"), "report.csv"),
        ({"file": pathlib.PurePosixPath("a"), "on": datetime.date(2026, 1, 2)}, None),
        (range(3), "[0,1,2]"),
        ({"a": 1}.keys(), '["a"]'),
        ({"a": 1}.items(), '[["a",1]]'),
        (collections.deque([1]), "[1]"),
        (types.MappingProxyType({"a": 1}), '{"a":1}'),
        ({None: 3, (1, 2): 4, 5: pathlib.PurePosixPath("a")}, '{"null":3,"[1, 2]":4,"5":"a"}'),
        ({1}, "[1]"),
        (math.nan, "nan"),
        ({"a": math.nan, "b": None}, '{"a":"nan","b":null}'),
        ([math.inf, -math.inf, None, 2**70], f'["inf","-inf",null,{2**70}]'),
        (Colour.RED, '"red"'),
        ([Colour.PAIR], "[[1,2]]"),
        (decimal.Decimal("1.50"), '"1.50"'),
        ([uuid.UUID(int=0), pathlib.PurePosixPath("a")], None),
        ([datetime.timedelta(days=1), 1j], '["P1D","1j"]'),
        (types.SimpleNamespace(a=Colour.RED), '{"a":"red"}'),
        (Grid(), "[1,2]"),
        (Frame(), '{"a":1}'),
        (ValueError("no"), "ValueError: no"),
        (b"plain", "plain"),
        (b"\xfe\x00", '"/gA="'),
        (Odd(), "Odd, a value without a JSON form"),
        ([Odd()], '["Odd, a value without a JSON form"]'),
        ((n for n in "ab"), "generator, which was not run: return a list"),
    ],
)
def test_results_are_shown_as_text_or_json(result, shown):
    found_text = render_result(result, 1000).text
    if shown is None:
        assert json.loads(found_text)
    else:
        assert found_text == shown


@pytest.mark.parametrize("result", [cyclic(), Broken(), [Broken()]])
def test_a_result_that_can_t_be_shown_is_told_and_says_that_the_call_ran(result):
    assert "the call ran, but its result" in render_result(result, 1000).text


def test_a_long_result_is_cut_and_says_so():
    assert render_result("x" * 25, 10) == ShownResult(
        "xxxxxxxxxx\n[cut: 10 of 25 characters are shown]", 15
    )


@pytest.mark.parametrize(
    ("result", "text", "parts"),
    [
        (PICTURE, "[picture 1]", (PICTURE,)),
        (["Here:", PICTURE, "Good?"], "Here:\n[picture 1]\nGood?", (PICTURE,)),
        (
            {"a": PICTURE, "n": 1, "b": [PICTURE]},
            '{"a":"[picture 1]","n":1,"b":["[picture 2]"]}',
            (PICTURE, PICTURE),
        ),
        (Pair(1, PICTURE), '{"left":1,"right":"[picture 1]"}', (PICTURE,)),
        (PNG, "[picture 1]", (Image.of(PNG),)),
        ({"shot": PNG}, '{"shot":"[picture 1]"}', (Image.of(PNG),)),
        (Drawing(), "[picture 1]", (Image.of(PNG),)),
        (PDF, "[file 1: file.pdf]", (File.of(PDF),)),
        (File("a.pdf", "data:application/pdf;base64,AAA="), "[file 1: a.pdf]", None),
        (Audio("data:audio/wav;base64,AAA="), "[sound 1]", None),
    ],
)
def test_pictures_files_and_sounds_are_taken_out_and_named(result, text, parts):
    shown = render_result(result, 1000)
    assert shown.text == text
    assert shown.parts == ((result,) if parts is None else parts)


def test_a_picture_that_no_provider_takes_is_told():
    shown = render_result(Image("photos/lamp.png"), 1000)
    assert shown.parts == ()
    assert shown.text.startswith("[a picture that can't be shown: Image('photos/lamp.png')")


def test_the_model_sees_the_picture_and_the_log_keeps_it():
    @tool(read_only=True)
    def screenshot() -> Image:
        """The screen."""
        return Image(f"data:image/png;base64,{base64.b64encode(PNG).decode()}")

    model = ScriptedModel([calls("screenshot"), says("A lamp.")])
    result = agent(model, screenshot).run_sync("What is on the screen?")
    last = model.seen[1].messages[-1]
    assert (last.role, last.text, last.parts) == ("tool", "[picture 1]", (Image.of(PNG),))
    assert [each.parts for each in found(result, e.ToolReturned)] == [(Image.of(PNG),)]


def test_a_result_without_a_json_form_is_no_failure_since_the_call_had_its_effect():
    @tool
    def save() -> Any:
        return Odd()

    model = ScriptedModel([calls("save"), says("Saved.")])
    result = agent(model, save).run_sync("Save it.")
    assert found(result, e.ToolFailed) == []
    assert model.seen[1].messages[-1].text == "Odd, a value without a JSON form"


def test_a_range_without_end_is_not_made_whole():
    shown = render_result({"seen": range(10**30)}, 100)
    assert shown.text.startswith('{"seen":[0,1,2,3')
    assert render_result(range(10**30), 10**8).text.endswith(f'99999,"{MORE}"]')
