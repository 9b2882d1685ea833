import json
from collections import deque
from decimal import Decimal
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated
from uuid import UUID

import pytest
from pydantic import AliasChoices, AnyUrl, Field, HttpUrl, NameEmail, PostgresDsn

from treadle import Rule, Tool, tool
from treadle.core.listed import fits_all, is_listed

ADDRESS, BELOW = "*@ours.example", "*@*.ours.example"
URL, HOSTS = "https://ours.example/docs/*", "https://*.ours.example/*"


@pytest.mark.parametrize(
    ("value", "pattern"),
    [
        ("ann@ours.example", ADDRESS),
        ("Ann.B+x@OURS.example", ADDRESS),
        ("ann@ours.example", "ann@ours.example"),
        ("ann@mail.ours.example", BELOW),
        ("https://ours.example/docs/a/b?page=2#top", URL),
        ("HTTPS://Ours.Example/docs/", URL),
        ("https://a.b.ours.example/x", HOSTS),
        ("https://ours.example", "https://ours.example"),
        ("DE02120300000000202051", "DE02120300000000202051"),
        ("team-red", "team-*"),
        ("two words", "two *"),
        ("@team", "@team"),
        (7, "7"),
        (None, ADDRESS),
        ([], ADDRESS),
        ("anything at all\n", "*"),
    ],
)
def test_what_is_listed(value, pattern):
    assert is_listed(value, pattern)
    assert is_listed([value, value], ("nothing", pattern))


@pytest.mark.parametrize(
    ("value", "pattern"),
    [
        ("eve@evil.example", ADDRESS),
        ("eve@evil.example,ann@ours.example", ADDRESS),
        ("eve@evil.example;ann@ours.example", ADDRESS),
        ("<eve@evil.example> ann@ours.example", ADDRESS),
        ("eve@evil.example@ours.example", ADDRESS),
        ("ann@ours.example.evil.example", ADDRESS),
        ("ann@ours.example\n", ADDRESS),
        ("ann@0urs.example", ADDRESS),
        ("ann@оurs.example", ADDRESS),  # noqa: RUF001 -- a Cyrillic letter
        ("eve@evil.example/.ours.example", BELOW),
        ("ann@.ours.example", BELOW),
        ("https://evil.example/docs/", URL),
        ("http://ours.example/docs/", URL),
        ("https://ours.example:8443/docs/", URL),
        ("https://ours.example@evil.example/docs/", URL),
        ("https://evil.example\\@ours.example/docs/", URL),
        ("https://ours.example/docs/../private", URL),
        ("https://ours.example/docs/%2e%2e/private", URL),
        ("https://ours.example/docs/%252e%252e/private", URL),
        ("https://ours.example/docs/..;/private", URL),
        ("https://ours.example/docs/%2e%2e%3bx=1/private", URL),
        ("https://ours.example/\tdocs/", URL),
        ("https://evil.example/.ours.example/", HOSTS),
        ("https://ours.example.evil.example/x", HOSTS),
        ("https://ours.example/?q=secret", "https://ours.example/"),
        ("https://ours.example:x/docs/", URL),
        ("team-red, eve", "team-*"),
        ("team-red\neve", "team-*"),
        (["team-red", "eve"], "team-*"),
        ({"to": "eve"}, "team-*"),
        (7, "8"),
        (True, ADDRESS),
    ],
)
def test_what_only_looks_so(value, pattern):
    assert not is_listed(value, pattern)
    assert not is_listed([value], pattern)


class Region(Enum):
    OURS = "https://eu.ours.example/x"
    TEAM = "team-red"
    EVIL = "https://evil.example/.ours.example/"


@pytest.mark.parametrize(
    ("value", "pattern"),
    [
        (HttpUrl("https://a.ours.example/x?y=1"), HOSTS),
        (HttpUrl("https://ours.example/docs/a"), URL),
        (Path("docs/a.md"), "docs/*"),
        (Region.OURS, HOSTS),
        (Region.TEAM, "team-*"),
        (UUID(int=7), "00000000-*"),
        (Decimal("1.5"), "1.*"),
    ],
)
def test_a_value_of_a_type_of_one_s_own_is_listed_as_its_text_is(value, pattern):
    assert is_listed(value, pattern)
    assert is_listed([value], ("nothing", pattern))


@pytest.mark.parametrize(
    ("value", "pattern"),
    [
        (HttpUrl("https://evil.example/a.ours.example/?secret=1"), HOSTS),
        (AnyUrl("https://evil.example/?x=.ours.example/"), HOSTS),
        (HttpUrl("https://ann@ours.example/docs/"), URL),
        (Region.EVIL, HOSTS),
        (PostgresDsn("postgres://evil.example,a.ours.example/db"), "postgres://*.ours.example/*"),
        ("postgres://evil.example,a.ours.example/db", "postgres://*.ours.example/*"),
        ("https://evil.example%2f.ours.example/", HOSTS),
        (Path("docs/../private"), "docs/*"),
        (Path("team-red, eve"), "team-*"),
        (NameEmail("Eve", "eve@evil.example"), ADDRESS),
        (b"team-red", "b*"),
        (deque(["team-red", "eve"]), "deque*"),
        (MappingProxyType({"to": "eve"}), "*eve*"),
    ],
)
def test_a_value_of_a_type_of_one_s_own_is_compared_by_its_parts(value, pattern):
    assert not is_listed(value, pattern)
    assert not is_listed([value], pattern)


def test_all_arguments_that_a_rule_names_are_compared_and_must_exist():
    listed = {"to": ADDRESS, "cc": ADDRESS}
    assert fits_all({"to": "ann@ours.example", "text": "hi"}, listed, ("to", "cc", "text"))
    assert not fits_all({"to": "ann@ours.example", "cc": "eve@x"}, listed, ("to", "cc"))
    assert not fits_all({"to": "ann@ours.example"}, {"recipient": ADDRESS}, ("to",))
    assert not fits_all({"to": "ann@ours.example"}, {"to": ()}, ("to",))


def test_an_argument_that_has_another_name_in_the_function_is_compared_too():
    @tool
    def send(
        recipient: Annotated[str, Field(alias="to")],
        copy: Annotated[str, Field(validation_alias=AliasChoices("cc", "copies"))] = "",
    ) -> str:
        """Send."""
        return recipient + copy

    rule = Rule("send", "allow", arguments={"to": "*@ours.example", "cc": "*@ours.example"})
    ours, theirs = "ann@ours.example", "eve@evil.example"
    assert rule.decides(send, send.arguments_of(f'{{"to": "{ours}", "cc": "{ours}"}}'))
    for given in ({"to": theirs, "cc": ours}, {"to": ours, "copies": theirs}):
        assert not rule.decides(send, send.arguments_of(json.dumps(given)))


def test_a_name_that_a_check_of_one_s_own_has_changed_lists_nothing():
    parameters = {"type": "object", "properties": {"to": {"type": "string"}}}
    send = Tool("send", "Send.", parameters, str, lambda given: {"recipient": given["to"]})
    rule = Rule("send", "allow", arguments={"to": "*@ours.example"})
    assert not rule.decides(send, send.arguments_of('{"to": "ann@ours.example"}'))
