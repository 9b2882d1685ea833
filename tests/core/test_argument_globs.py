"""A glob over arguments covers values of its kind, and none that leave a folder or a line."""

from dataclasses import dataclass
from enum import Enum

import pytest
from pydantic import BaseModel

from treadle.core.argument_globs import exact_glob, fits_glob, matches_glob


@pytest.mark.parametrize(
    ("value", "pattern"),
    [
        ("docs/a", "docs/*"),
        ("docs/a/b.md", "docs/*.md"),
        ("docs/a..b/c...md", "docs/*"),
        ("docs/100%/a", "docs/*"),
        (5, "5"),
        (10**30, "1000*"),
        (None, "n*"),
        (["docs/a"], '[[]"docs/*'),
        ("docs/../etc/passwd", "docs/../etc/passwd"),
        ("docs/../etc/passwd", "*"),
        ("one\ntwo", "*"),
        ("one\ntwo", "one\ntwo"),
        ("", "*"),
    ],
)
def test_a_value_that_fits(value, pattern):
    assert fits_glob(value, pattern)


@pytest.mark.parametrize(
    ("value", "pattern"),
    [
        ("etc/a", "docs/*"),
        ("docs/../etc/passwd", "docs/*"),
        ("docs/..", "docs/*"),
        ("docs\\..\\etc", "docs*"),
        ("..", "?*"),
        ("docs/%2e%2e/etc", "docs/*"),
        ("docs/a\n/etc/x.md", "docs/*.md"),
        ("docs/a.md\n", "docs/*"),
        ("docs/a\r/b", "docs/*"),
        ("docs/a\u2028b", "docs/*"),
        ("docs/a\0b", "docs/*"),
        (["docs/a", "docs/../b"], "*docs*"),
        ({"to": "a\nb"}, "*to*"),
        ({"..": 1}, "{*"),
        ("5", "6"),
        ("a", ""),
        ("A", "a"),
        ("a", "["),
    ],
)
def test_a_value_that_does_not(value, pattern):
    assert not fits_glob(value, pattern)


@dataclass
class Place:
    path: object


class Model(BaseModel):
    path: str


class Folder(Enum):
    UP = "docs/../etc"


@pytest.mark.parametrize("made", [Place, lambda path: Model(path=path), lambda path: [Place(path)]])
def test_a_value_of_a_type_of_one_s_own_leaves_where_one_of_its_parts_does(made):
    assert fits_glob(made("docs/a"), "*docs*")
    for path in ("docs/a\nb", "docs/../a", "docs/%2e%2e/a", "docs/a\0"):
        assert not fits_glob(made(path), "*docs*"), path


def test_what_nobody_can_look_into_and_an_enum_that_leaves_are_covered_by_no_glob():
    ring = Place(None)
    ring.path = ring
    assert not fits_glob(ring, "*Place*")
    assert not fits_glob(Folder.UP, "*docs*")
    assert fits_glob(Folder.UP, "*")


def test_by_its_characters_alone_a_glob_matches_what_leaves_its_folder():
    assert matches_glob("docs/../etc/passwd", "docs/*")
    assert not matches_glob("etc/passwd", "docs/*")


@pytest.mark.parametrize("value", ["docs/a", "a*[b]?.md", "a\nb*", "..", ["x", 1], {"a": 1.5}, 5])
def test_the_exact_glob_of_a_value_fits_it_alone(value):
    pattern = exact_glob(value)
    assert fits_glob(value, pattern)
    assert not fits_glob([value, 1], pattern)
    assert not fits_glob("a*b.md", pattern)
