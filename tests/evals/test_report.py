"""A report: kept as JSON, read again, in lines, and as a page that holds nothing but text."""

import html
import re
from html.parser import HTMLParser

import msgspec
import pytest

from evals.made import report
from evals.right import right
from fakes import agent, live
from treadle import MemoryStore, UsageError
from treadle.evals.baseline import compare_reports
from treadle.evals.checks import Contains, Tools
from treadle.evals.dataset import Case, Dataset
from treadle.evals.format import format_number, format_percent
from treadle.evals.html_report import render_html
from treadle.evals.report import load_report
from treadle.evals.run_dataset import Run, evaluate
from treadle.evals.text_report import render_text
from treadle.observe.amounts import format_cost

EVIL = "<script>alert(1)</script> & \"'</style><img src=x onerror=alert(1)>"


def evil():
    """A report that is full of markup, wherever a text can come from outside."""
    plain = report({"a": (True, False), "b": (False,)})

    def spoilt(value):
        if isinstance(value, str):
            return EVIL
        if isinstance(value, dict):
            return {
                key: value[key] if key in ("type", "tools") else spoilt(value[key]) for key in value
            }
        return [spoilt(each) for each in value] if isinstance(value, list | tuple) else value

    made = spoilt(msgspec.to_builtins(plain))
    for index, case in enumerate(made["cases"]):
        case["name"] = f"{index}{EVIL}"
        for trial in case["trials"]:
            trial["lines"] = [EVIL]
    return msgspec.convert(made, type(plain))


def test_a_report_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "base.json"
    found = report({"a": (True, False)})
    path.write_bytes(found.to_json())
    assert load_report(path) == found


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{}", "is no report of treadle eval"),
        (b"nothing", "is no report of treadle eval"),
        (b'{"name": "\xe9"}', "is no report of treadle eval"),
        (None, "can't be read"),
    ],
)
def test_what_is_no_report_is_refused(tmp_path, content, told):
    path = tmp_path / "base.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=told):
        load_report(path)


def test_a_report_of_another_version_is_refused(tmp_path):
    path = tmp_path / "base.json"
    path.write_bytes(msgspec.structs.replace(report({"a": (True,)}), version=2).to_json())
    with pytest.raises(
        UsageError, match="was written as version 2; this Treadle reads 1: make it anew"
    ):
        load_report(path)


def test_lines_of_text_say_what_failed_and_what_it_took():
    lines = render_text(report({"fine": (True, True), "poor": (True, False)})).splitlines()
    assert lines[0].split() == ["case", "passed", "steps", "tokens", "cost", "time"]
    assert lines[1].split() == ["✓", "fine", "2/2", "2", "110", "$0.01", "1.5", "s"]
    assert lines[2].split()[:3] == ["✗", "poor", "1/2"]
    assert lines[2].endswith("contains 3: it isn't")
    assert lines[4].startswith("3 of 4 trials passed: 75%, 95% interval ")
    assert lines[6] == "a trial took 2 steps, 110 tokens, $0.01, 1.5 s; in all $0.04"


def test_lines_say_how_often_all_trials_pass_and_what_nobody_judged():
    text = render_text(report({"fine": (True,) * 4, "half": (True, False, True, None, False)}))
    lines = text.splitlines()
    assert lines[2].split()[:3] == ["✗", "half", "2/4"]
    assert "6 of 8 trials passed: 75%, " in lines[4]
    assert lines[5] == (
        "the probability that several trials of a case all pass:"
        " 58.3% for 2 (pass^2), 50% for 4 (pass^4)"
    )
    assert "1 trial couldn't be judged, and count" in text
    page = render_html(report({"half": (True, None)}))
    assert 'aria-label="1 of 1 passed"' in page
    assert '<li class="un">' in page


