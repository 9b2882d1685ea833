"""Words in the place of pictures, files and sounds, for a model that reads text alone. Pure."""

from msgspec.structs import replace

from ...core.legal import NO_SOUND
from ...core.model import Message
from ...core.values import Attachment, File, Image
from ..data_url import read_text_file

NO_PICTURE = "(Here was a picture. This model takes none.)"


def as_text(message: Message) -> Message:
    """The message as one text: a file of text as its words, of others that they were here."""
    if not message.parts:
        return message
    said = [_in_words(part) if isinstance(part, Attachment) else part for part in message.content]
    return replace(message, content="\n".join(map(str, said)))


def _in_words(part: Attachment) -> str:
    if isinstance(part, File):
        if text := read_text_file(part.url):
            return f"The file {part.name}:\n{text}"
        return f"(Here was the file {part.name}, which this model can't read.)"
    return NO_PICTURE if isinstance(part, Image) else NO_SOUND
