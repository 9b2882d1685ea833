"""Datasets out of files, and what is said of files that are none."""

import pytest

from treadle import UsageError
from treadle.evals import checks as c
from treadle.evals.dataset_files import load_dataset

YAML = """
name: shop
agent: clerk.py:agent
cases:
  - input: How many lamps?
    name: lamps
    tags: [stock]
    limits: {steps: 3, cost_usd: 0.5, tokens: null}
    approve: {send: true, pay: false}
    answer: blue
    checks:
      - contains: "17"
      - number: {value: 17, within: 0.5}
      - tools: {order: strict, calls: [{name: stock, arguments: {item: lamp}}]}
      - custom: mine.py:short
  - input: [Hello, "And now?"]
    checks: [equal: 2026-11-25]
"""


@pytest.fixture
def written(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    write("mine.py", "def short(trial):\n    return len(trial.answer) < 9\nnumber = 7\n")
    return write


def test_yaml_says_all_that_python_does(written, tmp_path):
    dataset = load_dataset(written("shop.yaml", YAML))
    lamps, talk = dataset.cases
    assert (dataset.name, dataset.agent) == ("shop", f"{tmp_path}/clerk.py:agent")
    assert (lamps.input, lamps.name, lamps.tags, lamps.answer) == (
        "How many lamps?",
        "lamps",
        ("stock",),
        "blue",
    )
    assert lamps.limits == {"steps": 3, "cost_usd": 0.5, "tokens": None}
    assert lamps.approve == {"send": True, "pay": False}
    contains, number, tools, custom = lamps.checks
    assert (contains, number) == (c.Contains("17"), c.Number(17.0, 0.5))
    assert tools == c.Tools((c.ExpectedCall("stock", {"item": "lamp"}),), "strict")
    assert custom.function.__name__ == "short"
    assert talk.messages == ("Hello", "And now?")
    assert talk.checks == (c.Equal("2026-11-25"),)  # a date is the text that it was written as


def test_json_lines_are_a_case_a_line_and_named_by_their_file(written):
    dataset = load_dataset(
        written("lines.jsonl", '{"input": "a", "checks": [{"contains": "b"}]}\n\n{"input": "c"}\n')
    )
    assert (dataset.name, [case.input for case in dataset.cases]) == ("lines", ["a", "c"])


def test_json_and_yaml_may_be_a_bare_list(written):
    assert (
        load_dataset(written("one.json", '[{"input": "a"}]')).cases
        == load_dataset(written("two.yml", "- input: a")).cases
    )


def test_python_gives_the_dataset_by_its_name(written):
    program = (
        "from treadle.evals.dataset import *\nmany = Dataset('d', [Case('a')])\n"
        "dataset = many.only([], [])\n"
    )
    path = written("made.py", program)
    assert load_dataset(f"{path}:many").name == load_dataset(path).name == "d"


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        (
            "a.yaml",
            "cases:\n  - input: x\n    cheks: []",
            "case 1: there is no field `cheks`; did you mean",
        ),
        (
            "a.yaml",
            "cases:\n  - {name: n, input: 7}",
            "case 1 (n): input: it must be a text or a list, and is a whole number",
        ),
        (
            "a.yaml",
            "cases:\n  - {input: x, checks: [contain: y]}",
            "case 1, check 1: there is no check 'contain'",
        ),
        (
            "a.yaml",
            "cases: []\nagnt: x",
            "the file: there is no field `agnt`; did you mean agent?",
        ),
        ("a.yaml", "cases: &a []\nname: *a", "line 2: aliases (*name) are not read; write it out"),
        ("a.yaml", "cases:\n  - input: x\n    input: y", "line 3: the key 'input' comes twice"),
        (
            "a.yaml",
            "cases:\n  - input: x\n  - {name: n, input: x, limits: {steps: 0.5}}",
            "case 2 (n): limits: Limits(steps=0.5): it must be a whole number, 0 or more",
        ),
        ("a.yaml", "cases: [", "it is not YAML: "),
        (
            "a.yaml",
            "!!python/object/apply:os.getcwd []",
            "it is not YAML: could not determine a constructor",
        ),
        ("a.yaml", "[" * 5000, "line 1: nested deeper than 50"),
        (
            "a.yaml",
            "# " + "x" * 2_000_000,
            "it has more than 2,000,000 characters; write it as JSON Lines",
        ),
        ("a.yaml", "", "the file: it must be a mapping, and is empty"),
        ("a.json", '{"cases": [], "cases": []}', "the key 'cases' comes twice in one object"),
        ("a.jsonl", '{"input": "a"}\n{"input": NaN}', "line 2: it is not JSON: NaN is no JSON"),
        ("a.json", r'[{"input": "a \ud800"}]', "half of a surrogate pair"),
        (
            "a.yaml",
            r'cases: [{input: a, checks: [contains: "\ud800"]}]',
            r"it holds \ud800, half of a surrogate pair",
        ),
        ("a.jsonl", "{", "line 1: it is not JSON: "),
        ("a.json", b"\xff", "it is not text in UTF-8 (byte 0)"),
        (
            "a.yaml",
            "cases: [{input: x, checks: [custom: mine.py:gone]}]",
            "gone isn't there; there are: short, number",
        ),
        (
            "a.yaml",
            "cases: [{input: x, checks: [custom: mine.py:number]}]",
            "mine.py:number is a int, not a function",
        ),
        ("a.yaml", "cases: [{input: x, checks: [custom: nine.py:f]}]", "there is no file"),
        ("a.txt", "", "a dataset is a file that ends in .yaml, .yml, .json, .jsonl or .py:name"),
        (
            "a.py",
            "dataset = 7",
            "dataset is of the type int, not Dataset; there are: none of the type Dataset",
        ),
        ("b.py", "1 / 0", "can't be loaded: ZeroDivisionError: division by zero ("),
    ],
)
def test_what_is_wrong_is_said_with_its_place(written, name, text, told):
    path = written(name, text)
    with pytest.raises(UsageError) as error:
        load_dataset(path)
    assert told in str(error.value)
    assert path in str(error.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="it can't be read: No such file"):
        load_dataset(str(tmp_path / "no.yaml"))


def test_only_a_newline_ends_a_line_of_json_lines(written):
    path = written("odd.jsonl", '{"input": "a\u2028b\u0085c"}\r\n\n{"input": "d"}\n')
    assert [case.input for case in load_dataset(path).cases] == ["a\u2028b\u0085c", "d"]
