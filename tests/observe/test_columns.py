"""Rows of untrusted text in columns."""

from treadle.observe.columns import MIN_LAST_COLUMN, format_columns


def test_columns_are_aligned_and_lines_end_with_their_text():
    assert format_columns([("a", "1", "x"), ("long", "22", "")], right=(1,)) == (
        "a      1  x\nlong  22"
    )


def test_wide_characters_take_two_columns():
    assert format_columns([("日本", "x"), ("abc", "y")]) == "日本  x\nabc   y"


def test_markup_is_text_and_control_characters_are_escapes():
    assert format_columns([("[red]a[/red] :smile:", "\x1b[2J\nb")]) == (
        "[red]a[/red] :smile:  \\x1b[2J b"
    )


def test_only_the_last_column_is_wrapped_and_it_keeps_a_least_width():
    lines = format_columns([("a-long-name-that-stays", "word " * 20)], width=10).splitlines()
    assert lines[0].startswith("a-long-name-that-stays  word")
    assert {len(line) <= 24 + MIN_LAST_COLUMN for line in lines} == {True}
    assert len(lines) > 1
    assert format_columns([("a", "word " * 50)]).count("\n") == 0


def test_no_rows_are_no_text():
    assert format_columns([]) == ""
