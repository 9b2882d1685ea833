"""What a person sees of a turn while it runs."""

from treadle import Record
from treadle.cli.terminal import Screen
from treadle.cli.turn_printer import TurnPrinter
from treadle.core import events as e


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
