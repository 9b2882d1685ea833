import sqlite3

import pytest

from treadle.core.errors import ToolError
from treadle.tools.tables.ask_tables import MAX_CHARS, MAX_ROWS, ask_tables

STOCK = "item,price,stock\nlamp,12.50,40\ndesk,180.00,3\nchair,64.90,12\nshelf,39.95,25\n"


@pytest.fixture
def ask(tmp_path):
    """Asks the files of a folder, which holds stock.csv and the database shop.db."""
    (tmp_path / "stock.csv").write_text(STOCK)
    (tmp_path / "eu-2024.csv").write_text("Name;Preis\nA;1,5\n")
    (tmp_path / "sales.jsonl").write_text('{"item": "lamp", "sold": 4}\n{"item": "desk"}\n')
    shop = sqlite3.connect(tmp_path / "shop.db")
    shop.executescript(
        "CREATE TABLE orders(id INTEGER, total REAL); INSERT INTO orders VALUES (1, 2.5), (2, 4);"
        "CREATE VIEW big AS SELECT * FROM orders WHERE total > 3; CREATE VIEW gone AS SELECT * FROM x;"
        'CREATE TABLE "two words"("a b")'
    )
    shop.close()

    def ask(sql, *names):
        return ask_tables([(name, str(tmp_path / name)) for name in names or ("stock.csv",)], sql)

    return ask


def test_the_highest_product_of_two_columns_is_found(ask):
    sql = "SELECT item, price * stock AS worth FROM stock ORDER BY worth DESC LIMIT 1"
    assert ask(sql) == "item | worth\nshelf | 998.75"


@pytest.mark.parametrize("table", ["stock", "STOCK", '"stock.csv"', "stock.csv", "'stock.csv'"])
def test_a_table_is_known_by_the_names_that_a_model_writes(ask, table):
    assert ask(f"SELECT count(*) AS n FROM {table};") == "n\n4"


@pytest.mark.parametrize("table", ["eu_2024", '"eu-2024"', '"eu-2024.csv"', "eu-2024.csv"])
def test_a_name_that_needs_quotes_has_one_that_needs_none(ask, table):
    assert ask(f"SELECT Preis FROM {table}", "eu-2024.csv") == "Preis\n1.5"


def test_without_sql_the_tables_and_columns_are_shown(ask):
    assert ask("", "stock.csv", "shop.db") == (
        "Tables: stock(item, price, stock) [rows: 4]; big(id, total) [rows: 1]; orders(id,"
        ' total) [rows: 2]; "two words"("a b") [rows: 0]'
    )


def test_files_of_all_kinds_are_joined(ask):
    sql = "SELECT item, sold, total FROM stock JOIN sales USING (item) JOIN orders ON id = sold / 2"
    assert ask(sql, "stock.csv", "sales.jsonl", "shop.db") == "item | sold | total\nlamp | 4 | 4"


def test_two_files_of_one_name_have_two_tables(ask, tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "stock.csv").write_text("item\nbed\n")
    shown = ask("", "stock.csv", "b/stock.csv")
    assert shown.endswith("[rows: 4]; stock_2(item) [rows: 1]")
    assert ask('SELECT * FROM "b/stock.csv"', "stock.csv", "b/stock.csv") == "item\nbed"


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        (
            "SELECT a FROM prices",
            "no such table: prices. Tables: stock(item, price, stock) [rows: 4]",
        ),
        ("SELECT cost FROM stock", "no such column: cost. Tables: stock(item, price, stock)"),
        ("SELEC", 'near "SELEC": syntax error. Tables: stock('),
        ("-- nothing", "that selects nothing; write a SELECT"),
        ("SELECT 1; SELECT 2", "only one statement is allowed, a SELECT"),
        ("SELECT zeroblob(30000000)", "string or blob too big"),
        ("SELECT 1" + " + 1" * 5000, "too large"),
        ("SELECT '\ud800'", "surrogates not allowed"),
    ],
)
def test_a_mistake_is_told_with_the_tables_there_are(ask, sql, told):
    with pytest.raises(ToolError) as refused:
        ask(sql)
    assert told in str(refused.value)
    assert "Tables: stock(item, price, stock)" in str(refused.value)


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM orders",
        "INSERT INTO stock VALUES (1, 2, 3)",
        "UPDATE orders SET total = 0 RETURNING id",
        "DROP TABLE orders",
        "CREATE TEMP TABLE t(a)",
        "WITH a AS (SELECT 1) DELETE FROM orders",
        "ATTACH '/etc/passwd' AS p",
        "DETACH shop",
        "VACUUM INTO '/tmp/never'",
        "PRAGMA query_only = OFF",
        "PRAGMA journal_mode",
        "SELECT * FROM pragma_database_list",
        "SELECT load_extension('x')",
        "BEGIN",
    ],
)
def test_nothing_but_reading_is_allowed(ask, sql):
    with pytest.raises(ToolError, match="only reading is allowed, by one SELECT"):
        ask(sql, "stock.csv", "shop.db")


