"""Chat completions as a Dialect: OpenAI's older endpoint, which nearly every server has too."""

from ..dialect import Dialect
from .encode import SETTINGS, encode_request
from .reply_builder import ChatReplyBuilder

CHAT = Dialect(
    "chat",
    "/chat/completions",
    encode_request,
    ChatReplyBuilder,
    SETTINGS,
)
