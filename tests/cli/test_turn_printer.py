"""What a person sees of a turn while it runs."""

from treadle import Record
from treadle.cli.terminal import Screen
from treadle.cli.turn_printer import TurnPrinter
from treadle.core import events as e
from treadle.runtime.listeners import Delta


def test_minutes_are_not_shown_as_an_answer(capsys):
    screen = Screen()
    screen.streams = True
    show = TurnPrinter(screen, "t")
    called = e.ModelCalled("m", "h", 1, 1, "compact", upto_seq=3)
    minutes = (
        called,
        e.ModelReplied("- Ann asked.", e.Usage(1, 1), 0.0),
        e.ContextCompacted(3, "- Ann asked."),
    )
    said = (e.ModelCalled("m", "h", 1, 1), e.ModelReplied("the fourth", e.Usage(1, 1), 0.0))
    for seq, event in enumerate((*minutes, *said), 4):
        show(Record("t", seq, 0.0, event))
    assert capsys.readouterr().out == "the fourth\n"


def test_a_thought_that_comes_only_with_its_answer_is_not_shown_after_it(capsys):
    screen = Screen()
    screen.streams = True
    show = TurnPrinter(screen, "t")
    blocks = (e.Thinking("I know it."), e.Text("It is noon."))
    show(Record("t", 4, 0.0, e.ModelCalled("m", "h", 1, 1)))
    show(Delta("t", "It is noon."))
    show(Record("t", 5, 0.0, e.ModelReplied(blocks, e.Usage(1, 1), 0.0)))
    show(Record("t", 6, 0.0, e.ModelCalled("m", "h", 1, 1)))
    show(Record("t", 7, 0.0, e.ModelReplied(blocks, e.Usage(1, 1), 0.0)))
    out, err = capsys.readouterr()
    assert (out.count("noon"), err.count("I know it.")) == (2, 1)


def test_an_answer_is_shown_once_its_check_has_let_it_through(capsys):
    screen = Screen()
    screen.streams = True
    show = TurnPrinter(screen, "t", checked=True)
    show(Record("t", 4, 0.0, e.ModelCalled("m", "h", 1, 1)))
    show(Record("t", 5, 0.0, e.ModelReplied("write to x@y.z", e.Usage(1, 1), 0.0)))
    show(Record("t", 6, 0.0, e.Checked("answer", "allow", "no_mail", content="write to [mail]")))
    show(Delta("t", "write to [mail]"))
    assert capsys.readouterr().out == "write to [mail]"
