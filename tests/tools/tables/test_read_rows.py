import csv
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from treadle.core.errors import ToolError
from treadle.tools.tables.read_rows import read_rows


def test_a_csv_file_has_numbers_where_a_column_is_all_numbers():
    found = read_rows(b"item,price,stock,code\nlamp,12.50,40,007\ndesk,180,,012\n", "a.csv")
    assert found.columns == ("item", "price", "stock", "code")
    assert found.rows == [("lamp", 12.5, 40, "007"), ("desk", 180, None, "012")]
    assert found.kinds == ("TEXT", "REAL", "INTEGER", "TEXT")


@pytest.mark.parametrize(
    ("text", "name", "columns", "row"),
    [
        ("a;b\n1,5;x\n", "a.csv", ("a", "b"), (1.5, "x")),
        ("a\tb\n1\tx\n", "a.tsv", ("a", "b"), (1, "x")),
        ("a|b\n1|x\n", "a.txt", ("a", "b"), (1, "x")),
        ('"a,b";c\n"x;y";2\n', "a.csv", ("a,b", "c"), ("x;y", 2)),
        ("1,2\n", "a.csv", ("column_1", "column_2"), (1, 2)),
        ("a,A,,a\n1,2,3,4\n", "a.csv", ("a", "A_2", "column_3", "a_4"), (1, 2, 3, 4)),
        ("a,b\n1\n", "a.csv", ("a", "b"), (1, None)),
        ("a\r\n-1e3\r\n", "a.csv", ("a",), (-1000.0,)),
        ("a,b\n1,200\n", "a.csv", ("a", "b"), (1, 200)),
        ("a\n99999999999999999999\n", "a.csv", ("a",), ("99999999999999999999",)),
        ("a\nnan\n", "a.csv", ("a",), ("nan",)),
    ],
)
def test_delimiters_heads_and_numbers_are_found(text, name, columns, row):
    found = read_rows(text.encode(), name)
    assert (found.columns, found.rows) == (columns, [row])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings_are_told_apart(encoding):
    found = read_rows("näme\nÄ\n".encode(encoding), "a.csv")
    assert (found.columns, found.rows) == (("näme",), [("Ä",)])


def test_a_file_joined_of_two_encodings_is_read_line_by_line():
    lines = "name\nJürgen\n".encode() + "Köln\n".encode("cp1252")
    assert read_rows(lines, "a.csv").rows == [("Jürgen",), ("Köln",)]


def test_a_cell_may_be_as_long_as_the_file_and_other_readers_keep_their_limit():
    limit = csv.field_size_limit()
    assert read_rows(b"a\n" + b"x" * 200_000, "a.csv").rows == [("x" * 200_000,)]
    assert csv.field_size_limit() == limit


def test_cells_beyond_the_head_are_left_out_with_a_notice():
    found = read_rows(b"a,b\n1,2,3\n4,5\n", "a.csv")
    assert found.rows == [(1, 2), (4, 5)]
    assert found.notice == (
        "[rows with more cells than the first line: 1; those cells are left out]"
    )


def test_json_lines_have_the_fields_of_all_lines():
    lines = (
        b'{"a": 1, "b": true}\n\n{"a": null, "c": [1, {"d": 2}]}\n{"a": 123456789012345678901}\n'
    )
    found = read_rows(lines, "a.jsonl")
    assert found.columns == ("a", "b", "c")
    assert found.rows == [
        (1, 1, None),
        (None, None, '[1, {"d": 2}]'),
        ("123456789012345678901", None, None),
    ]
    assert found.kinds == ("", "INTEGER", "TEXT")


@pytest.mark.parametrize(
    "text", ['[{"a": 1}, {"a": 2}]', '[\n  {"a": 1},\n  {"a": 2}\n]', '{"a": 1}\n{"a": 2}']
)
def test_json_may_be_one_list_or_lines(text):
    assert read_rows(text.encode(), "a.json").rows == [(1,), (2,)]


def test_one_json_object_over_many_lines_is_one_row():
    assert read_rows(b'{\n "a": 1\n}', "a.json").rows == [(1,)]
    found = read_rows(b"1\n2\n", "a.jsonl")
    assert (found.columns, found.rows) == (("value",), [(1,), (2,)])


def test_the_rows_of_a_service_s_answer_are_those_of_its_only_list():
    found = read_rows(b'{"count": 2, "results": [{"id": 1}, {"id": 2}]}', "a.json")
    assert (found.columns, found.rows) == (("id",), [(1,), (2,)])
    assert found.notice == "[the rows are those of results; left out: count]"
    for other in (b'{"a": [1], "b": []}', b'{"a": [{"x": 1}], "b": [{"y": 1}]}'):
        assert read_rows(other, "a.json").columns == ("a", "b")
    assert read_rows(b'{"a": [{"x": 1}]}\n{"a": []}', "a.jsonl").columns == ("a",)


def test_texts_in_json_that_are_numbers_or_dates_are_such():
    lines = b'{"n": "5", "d": "31/12/2023"}\n{"n": 10, "d": "01/02/2024"}\n{"n": null}\n'
    found = read_rows(lines, "a.jsonl")
    assert found.rows == [(5, "2023-12-31"), (10, "2024-02-01"), (None, None)]
    assert found.kinds == ("INTEGER", "TEXT")
    assert found.notices == {"d": "dates are written as 2023-12-31"}


@pytest.mark.parametrize(
    ("data", "name", "told"),
    [
        (b"\x00\x01", "a.bin", "'a.bin' is no table: it isn't text"),
        (b" \n", "a.csv", "'a.csv' is empty"),
        (b'{"a": 1}\n{"a": NaN}\n', "a.jsonl", "line 2 of 'a.jsonl' isn't JSON: NaN is no JSON"),
        (b'{"a": 1}\n{"a"\n', "a.jsonl", "line 2 of 'a.jsonl' isn't JSON: "),
        (b'{"a": 1, "a": 2}', "a.jsonl", "the key 'a' comes twice in one object"),
        (b"{}\n{}", "a.jsonl", "'a.jsonl' has no fields"),
        (b"[" * 100_000, "a.json", "'a.json' isn't JSON: it is nested more than 100 deep"),
        (b"a," * 600, "a.csv", "'a.csv' has 601 columns; at most 500 can be asked"),
    ],
)
def test_what_is_no_table_is_refused_with_the_reason(data, name, told):
    with pytest.raises(ToolError) as refused:
        read_rows(data, name)
    assert told in str(refused.value)


@given(st.binary(max_size=60), st.sampled_from(["a.csv", "a.jsonl", "a", "a.tsv"]))
def test_any_bytes_give_rows_of_one_width_or_a_reason(data, name):
    try:
        found = read_rows(data, name)
    except ToolError:
        return
    assert {len(row) for row in found.rows} <= {len(found.columns)}
    assert len({column.casefold() for column in found.columns}) == len(found.columns)


WORDS = st.text("äb\u2028\n", min_size=1).filter(str.strip)
ROWS = st.lists(
    st.dictionaries(st.sampled_from("abc"), st.one_of(st.integers(-(2**63), 2**63 - 1), WORDS)),
    min_size=1,
)


@given(ROWS.filter(any))
@example([{"a": -(2**63), "b": 2**63 - 1}])
def test_what_is_written_as_json_lines_is_read_again(rows):
    data = "\n".join(json.dumps(row) for row in rows).encode()
    found = read_rows(data, "a.jsonl")
    read = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
    assert read == [{column: row.get(column) for column in found.columns} for row in rows]
