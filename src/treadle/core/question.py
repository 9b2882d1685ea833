"""Questions that a tool has for a person in mid-call. Pure.

The call waits as a question, and no process does. Once it is answered, the tool is called again,
with all that was answered so far (`Context.answers`): by any process, in a week as well.
"""

from typing import Any

import msgspec

from .check_settings import check_kind
from .errors import UsageError


class Question(Exception):
    """Raise it in a tool that needs a person's word: the call goes on once there is an answer.

    `state` is any JSON value that the tool gets back then, in `Context.answers`. What the tool has
    done before it asks is done again: so ask first, or look at `answers` before each effect.
    """

    def __init__(self, text: str, *, state: Any = None) -> None:
        check_kind("Question(text)", text, str, "the question, as a text")
        if not text.strip():
            raise UsageError("Question(text) is empty; say what a person is asked")
        self.text = text
        self.state = ""
        """As JSON text; "" for none."""
        try:
            if state is not None:
                self.state = msgspec.json.encode(state).decode()
        except (TypeError, ValueError, RecursionError) as error:
            raise UsageError(f"the state of a question is a JSON value: {error}") from None
        super().__init__(text)


class Answered(msgspec.Struct, frozen=True, gc=False):
    """A question of the call, and what a person said."""

    question: str
    text: str
    by: str = ""
    state_json: str = ""
    said_seq: int = 0
    """The record of what was said, where the agent's checks may change that."""

    @property
    def state(self) -> Any:
        """What the tool has kept with the question; None for nothing."""
        return msgspec.json.decode(self.state_json) if self.state_json else None
