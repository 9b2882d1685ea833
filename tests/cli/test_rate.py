"""`treadle rate`, and what starts from it: lists, tests, datasets."""

from pathlib import Path

from cli.commandline import Treadle


def test_a_rated_turn_is_listed_shown_and_becomes_a_test_and_a_case(
    treadle: Treadle, tmp_path: Path
) -> None:
    treadle("hello", "-t", "mine", agent="echoes")
    said = treadle("rate", "mine", "--bad", "--why", "rude", "--by", "ann")
    assert "ann found the turn of record 3 bad: rude" in said.err
    assert "already" in treadle("rate", "mine", "--bad", "--why", "rude", "--by", "ann").err
    assert treadle("threads", "--rated", "bad").out.startswith("mine ")
    assert treadle("threads", "--rated", "good").out == ""
    assert "found the turn of record 3 bad: rude" in treadle("show", "mine").out
    cases = tmp_path / "cases.jsonl"
    assert "1 case" in treadle("save-cases", "--rated", "bad", "-o", str(cases)).err
    assert '"input":["hello"]' in cases.read_text("utf8")
    test = tmp_path / "test_mine.py"
    assert treadle("save-test", "mine", "-o", str(test), agent="echoes").code == 0
    assert "    # ann found this turn bad: rude\n" in test.read_text("utf8")


def test_what_cannot_be_rated_is_said(treadle: Treadle) -> None:
    treadle("hello", "-t", "mine", agent="echoes")
    for words, problem in (
        (("rate", "mine"), "say --good or --bad"),
        (("rate", "mine", "--turn", "2", "--good"), "no turn 2"),
        (("threads", "--rated", "ugly"), "good or bad"),
        (("save-cases",), "no turn is rated"),
    ):
        ran = treadle(*words)
        assert ran.code == 2
        assert problem in ran.err
