"""What a server writes to its standard error, as an error shows it."""

import pytest

from treadle.mcp.standard_error import KEPT_BYTES, SHOWN_CHARS, StandardError

KEY = "q7Zk" * 12


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SHOP_API_KEY", KEY)
    return KEY


def tail_of(text: str) -> str:
    said = StandardError()
    with said:
        said.writer.write(text)
    while not (told := said.tail()).endswith(text.strip()[-5:]):
        pass  # each waits a little
    return told


@pytest.mark.parametrize("kept", [SHOWN_CHARS, KEPT_BYTES])
def test_a_secret_at_the_cut_is_not_half_shown(key: str, kept: int) -> None:
    rest = "\nno such shop".ljust(kept - len(key) // 2, ".")
    told = tail_of(f"it began with {key}{rest}")
    assert told.endswith("...")
    assert key[-8:] not in told


def test_a_line_without_end_is_shown_too(key: str) -> None:
    told = tail_of(f"{'x' * KEPT_BYTES} {key} is wrong")
    assert told.endswith("is wrong")
    assert key[-8:] not in told


def test_few_words_are_shown_whole() -> None:
    assert tail_of("no such shop\n") == "no such shop"
