"""What is made of a prompt's messages is made once, and is as if it were made of all of them."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from treadle.core.growing import go_on
from treadle.core.model import Message

MESSAGES = [Message("user", text) for text in "abcde"]


class Joined:
    """Joins the texts, and remembers how many messages it was given."""

    def __init__(self) -> None:
        self.given = 0

    def __call__(self, before: str, messages: Sequence[Message]) -> str:
        self.given += len(messages)
        return before + "".join(message.text for message in messages)


def test_only_the_new_messages_are_read() -> None:
    fold, messages = Joined(), [Message("user", text) for text in "abcd"]
    assert [go_on("text", fold, "", messages[:end]) for end in (1, 3, 3, 4)] == [
        "a",
        "abc",
        "abc",
        "abcd",
    ]
    assert fold.given == 4


def test_another_key_and_an_equal_message_that_is_another_one_are_read_anew() -> None:
    fold, messages = Joined(), [Message("user", text) for text in "abc"]
    go_on("text", fold, "", messages)
    assert go_on("other", fold, ">", messages) == ">abc"
    assert go_on("text", fold, "", [*messages[:2], Message("user", "c")]) == "abc"
    assert fold.given == 9


@given(st.lists(st.lists(st.sampled_from(MESSAGES))))
def test_whatever_was_asked_before_the_result_is_that_of_all_messages(
    prompts: list[list[Message]],
) -> None:
    for shown in prompts:
        whole = Joined()("", shown)
        assert go_on("text", Joined(), "", shown) == whole
