import pytest

from treadle.tools.tables.column import INTEGER, REAL, TEXT, Column, read_column


@pytest.mark.parametrize(
    ("cells", "values", "notice"),
    [
        (["$1,234.50", "$99.00", "$1000"], [1234.5, 99.0, 1000], "read as numbers, without $"),
        (["1,234", "12"], [1234, 12], ""),
        (["1.234,50", "99,00"], [1234.5, 99.0], ""),
        (["1 234,50", "12\u00a0000,00"], [1234.5, 12000.0], ""),
        (["1'234.50"], [1234.5], ""),
        (["5 €", "€ 7.5"], [5, 7.5], "read as numbers, without €"),
        (["10%", "9%"], [10, 9], "read as numbers, without %"),
        (["5 kWh", "12 kWh"], [5, 12], "read as numbers, without kWh"),
        (["(10.00)", "5"], [-10.0, 5], ""),
        (["$ (1,234.00)", "$ -"], [-1234.0, None], "read as numbers, without $; NULL for $ -"),
        (["-$5", "$-6", "\u22127"], [-5, -6, -7], "read as numbers, without $"),
        (["10", "N/A", "", "-"], [10, None, None, None], "NULL for N/A, -"),
        (["1.5e-3", "2E+05"], [0.0015, 200000.0], ""),
    ],
)
def test_numbers_as_people_write_them_are_numbers(cells, values, notice):
    column = read_column(cells)
    assert column.values == values
    assert column.notice == notice
    is_whole = all(isinstance(value, int) for value in values if value is not None)
    assert column.kind == (INTEGER if is_whole else REAL)


@pytest.mark.parametrize(
    "cells",
    [
        ["007", "012"],
        ["+4930123456"],
        ["1234567890123456789"],
        ["INV 1001", "INV 1002"],
        ["192.168.100.200"],
        ["1.10.3", "1.9.0"],
        ["612 345 678"],
        ["123-45-6789"],
        ["nan", "none"],
        ["01234", "12345"],
    ],
)
def test_codes_stay_text(cells):
    assert read_column(cells) == Column(cells, TEXT)


def test_a_point_or_a_comma_before_three_digits_means_what_the_file_says():
    assert read_column(["1,234", "1"]).values == [1234, 1]
    assert read_column(["€1,234", "€1"], decimal_comma=True) == Column(
        [1.234, 1],
        REAL,
        "read as numbers, without €; €1,234 is read with decimals, not with thousands",
    )
    assert read_column(["1.234", "99"], decimal_comma=True) == Column(
        [1.234, 99], REAL, "1.234 is read with decimals, not with thousands"
    )
    assert read_column(["1.234,5", "1.234"], decimal_comma=True).values == [1234.5, 1234]


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        (["5", "7", "abc"], "'abc' is none"),
        (["$5", "€7"], "they are of several forms"),
        (["10%", "0.1"], "they are of several forms"),
    ],
)
def test_a_column_with_anything_else_stays_text_and_says_so(cells, why):
    told = f"text, not numbers, since {why}: sum(), > and ORDER BY mislead"
    assert read_column(cells) == Column(cells, TEXT, told)


def test_what_only_a_late_cell_shows_counts_too():
    numbers = [str(number) for number in range(1000)]
    assert read_column([*numbers, "N/A"]).values == [*range(1000), None]
    assert read_column([*numbers, "x"]).kind == TEXT
    dates = ["01/02/2024", *(f"{day:02}/01/2024" for day in range(1, 32))]
    assert read_column(dates).values[0] == "2024-02-01"


@pytest.mark.parametrize(
    ("cells", "written"),
    [
        (["31/12/2023", "01/02/2024"], ["2023-12-31", "2024-02-01"]),
        (["12/31/2023", "1/5/2024"], ["2023-12-31", "2024-01-05"]),
        (["05.01.2024", "n/a"], ["2024-01-05", None]),
        (["2024/1/5"], ["2024-01-05"]),
        (["5 Jan 2024", "31 December 2023"], ["2024-01-05", "2023-12-31"]),
        (["Jan 5, 2024"], ["2024-01-05"]),
        (["12/31/2023 12:05 AM", "1/5/2024 3:30 PM"], ["2023-12-31 00:05", "2024-01-05 15:30"]),
        (["9:15", "10:30"], ["09:15", "10:30"]),
    ],
)
def test_dates_are_written_so_that_they_can_be_ordered(cells, written):
    column = read_column(cells)
    assert column.values == written
    assert f"are written as {written[0]}" in column.notice


@pytest.mark.parametrize(
    "cells", [["01/02/2024", "03/04/2023"], ["31/12/2023", "12/31/2023"], ["31/12/23"]]
)
def test_dates_that_may_be_others_stay_text_and_say_so(cells):
    told = f"text, since nothing tells how dates such as {cells[0]} are meant"
    assert read_column(cells) == Column(cells, TEXT, f"{told}: > and ORDER BY mislead")


@pytest.mark.parametrize(
    "cells", [["2024-01-05", "2023-12-31T10:00:00Z"], ["31.02.2023"], ["09:15", "10:20"]]
)
def test_what_is_in_order_or_no_date_is_left_as_it_is(cells):
    assert read_column(cells) == Column(cells, TEXT)
