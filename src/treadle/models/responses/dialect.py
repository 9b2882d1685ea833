"""The Responses API as a Dialect: OpenAI's newer endpoint, and servers of Open Responses."""

from ..dialect import Dialect
from .accepted_fields import find_accepted_fields
from .encode import SETTINGS, encode_request
from .reply_builder import ResponsesReplyBuilder

RESPONSES = Dialect(
    "responses",
    "/responses",
    encode_request,
    ResponsesReplyBuilder,
    {**SETTINGS, "effort": "reasoning"},
    find_accepted=find_accepted_fields,
)
