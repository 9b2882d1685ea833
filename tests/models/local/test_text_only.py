"""What a model that reads text alone is told of pictures, files and sounds."""

from treadle.core.model import Message
from treadle.core.values import Audio, File, Image
from treadle.models.local.text_only import as_text

PICTURE = Image("data:image/png;base64,AAAA")


def test_a_text_file_is_its_words_and_of_others_it_is_told_that_they_were_here():
    plan = File.of(b"Buy a lamp.", "plan.txt")
    parts = (plan, File("a.pdf", "data:application/pdf;base64,AAAA"), PICTURE)
    shown = as_text(Message("user", ("look", *parts, Audio("data:audio/wav;base64,AAAA"))))
    assert shown.content == (
        "look\nThe file plan.txt:\nBuy a lamp.\n"
        "(Here was the file a.pdf, which this model can't read.)\n"
        "(Here was a picture. This model takes none.)\n"
        "(Here was a sound. This model takes none.)"
    )


def test_a_result_keeps_its_call_and_a_message_of_words_stays_the_same_one():
    result = as_text(Message("tool", ("drawn", PICTURE), "c1"))
    assert (result.call_id, result.text.splitlines()[0], result.parts) == ("c1", "drawn", ())
    plain = Message("user", "go")
    assert as_text(plain) is plain
