"""Cuts a tool result to fewer characters. Pure."""

from msgspec import structs

from .model import Message
from .prompt_words import PARTS_LEFT_OUT, SHORTENED


def shorten_result(message: Message, chars: int) -> Message:
    """A tool result cut to about `chars`, mostly its beginning; any other message as it is.

    Its pictures and files go too.
    """
    if not message.is_result:
        return message
    if len(message.text) <= chars + len(SHORTENED):
        if not message.parts:
            return message
        return structs.replace(message, content=f"{message.text}\n{PARTS_LEFT_OUT}")
    end_chars = chars // 4
    notice = SHORTENED.format(left_out=len(message.text) - chars, all=len(message.text))
    beginning = message.text[: chars - end_chars]
    end = message.text[len(message.text) - end_chars :]
    return structs.replace(message, content=f"{beginning}{notice}{end}")
