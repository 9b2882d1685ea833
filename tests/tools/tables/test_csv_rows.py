import pytest

from treadle.core.errors import ToolError
from treadle.tools.tables.csv_rows import read_csv


@pytest.mark.parametrize(
    ("text", "columns", "rows"),
    [
        ('note;price\n"a, b, c, d";1,5\n"x";2\n', ("note", "price"), 2),
        ("Name;Umsatz, netto, EUR\nA;1\n", ("Name", "Umsatz, netto, EUR"), 1),
        ("sep=;\na;b\n1;2\n", ("a", "b"), 1),
        ("1,5;2,5\n3,5;4,5\n", ("column_1", "column_2"), 2),
        ("id,text\n1,hello; world\n2,foo; bar; baz\n", ("id", "text"), 2),
        ('id,name\n1, "x, y"\n', ("id", "name"), 1),
    ],
)
def test_the_delimiter_is_what_cuts_the_lines_alike(text, columns, rows):
    found = read_csv(text, "a.csv")
    assert found.columns == columns
    assert len(found.rows) == rows
    assert found.notice == ""


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("region,2022,2023\nN,5,6\n", ("region", "2022", "2023")),
        ("coin,1h,25%\nx,1,2\n", ("coin", "1h", "25%")),
        ("a,b,c\n", ("a", "b", "c")),
        ("name,,\nx,1,2\n", ("name", "column_2", "column_3")),
        ("Smith,1999\nJones,2005\n", ("column_1", "column_2")),
        ("1999\n2005\n", ("column_1",)),
    ],
)
def test_a_head_is_told_from_a_row(text, columns):
    assert read_csv(text, "a.csv").columns == columns


@pytest.mark.parametrize(
    "above", ["Sales report 2024\n\n", "Sales report 2024,,\n", "# Sales report 2024\n"]
)
def test_what_stands_above_the_table_is_left_out_and_told(above):
    found = read_csv(f"{above}region,item,amount\nN,x,5\n", "a.csv")
    assert (found.columns, found.rows) == (("region", "item", "amount"), [("N", "x", 5)])
    assert "[left out above the table: " in found.notice
    assert "Sales report 2024]" in found.notice


def test_lines_without_a_cell_are_no_rows():
    assert read_csv("a,b\n,\n1,2\n , \n\n", "a.csv").rows == [(1, 2)]
    with pytest.raises(ToolError, match="has no cells with text"):
        read_csv(";;\n;;\n", "a.csv")


def test_a_quote_that_never_ends_takes_no_rows_with_it():
    found = read_csv('a,b\n1,"x\n2,y\n3,"z"\n', "a.csv")
    assert found.rows == [(1, "x"), (2, "y"), (3, "z")]
    assert "a quote in the file never ends" in found.notice


def test_a_quote_inside_a_cell_is_a_letter_and_lines_in_quotes_are_one():
    text = 'a,b\n1,5" pipe\n2,"6"" pipe"\n3,"x\ny"\n'
    assert read_csv(text, "a.csv").rows == [
        (1, '5" pipe'),
        (2, '6" pipe'),
        (3, "x\ny"),
    ]
    assert read_csv('a,b\n4,"x" y\n', "a.csv").rows == [(4, "x y")]