def test_what_nobody_judged_is_left_out_of_success_when_compared():
    before, now = report({"a": (True,), "b": (True,)}), report({"a": (False, None), "b": (None,)})
    found = compare_reports(before, now)
    success = next(change for change in found.changes if change.name == "success")
    assert (success.before, success.now) == (1.0, 0.0)
    assert found.left_out == ("success, for want of a judge: b",)


def test_a_comparison_says_what_is_worse_and_what_may_be_noise():
    ten = {f"c{number}": (True,) for number in range(10)}
    poor = {name: (name != "c3",) for name in ten}
    lines = render_text(
        report(poor, tokens=(300,)), compare_reports(report(ten), report(poor, tokens=(300,)))
    ).splitlines()
    rows = {
        line.split()[0]: line for line in lines[lines.index("against the baseline, 10 cases:") :]
    }
    assert rows["success"].split()[1:5] == ["100%", "90%", "-10.0", "points"]
    assert rows["success"].endswith("may be noise")
    assert rows["tokens"].endswith("WORSE, most of all c0, c1, c2")
    long = {name * 50: (True,) for name in "abcdefghij"}
    longer = render_text(
        report(long, tokens=(300,)), compare_reports(report(long), report(long, tokens=(300,)))
    )
    assert max(map(len, longer.splitlines())) < 200


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text, self.attributes = set(), [], []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_has_no_script_no_style_but_its_own_and_asks_nobody():
    written = render_html(evil(), compare_reports(evil(), evil()))
    seen = Tags()
    seen.feed(written)
    assert not seen.tags & {"script", "img", "iframe", "link", "object", "form", "a"}
    assert not [
        name
        for name in seen.attributes
        if name.startswith("on") or name in ("style", "src", "href")
    ]
    assert "default-src 'none'; style-src 'sha256-" in html.unescape(written)
    assert not re.search(r"url\(|@import|https?:", written)
    assert (
        "".join(seen.text).count("<script>alert(1)</script>") >= 10
    )  # as text, wherever a text came from outside


def test_the_page_shows_what_nobody_would_see():
    plain = report({"a": (True,)})
    case = msgspec.structs.replace(plain.cases[0], messages=("hi\x1b[2J \u202eevil\u200b",))
    written = render_html(msgspec.structs.replace(plain, cases=(case,)))
    assert not re.search("[\x1b\u202e\u200b]", written)
    assert r"hi\x1b[2J \u202eevil" in written


def test_the_page_shows_a_failing_trial_with_its_diff_its_answer_and_its_thread():
    one = Dataset("one", [Case("Hello!", [Tools(("calculator",)), Contains("Hello")], "greets")])
    found = live(evaluate(Run(one, agent(right(), store=MemoryStore()), name="r")))
    seen = Tags()
    seen.feed(render_html(found))
    shown = "\n".join(seen.text)
    assert "calculator" in next(
        each for each in seen.text if "made" in each
    )  # what was wanted, and what was made
    assert "Hello! How can I help?" in shown
    assert "treadle show eval/one/r/greets/1" in shown
    assert "» Hello!" in shown


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.0, "0%"),
        (1.0, "100%"),
        (0.9999, "99.9%"),
        (0.00001, "0.1%"),
        (0.5, "50%"),
        (0.767, "76.7%"),
    ],
)
def test_a_rate_never_rounds_to_all_or_none(value, said):
    assert format_percent(value) == said


@pytest.mark.parametrize(
    ("usd", "said"),
    [
        (None, "-"),
        (0, "$0"),
        (12.345, "$12.35"),
        (0.0123, "$0.0123"),
        (0.000071, "$0.000071"),
        (0.9999, "$1"),
    ],
)
def test_a_cost_keeps_the_digits_that_matter(usd, said):
    assert format_cost(usd) == said


@pytest.mark.parametrize(
    ("value", "said"), [(None, "-"), (3, "3"), (1.66, "1.7"), (1234.5, "1,234")]
)
def test_a_number_is_short(value, said):
    assert format_number(value) == said