def test_json_values_and_views_can_be_asked(ask):
    assert ask("SELECT value FROM json_each('[1, 2]')") == "value\n1\n2"
    assert ask("SELECT total FROM big", "shop.db") == "total\n4"


def test_many_rows_are_cut_with_a_notice(ask):
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    lines = ask(numbers).splitlines()
    assert lines[:2] == ["i", "1"]
    assert lines[-1] == f"[the first {MAX_ROWS} rows; there are more: use LIMIT, WHERE or count(*)]"
    assert len(ask(f"SELECT printf('%.250c', 'a') FROM ({numbers} LIMIT 90)")) < MAX_CHARS + 200


def test_a_value_fakes_no_row_and_no_cell(ask, tmp_path):
    (tmp_path / "bad.jsonl").write_text('{"a": "x\\ny\\u001b[2J", "b": null}\n')
    assert ask("SELECT *, x'00ff' AS c FROM bad", "bad.jsonl") == (
        "a | b | c\nx\\ny\\x1b[2J | NULL | [2 bytes]"
    )
    assert ask("SELECT item FROM stock WHERE price > 1000") == "item\n[no row fits]"
    (tmp_path / "head.csv").write_text("Sales\x1b[2J\n\na,b\n1,2\n")
    assert (
        ask("SELECT a FROM head", "head.csv") == "[left out above the table: Sales\\x1b[2J]\na\n1"
    )
    assert ask("SELECT 'a' AS \"x\ny\", 0.1 + 0.2, printf('%.400c', 'é')").startswith(
        "x\\ny | 0.1 + 0.2 | "
    )


def test_a_damaged_database_is_refused_with_its_name(ask, tmp_path):
    (tmp_path / "torn.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 200)
    with pytest.raises(ToolError, match=r"'torn\.db' can't be read as a SQLite database"):
        ask("SELECT 1", "torn.db")


def test_money_is_summed_and_ordered_and_the_answer_says_how_it_was_read(ask, tmp_path):
    (tmp_path / "pay.csv").write_text('who,sum\nA,"$1,234.50"\nB,$99.00\nC,$1000\n')
    assert ask("SELECT sum(sum) AS s FROM pay", "pay.csv") == (
        "[sum: read as numbers, without $]\ns\n2333.5"
    )
    assert ask("SELECT who FROM pay LIMIT 1", "pay.csv") == "who\nA"
    assert ask("", "pay.csv").startswith("[sum: read as numbers, without $]\nTables: ")


def test_a_number_in_quotes_is_found(ask):
    assert ask("SELECT item FROM stock WHERE stock = '40'") == "item\nlamp"


def test_the_schema_of_a_database_is_found_by_its_usual_name(ask):
    sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    assert ask(sql, "shop.db") == "name\norders\ntwo words"
    assert ask("SELECT count(*) AS n FROM shop.sqlite_schema", "shop.db") == "n\n4"


def test_names_that_are_words_of_sql_are_shown_in_quotes(ask, tmp_path):
    (tmp_path / "order.csv").write_text("order,total,true\n1,2,3\n")
    with pytest.raises(ToolError, match=r'Tables: "order"\("order", total, "true"\)'):
        ask("SELECT order FROM order", "order.csv")


def test_full_text_tables_and_texts_in_no_encoding_can_be_read(ask, tmp_path):
    notes = sqlite3.connect(tmp_path / "notes.db")
    notes.executescript(
        "CREATE VIRTUAL TABLE f USING fts5(x); INSERT INTO f VALUES ('hello world');"
        "CREATE TABLE t(a TEXT); INSERT INTO t VALUES (CAST(x'4af6' AS TEXT))"
    )
    notes.close()
    assert ask("SELECT x FROM f WHERE f MATCH 'hello'", "notes.db") == "x\nhello world"
    assert ask("SELECT a FROM t", "notes.db") == "a\nJ\N{REPLACEMENT CHARACTER}"
